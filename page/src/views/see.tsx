import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import type { Caption, Course, Version } from '../course'
import { Characters, inside, status } from '../engine'
import { CopyLink, Text } from '../parts/controls'
import { Fault, Loading, Missing, Picker, playable, withModel } from '../parts/model'
import { Strip, type Cell } from '../parts/strip'
import { chance, percent, quoted, visible } from '../parts/text'
import { useTheme } from '../parts/theme'
import { Unknown } from '../parts/unknown'
import { link, useSettings, type Route } from '../route'
import { useRun } from '../run'
import type { Candidate } from '../sampling'
import type { Inside } from '../worker'

const AVERAGE = -1
const SIDE = 192 // 小方块的画布的边长，像素

export default function See({ course, route }: { course: Course; route: Route }) {
  const [settings, set] = useSettings(route, { v: course.first, text: '浣溪沙 苏轼\n春江花月夜', at: -1, layer: 0, head: AVERAGE, off: '' })
  const version = playable(course, settings.v) ?? playable(course, course.first)!
  const [asked, setAsked] = useState(route.params.has('v') || status(version).phase === 'ready') // 要过模型了，才去下载
  const seeing = withModel(course).find(one => one.model!.layers > 0)
  return (
    <>
      <h1>它看哪里</h1>
      <p>猜下一个字的时候，每个字都回头看前面的字，看谁多、看谁少，叫注意力。</p>
      <div class="controls">
        <Picker course={course} label="看哪一版" value={version.id} onChange={v => { set({ v, layer: 0, head: AVERAGE, off: '' }); setAsked(true) }} />
        <Text label="文字" rows={2} value={settings.text} onChange={text => set({ text, at: -1 })} />
      </div>
      <Missing course={course} id={settings.v} instead={version} />
      {version.model!.layers === 0
        ? <p class="notice">{version.blind ?? '这一版没有注意力，没有什么可看的。'} {seeing && <a href={link('see', { v: seeing.id, text: settings.text })}>去看 {seeing.id}</a>}</p>
        : asked
          ? <Heads key={version.id} course={course} version={version} {...settings} set={set} />
          : (
            <>
              <p class="buttons"><button type="button" class="primary" onClick={() => { setAsked(true); document.getElementById('main')!.focus({ preventScroll: true }) }}>让 {version.id} 读这段</button></p>
              <Loading versions={[version]} />
              <Found course={course} version={version} />
            </>
          )}
    </>
  )
}

const told = (course: Course, { pattern, when }: Caption) => `${when ? `${course.moments[when]}时，` : ''}看${course.patterns[pattern]}`

/** 没下载模型，先说量出来的：各个头多半看什么。 */
function Found({ course, version }: { course: Course; version: Version }) {
  const { captions, layers, heads } = version.model!
  const found = captions.flatMap((row, layer) => row.flatMap((one, head) => one ? [{ one, layer, head }] : []))
  return (
    <>
      <h2>{version.id} 的头，各看什么</h2>
      <p class="hint">{layers} 层，每层 {heads} 个头。拿没学过的词量过：{found.length ? '下面几个头，目光大半落在一处；别的看不出一定的规律。' : '没有哪个头的目光大半落在一处。'}</p>
      <ul>{found.map(({ one, layer, head }) => <li key={`${layer} ${head}`}>第 {layer + 1} 层，头 {head + 1}：{told(course, one)}（{percent(one.mass)}）</li>)}</ul>
    </>
  )
}

interface HeadsProps {
  course: Course
  version: Version
  text: string
  at: number
  layer: number
  head: number
  /** 关掉的头：第几层第几个，逗号隔开 */
  off: string
  set: (patch: { at?: number; layer?: number; head?: number; off?: string }) => void
}

function Heads({ course, version, text, at, layer, head, off, set }: HeadsProps) {
  const characters = useMemo(() => new Characters(course, version), [course, version])
  const { block_size, layers: L, heads: H, captions } = version.model!
  const known = useMemo(() => characters.known(text), [characters, text])
  const chars = known.slice(-block_size)
  const query = Number.isInteger(at) && at >= 0 && at < chars.length ? at : chars.length - 1
  const closed = [...new Set(off.split(',').filter(Boolean).map(Number))].filter(k => Number.isInteger(k) && k >= 0 && k < L * H)
  const [found, setFound] = useState<{ now: Inside; whole: Inside; layers: Map<number, Float32Array>[]; chars: string[]; query: number }>()
  const work = useRun()
  useEffect(() => {
    if (!chars.length) return setFound(undefined)
    void work.run(async signal => {
      const ids = characters.window(chars)
      const whole = await inside(version, ids, query, [], signal)
      const now = closed.length ? await inside(version, ids, query, closed, signal) : whole
      setFound({ now, whole, layers: matrices(now, L, H), chars, query })
    })
  }, [chars.join(''), query, closed.join()])

  const waiting = <><Unknown characters={characters} text={text} /><Loading versions={[version]} /><Fault run={work} /></>
  if (!chars.length) return <>{waiting}<p class="notice">先写几个字。</p></>
  if (!found) return <>{waiting}</>
  const { now, whole, layers } = found
  const T = now.length
  const q = Math.min(query, T - 1) // 看哪里，不用等重算
  const shownLayer = Math.min(Math.max(Math.round(layer), 0), L - 1)
  const shownHead = H === 1 ? 0 : Math.min(Math.max(Math.round(head), AVERAGE), H - 1)
  const weights = layers[shownLayer]!.get(shownHead)!
  const row = Array.from(weights.subarray(q * T, (q + 1) * T))
  const cells: Cell[] = found.chars.map((char, index) => ({
    char,
    class: index > q ? 'masked' : 'seen',
    style: index > q ? undefined : { '--heat': Math.sqrt(row[index]!).toFixed(3) },
    label: index > q ? '在它后面，被遮住了' : `它看这里 ${percent(row[index])}`,
  }))
  const most = row.slice(0, q + 1).map((weight, index) => ({ weight, index })).toSorted((a, b) => b.weight - a.weight).slice(0, 5)
  const number = shownLayer * H + shownHead
  const toggle = () => set({ off: (closed.includes(number) ? closed.filter(k => k !== number) : [...closed, number]).join() })
  const caption = shownHead === AVERAGE ? undefined : captions[shownLayer]?.[shownHead]
  return (
    <>
      {waiting}
      {known.length > block_size && <p class="notice" role="status">它一次只看得见最后 {block_size} 个字，前面的没有画。</p>}
      <h2>第 {shownLayer + 1} 层，{shownHead === AVERAGE ? '各头平均' : `第 ${shownHead + 1} 个头`}{caption && <small>{told(course, caption)}（{percent(caption.mass)}）</small>}</h2>
      <div class="paper" data-weights={row.join(' ')}><Strip name="文字，点一个字看它看哪里" cells={cells} selected={query} onSelect={index => set({ at: index })} /></div>
      <p role="status">
        {quoted(found.chars[q]!)}（第 {q + 1} 个字）最看：
        {most.map(({ weight, index }, k) => <span key={index}>{k > 0 && '，'}{quoted(found.chars[index]!)}<sub>{index + 1}</sub> {percent(weight)}</span>)}。
      </p>
      <p class="hint">框起来的是正在看的字；红得越深，它看得越多（深浅按权重的平方根）。斜纹的是它后面的字，mask 遮住了，看了就是偷看答案。</p>
      <h2>所有的层和头</h2>
      <p class="hint">一个小方块是一个头：第几行就是第几个字，这一行的深浅是它看各个字的多少，加起来是 1。点一个，上面就换成它；再点“关掉”，看少了它会怎样。</p>
      <div class="heads">
        {layers.map((heads, l) => (
          <div key={l} class="layer" role="group" aria-label={`第 ${l + 1} 层`}>
            <h3>第 {l + 1} 层</h3>
            {[...heads].map(([h, weights]) => (
              <button key={h} type="button" class={closed.includes(l * H + h) && h !== AVERAGE ? 'closed' : ''} aria-pressed={l === shownLayer && h === shownHead} onClick={() => set({ layer: l, head: h })}>
                <span class="matrix">
                  <Matrix weights={weights} length={T} />
                  <i style={{ top: `${(q / T) * 100}%`, height: `${100 / T}%`, width: `${((q + 1) / T) * 100}%` }} />
                </span>
                <span>{h === AVERAGE ? '平均' : `头 ${h + 1}`}</span>
                {h !== AVERAGE && captions[l]?.[h] && <small>{told(course, captions[l][h])}</small>}
              </button>
            ))}
          </div>
        ))}
      </div>
      <p class="buttons">
        {shownHead !== AVERAGE && <button type="button" class="primary" aria-pressed={closed.includes(number)} onClick={toggle}>{closed.includes(number) ? '打开' : '关掉'}第 {shownLayer + 1} 层的头 {shownHead + 1}</button>}
        {closed.length > 0 && <button type="button" onClick={() => set({ off: '' })}>全打开</button>}
      </p>
      <Guess now={now} whole={whole} characters={characters} after={found.chars[found.query]!} />
      <p class="links"><CopyLink /> <a href={link('ask', { v: version.id, text })}>同一个开头，问它</a></p>
    </>
  )
}

const worse = (more: number) => Math.abs(more) < 0.005 ? '猜得一样准' : more > 0 ? `多了 ${more.toFixed(2)}，猜得差了` : `少了 ${(-more).toFixed(2)}，在这几个字上反倒猜得准些`

/** 一层一层，下一个字猜成了什么；关了头，差多少。 */
function Guess({ now, whole, characters, after }: { now: Inside; whole: Inside; characters: Characters; after: string }) {
  const mean = ({ losses }: Inside) => losses.reduce((total, loss) => total + loss, 0) / losses.length
  const rows: [name: string, top: Candidate[]][] = now.lens.map((top, k) => [k ? `第 ${k} 层之后` : '嵌入', top])
  if (!rows.length) rows.push(['最后', now.top])
  if (now !== whole) rows.push(['头都开着时', whole.top])
  return (
    <section class="guess">
      {now.lens.length
        ? <><h2>一层一层，猜成了什么</h2><p class="hint">每一层之后，都借最后那一步（归一、lm_head）来猜{quoted(after)}后面的字：看它从哪一层起猜成这样。</p></>
        : <h2>{quoted(after)}后面，猜成了什么</h2>}
      <div class="scroll" tabIndex={0} role="region" aria-label="各层之后的前五名">
        <table>
          <tbody>
            {rows.map(([name, top]) => (
              <tr key={name}>
                <th scope="row">{name}</th>
                {top.map(one => <td key={one.id} style={{ '--heat': Math.sqrt(one.raw).toFixed(3) }}><b>{visible(characters.char(one.id))}</b> {chance(one.raw)}</td>)}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {now.losses.length > 0 && (
        <p role="status" class="cost">
          这段文字，平均每个字的 loss：{mean(now).toFixed(2)}{now !== whole && `，头都开着时 ${mean(whole).toFixed(2)}：关了它，${worse(mean(now) - mean(whole))}`}。
        </p>
      )}
    </section>
  )
}

/** 各层的权重：头一份是各头的平均（只有一个头的没有），后面一个头一份，各 (T, T) 摊平。 */
function matrices({ attention, length }: Inside, layers: number, heads: number): Map<number, Float32Array>[] {
  const size = length * length
  return Array.from({ length: layers }, (_, layer) => {
    const each = Array.from({ length: heads }, (_, head) => attention.subarray((layer * heads + head) * size, (layer * heads + head + 1) * size))
    const mean = each[0]!.map((_, k) => each.reduce((total, one) => total + one[k]!, 0) / heads)
    return new Map([...(heads > 1 ? [[AVERAGE, mean] as const] : []), ...each.entries()])
  })
}

function Matrix({ weights, length }: { weights: Float32Array; length: number }) {
  const canvas = useRef<HTMLCanvasElement>(null)
  const theme = useTheme()
  useEffect(() => {
    const context = canvas.current?.getContext('2d')
    if (!context) return
    const { color, borderColor, backgroundColor } = getComputedStyle(canvas.current!)
    const step = SIDE / length
    context.fillStyle = backgroundColor
    context.fillRect(0, 0, SIDE, SIDE)
    context.imageSmoothingEnabled = false
    context.drawImage(shades(weights, length, color), 0, 0, SIDE, SIDE)
    context.beginPath() // 右上角：斜纹
    for (let t = 0; t < length; t++) context.rect((t + 1) * step, t * step, SIDE, step)
    context.save()
    context.clip()
    context.beginPath()
    for (let x = -SIDE; x < SIDE; x += 12) {
      context.moveTo(x, SIDE)
      context.lineTo(x + SIDE, 0)
    }
    context.strokeStyle = borderColor
    context.lineWidth = 2
    context.stroke()
    context.restore()
  }, [weights, length, theme])
  return <canvas ref={canvas} width={SIDE} height={SIDE} aria-hidden="true" />
}

/** 一个权重一个像素，深浅按平方根。 */
function shades(weights: Float32Array, length: number, color: string): HTMLCanvasElement {
  const [r = 0, g = 0, b = 0] = color.match(/[\d.]+/g)!.map(Number)
  const pixels = Uint8ClampedArray.from({ length: 4 * weights.length }, (_, k) => [r, g, b, 255 * Math.sqrt(weights[k >> 2]!)][k & 3]!)
  const canvas = document.createElement('canvas')
  canvas.width = canvas.height = length
  canvas.getContext('2d')!.putImageData(new ImageData(pixels, length), 0, 0)
  return canvas
}
