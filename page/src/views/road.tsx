import { useEffect, useState } from 'preact/hooks'
import type { Course, Version } from '../course'
import { baseline, comparable, exam, type Exam } from '../parts/exam'
import { Growth } from '../parts/growth'
import { find, withModel } from '../parts/model'
import { loss, percent } from '../parts/text'
import { Writer } from '../parts/writer'
import { link, useSettings, type Route } from '../route'

const [BEST, WORST] = [3.5, 6.5]
const ROWS = 4 // 路上的，一次出来几版

const place = (value: number) => ((Math.min(WORST, Math.max(BEST, value)) - BEST) / (WORST - BEST)) * 100

/** 和 index.html 里先显示的一样，换上来时不闪。 */
function Opening() {
  return (
    <>
      <h1>从零写一个学填词的 GPT</h1>
      <p class="lead">一份份短短的 Python 脚本，一次一个概念。拉一拉，看它怎样学会：</p>
    </>
  )
}

export default function Road({ course, route }: { course: Course; route: Route }) {
  const writer = withModel(course).at(-1)
  const [settings, set] = useSettings(route, { at: course.versions.length, tune: course.tunes[0]!, rhyme: '天', heads: '', seed: 0 })
  const [shown, show] = useState(route.visit ? Infinity : 0)
  useEffect(() => { // 头一屏先出来，下面的一段一段来
    if (ROWS * (shown - 2) >= course.versions.length) return
    const timer = setTimeout(() => show(shown + 1))
    return () => clearTimeout(timer)
  }, [shown])
  return (
    <>
      <Opening />
      <Growth course={course} at={settings.at} onMove={at => set({ at })} />
      {shown > 0 && writer && <Writer course={course} version={writer} settings={settings} set={set} sent={route.params.has('seed')} />}
      {shown > 1 && <Versions course={course} rows={ROWS * (shown - 2)} />}
    </>
  )
}

/** 说明，和路上的头几版。 */
function Versions({ course, rows }: { course: Course; rows: number }) {
  const versions = course.versions.filter(version => version.part !== 'baseline')
  const learnt = find(course, course.first)?.val_loss
  const parts: { name: string; note: string; exam: Exam; versions: Version[] }[] = [
    { name: '第一段路：走到 2019 年的 GPT-2', note: '考题：没学过的词里随便截的一段。', exam: 'pieces', versions: [] },
    { name: '第二段路：今天的零件', note: '考题：没学过的整首词，从头读到尾，不能和上面直接比。', exam: 'poems', versions: [] },
    { name: '底座之后：听要求、守格律', note: '这几版各考各的，loss 不能一起比；看合律，再看句末该押的押上了几成。', exam: 'own', versions: [] },
  ]
  for (const part of parts) part.versions = versions.filter(version => exam(version) === part.exam)
  const from = versions.findIndex(version => version.id === course.first) // 合律从这一版登起
  const judged = new Set(versions.slice(from).filter(version => version.form))
  const out = new Set(parts.flatMap(part => part.versions).slice(0, rows))
  return (
    <>
      <h2>一路走来</h2>
      <p>
        挑一版，看它的代码比前一版多了什么、学得怎样；再<a href={link('ask')}>问它一句</a>。
        模型就是那些脚本训练出来的，在你自己的浏览器里跑，不用装东西。
      </p>
      <dl class="terms">
        <div><dt><i class="dot" /> loss</dt><dd>平均每个字的 −ln 概率，猜得越准越小。{learnt && <>{loss(learnt)}（{course.first}）好比每写一个字，在 {Math.round(Math.exp(learnt))} 个字之间犹豫。</>}</dd></div>
        <div><dt><i class="dash" /> 只会数数</dt><dd>数每个字后面跟过哪些字，不用神经网络：线在它左边，才算赢了它。</dd></div>
        <div><dt><i class="block" /> 合律</dt><dd>写的词，分行和每句的字数合词牌的占几成。没学过的真词是 {percent(course.baselines.form_of_real_poems.attested)}。</dd></div>
      </dl>
      {parts.filter(part => out.has(part.versions[0]!)).map(part => <Stretch key={part.name} {...part} judged={judged} out={out} counted={baseline(course, part.exam)} />)}
    </>
  )
}

function Stretch(props: { name: string; note: string; exam: Exam; versions: Version[]; judged: Set<Version>; out: Set<Version>; counted: number | null }) {
  const { versions, counted } = props
  const own = props.exam === 'own'
  const losses = versions.map(comparable)
  const judged = versions.some(version => props.judged.has(version))
  return (
    <section class={`road ${own ? 'own' : judged ? 'judged' : ''}`}>
      <h3>{props.name}</h3>
      <p class="hint">{props.note}</p>
      <div class="road-head" aria-hidden="true">
        <span>版本</span>
        {!own && <><span class="axis"><b>{BEST}</b><em>← 越左越好</em><b>{WORST}</b></span><span class="value">loss</span></>}
        {judged && <span>合律</span>}
        {own && <span>押韵</span>}
      </div>
      <ol>
        {versions.map((version, k) => props.out.has(version) && (
          <li key={version.id}>
            <a href={link(version.id)}>
              <span class="stop"><b>{version.id}</b> {version.title}{version.side && <small>旁支</small>}</span>
              {!own && (
                <>
                  <Track before={losses[k - 1]} value={losses[k]} after={losses[k + 1]} counted={counted} />
                  <span class="value"><span class="sr">loss </span>{loss(losses[k])}</span>
                </>
              )}
              {judged && <Share name="合律" value={own || props.judged.has(version) ? version.form?.attested ?? null : undefined} />}
              {own && <Share name="押韵" value={version.form?.rhyme ?? null} />}
            </a>
          </li>
        ))}
      </ol>
      {counted !== null && <p class="hint">虚线：只会数数的 {loss(counted)}。</p>}
    </section>
  )
}

/** 一版的 loss 是一个点，和上下两版的连成线。 */
function Track(props: { before?: number | null; value?: number | null; after?: number | null; counted: number | null }) {
  const { before, value, after, counted } = props
  if (value === null || value === undefined) return <span class="track" />
  const x = place(value)
  const middle = (other?: number | null) => other === null || other === undefined ? undefined : (x + place(other)) / 2
  const [up, down] = [middle(before), middle(after)]
  const points = [up === undefined ? '' : `${up},0`, `${x},50`, down === undefined ? '' : `${down},100`].join(' ')
  const better = counted !== null && value < counted
  return (
    <span class="track">
      <svg viewBox="0 0 100 100" preserveAspectRatio="none" aria-hidden="true">
        {counted !== null && <line class="counted" x1={place(counted)} x2={place(counted)} y1="0" y2="100" />}
        <polyline points={points} />
      </svg>
      <i class={better ? 'better' : ''} style={{ left: `${x}%` }} />
    </span>
  )
}

/** 没有量的是一横；不登的空着。 */
function Share({ name, value }: { name: string; value: number | null | undefined }) {
  if (value === undefined) return <span class="share" />
  return (
    <span class="share">
      <span class="bar-track">{value !== null && <span class="bar-fill" style={{ width: `${value * 100}%` }} />}</span>
      <span><span class="sr">{name} </span>{percent(value)}</span>
    </span>
  )
}
