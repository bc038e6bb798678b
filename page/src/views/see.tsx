import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import type { Course, Version } from '../course'
import { Characters, engine, source } from '../engine'
import { CopyLink } from '../parts/controls'
import { Models, Picker, playable, withModel } from '../parts/model'
import { Strip, type Cell } from '../parts/strip'
import { percent, spoken } from '../parts/text'
import { useTheme } from '../parts/theme'
import { Unknown } from '../parts/unknown'
import { link, useSettings, type Route } from '../route'
import type { Attention } from '../worker'

const AVERAGE = -1
const SIDE = 192 // 小方块的画布的边长，像素

export default function See({ course, route }: { course: Course; route: Route }) {
  const [settings, set] = useSettings(route, { v: course.first, text: '春江花月夜', at: -1, layer: 0, head: AVERAGE })
  const version = playable(course, settings.v) ?? playable(course, course.first)
  const [automatic, setAutomatic] = useState(route.params.has('v'))
  const seeing = withModel(course).find(one => one.model!.layers > 0)
  if (!version) return <p class="fault">还没有导出的模型，先看看代码和曲线吧。</p>
  return (
    <>
      <h1>它看哪里</h1>
      <p class="lead">猜下一个字的时候，每个字都回头看前面的字，看谁多、看谁少，叫注意力。挑一个字，看它看哪里。</p>
      <div class="controls">
        <Picker course={course} label="看哪一版" value={version.id} onChange={v => { set({ v, layer: 0, head: AVERAGE }); setAutomatic(true) }} />
        <label class="field wide">
          <span>文字</span>
          <textarea rows={2} value={settings.text} onInput={event => set({ text: event.currentTarget.value, at: -1 })} />
        </label>
      </div>
      {version.model!.layers === 0
        ? <p class="notice">{version.blind ?? '这一版没有注意力，没有什么可看的。'} {seeing && <a href={link('see', { v: seeing.id, text: settings.text })}>去看 {seeing.id}</a>}</p>
        : (
          <Models versions={[version]} automatic={automatic}>
            <Heads key={version.id} course={course} version={version} {...settings} set={set} />
          </Models>
        )}
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
  set: (patch: { at?: number; layer?: number; head?: number }) => void
}

function Heads({ course, version, text, at, layer, head, set }: HeadsProps) {
  const characters = useMemo(() => new Characters(course, version), [course, version])
  const { block_size } = version.model!
  const known = useMemo(() => characters.known(text), [characters, text])
  const chars = known.slice(-block_size)
  const [found, setFound] = useState<{ attention: Attention; layers: Map<number, Float32Array>[]; chars: string[] }>()
  const [fault, setFault] = useState('')
  useEffect(() => {
    let current = true
    if (chars.length)
      engine().attention(source(version), characters.window(chars)).then(
        attention => current && (setFound({ attention, layers: matrices(attention), chars }), setFault('')),
        error => current && setFault(error.message),
      )
    else setFound(undefined)
    return () => void (current = false)
  }, [chars.join(''), version])

  if (fault) return <p class="fault" role="alert">{fault}</p>
  if (!chars.length) return <><Unknown characters={characters} text={text} /><p class="notice">先写几个字。</p></>
  if (!found) return <p role="status">在算……</p>
  const { attention, layers } = found
  const T = attention.length
  const query = Number.isInteger(at) && at >= 0 && at < T ? at : T - 1
  const shownLayer = Math.min(Math.max(Math.round(layer), 0), attention.layers - 1)
  const shownHead = attention.heads === 1 ? 0 : Math.min(Math.max(Math.round(head), AVERAGE), attention.heads - 1)
  const weights = layers[shownLayer]!.get(shownHead)!
  const row = Array.from(weights.subarray(query * T, (query + 1) * T))
  const cells: Cell[] = found.chars.map((char, index) => ({
    char,
    class: index > query ? 'masked' : 'seen',
    style: index > query ? undefined : { '--heat': Math.sqrt(row[index]!).toFixed(3) },
    label: index > query ? '在它后面，被遮住了' : `它看这里 ${percent(row[index])}`,
  }))
  const most = row.slice(0, query + 1).map((weight, index) => ({ weight, index })).toSorted((a, b) => b.weight - a.weight).slice(0, 5)
  const name = `第 ${shownLayer + 1} 层，${shownHead === AVERAGE ? '各头平均' : `第 ${shownHead + 1} 个头`}`
  return (
    <>
      <Unknown characters={characters} text={text} />
      {known.length > block_size && <p class="notice" role="status">它一次只看得见最后 {block_size} 个字，前面的没有画。</p>}
      <h2>{name}</h2>
      <div class="paper" data-weights={row.join(' ')}><Strip name="文字，点一个字看它看哪里" cells={cells} selected={query} onSelect={index => set({ at: index })} /></div>
      <p role="status">
        “{spoken(found.chars[query]!)}”（第 {query + 1} 个字）最看：
        {most.map(({ weight, index }, k) => <span key={index}>{k > 0 && '，'}{spoken(found.chars[index]!)}<sub>{index + 1}</sub> {percent(weight)}</span>)}。
      </p>
      <p class="hint">框起来的是正在看的字；红得越深，它看得越多（深浅按权重的平方根）。斜纹的是它后面的字，mask 遮住了，看了就是偷看答案。</p>
      <h2>所有的层和头</h2>
      <p class="hint">一个小方块是一个头：第几行就是第几个字，这一行的深浅是它看各个字的多少，加起来是 1；右上角的斜纹是遮住的未来。点一个，上面就换成它。</p>
      <div class="heads">
        {layers.map((heads, l) => (
          <div key={l} class="layer" role="group" aria-label={`第 ${l + 1} 层`}>
            <h3>第 {l + 1} 层</h3>
            {[...heads].map(([h, weights]) => (
              <button key={h} type="button" aria-pressed={l === shownLayer && h === shownHead} onClick={() => set({ layer: l, head: h })}>
                <span class="matrix">
                  <Matrix weights={weights} length={T} />
                  <i style={{ top: `${(query / T) * 100}%`, height: `${100 / T}%`, width: `${((query + 1) / T) * 100}%` }} />
                </span>
                <span>{h === AVERAGE ? '平均' : `头 ${h + 1}`}</span>
              </button>
            ))}
          </div>
        ))}
      </div>
      <p class="links"><CopyLink /> <a href={link('ask', { v: version.id, text })}>同一个开头，问它</a></p>
    </>
  )
}

/** 各层的权重：头一份是各头的平均（只有一个头的没有），后面一个头一份，各 (T, T) 摊平。 */
function matrices({ weights, layers, heads, length }: Attention): Map<number, Float32Array>[] {
  const size = length * length
  return Array.from({ length: layers }, (_, layer) => {
    const each = Array.from({ length: heads }, (_, head) => weights.subarray((layer * heads + head) * size, (layer * heads + head + 1) * size))
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
