import { useJson, type Course, type First } from '../course'
import { link, type Settings } from '../route'
import { unspoken } from '../prosody'
import { find } from './model'

/** 同一个开头，几版各接着写的：一根滑杆，从只会数数拉到最后一版。都是事先写好的，不用下载模型。 */
export function Growth({ course, at, onMove }: { course: Course; at: number; onMove: (at: number) => void }) {
  const { data, error } = useJson<First>('first.json')
  if (error) return <p class="fault" role="alert">{error}</p>
  if (!data) return <div class="growth" />
  const here = Math.min(Math.max(Math.round(at), 0), data.texts.length - 1)
  const { id, text } = data.texts[here]!
  const version = find(course, id)!
  const settings: Settings = { v: id, text: data.opening, seed: data.seed }
  return (
    <section class="growth" aria-label="同一个开头，各版接着写">
      <p class="poem paper"><span class="typed">{data.opening}</span><span class="written">{unspoken(text).trimEnd()}</span></p>
      <label>
        <span class="sr">走到哪一版</span>
        <input
          type="range" min="0" max={data.texts.length - 1} step="1" value={here} aria-valuetext={`${version.id} ${version.title}`}
          onInput={event => onMove(Number(event.currentTarget.value))}
        />
      </label>
      <div class="stops">
        {data.texts.map(({ id }, k) => <button key={id} type="button" aria-pressed={k === here} onClick={() => onMove(k)}>{find(course, id)!.part === 'baseline' ? '数数' : id}</button>)}
      </div>
      <p class="hint"><a href={link(id)}>{version.part === 'baseline' ? '只会数数的' : version.id}</a>：{version.title}。{version.model && <a href={link('ask', settings)}>接着问它</a>}</p>
    </section>
  )
}
