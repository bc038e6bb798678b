import type { Characters } from '../engine'
import type { Answer, Choice } from '../sampling'
import { chance, spoken, visible } from './text'

/** 前 20 名，一名一条；点一条，就选它。selected 是已经在纸上的那个字，前 20 名里没有，就添在末尾。 */
export function Bars(props: {
  answer: Answer
  characters: Characters
  selected?: Choice
  onPick?: (char: string) => void
  count?: number
}) {
  const { answer, characters, selected } = props
  const top = answer.top.slice(0, props.count ?? 20)
  const most = Math.max(...top.map(one => Math.max(one.p, one.raw)))
  const rows = selected && selected.rank >= top.length ? [...top, selected] : top
  return (
    <ol class="bars">
      {rows.map(candidate => {
        const char = characters.char(candidate.id)
        const chosen = candidate.id === selected?.id
        const inside = (
          <>
            <span class="bar-char">{visible(char)}</span>
            <span class="bar-track">
              {candidate === selected && <small>第 {candidate.rank + 1} 名</small>}
              <span class="bar-fill" style={{ width: `${(candidate.p / most) * 100}%` }} />
              {Math.abs(candidate.raw - candidate.p) > 1e-6 && (
                <span class="bar-raw" style={{ left: `${(candidate.raw / most) * 100}%` }} title={`温度 1、不限名次时是 ${chance(candidate.raw)}`} />
              )}
            </span>
            <span class="bar-value">{chance(candidate.p)}</span>
            <span class="bar-mark" aria-hidden="true">{chosen ? '✓' : ''}</span>
          </>
        )
        return (
          <li key={candidate.id} class={chosen ? 'chosen' : undefined} data-char={char} data-raw={candidate.raw}>
            {props.onPick
              ? <button type="button" aria-pressed={chosen} aria-label={`${spoken(char)}，${chance(candidate.p)}`} onClick={() => props.onPick!(char)}>{inside}</button>
              : <div class="bar-row">{inside}</div>}
          </li>
        )
      })}
    </ol>
  )
}

/** 一个字，一条，一个数。 */
export const Row = ({ char, share, value }: { char: string; share: number; value: string }) => (
  <>
    <span class="bar-char">{visible(char)}</span>
    <span class="bar-track"><span class="bar-fill" style={{ width: `${Math.max(0, share) * 100}%` }} /></span>
    <span class="bar-value">{value}</span>
  </>
)

/** 抽签：从大到小排成一条，随机数落在谁的一段，就是谁。 */
export function Draw({ answer, characters }: { answer: Answer; characters: Characters }) {
  const shown = answer.top.filter(one => one.p > 0)
  const rest = 1 - shown.reduce((total, one) => total + one.p, 0)
  const char = characters.char(answer.chosen.id)
  return (
    <figure class="draw">
      <div class="draw-strip" aria-hidden="true">
        {shown.map(one => (
          <span key={one.id} class={one.id === answer.chosen.id ? 'chosen' : undefined} style={{ flexGrow: one.p }}>
            {one.p > 0.06 ? visible(characters.char(one.id)) : ''}
          </span>
        ))}
        {rest > 1e-6 && <span class="rest" style={{ flexGrow: rest }}>{rest > 0.15 ? '其余的字' : ''}</span>}
        <i style={{ left: `${answer.u * 100}%` }} />
      </div>
      <figcaption>随机数 {answer.u.toFixed(3)}，落在“{spoken(char)}”的一段里（{chance(answer.chosen.p)}，第 {answer.chosen.rank + 1} 名）。</figcaption>
    </figure>
  )
}
