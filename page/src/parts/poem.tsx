import { judge, THOUGHTS, unspoken, type Judged, type Mark, type Template } from '../prosody'
import { percent } from './text'

const TONES: Record<string, [mark: string, name: string]> = {
  '平right': ['○', '该平，是平'],
  '仄right': ['●', '该仄，是仄'],
  '平wrong': ['○', '该平，错了'],
  '仄wrong': ['●', '该仄，错了'],
}

/** 一首词的正文，每个字合不合谱；写之前想的（①–⑲）浅浅地放在字前面。 */
export function Verses({ body, judged }: { body: string; judged: Judged }) {
  const lines: (Mark | string)[][] = [[]]
  let at = 0
  for (const char of body) {
    if (THOUGHTS.test(char)) lines.at(-1)!.push(char)
    else if (char === '\n') at = lines.push([]) && at + 1
    else lines.at(-1)!.push(judged.marks[at++]!)
  }
  return (
    <div class="verses">
      {lines.map((line, row) => <p key={row}>{line.map((mark, k) => typeof mark === 'string' ? <small key={k} class="thought" title="写之前想的：下一个字在哪一部">{mark}</small> : <Marked key={k} mark={mark} />)}</p>)}
    </div>
  )
}

function Marked({ mark }: { mark: Mark }) {
  if (!mark.tone) return <span class="point">{mark.char}</span>
  const [sign, name] = TONES[`${mark.want}${mark.tone}`] ?? (mark.tone === 'off' ? ['', '句长出了谱'] : ['·', '可平可仄'])
  const rhyme = mark.rhyme && (mark.rhyme === 'hit' ? '，押韵' : '，该押韵，没押上')
  return (
    <span class={`mark ${mark.tone} ${mark.rhyme ?? ''}`} data-sign={sign} title={name + (rhyme ?? '')}>{mark.char}</span>
  )
}

export function Summary({ judged, heads, body }: { judged: Judged; heads: string; body: string }) {
  const share = (part: number, whole: number) => whole ? `${part} / ${whole}，${percent(part / whole)}` : '—'
  const first = unspoken(body).split('\n').map(line => [...line][0])
  const asked = [...heads]
  return (
    <dl class="summary">
      <dt>句长</dt><dd>{judged.whole ? '合谱' : judged.off ? '出了谱' : '到这里都合谱'}</dd>
      <dt>平仄</dt><dd>{share(judged.right, judged.fixed)}</dd>
      <dt>押韵</dt><dd>{share(judged.hits, judged.ends)}</dd>
      {asked.length > 0 && <><dt>藏头</dt><dd>{asked.filter((char, k) => first[k] === char).length} / {asked.length}</dd></>}
    </dl>
  )
}

/** 写出来的里面有想的，就说一声那是什么。 */
export const Thoughts = ({ text }: { text: string }) => THOUGHTS.test(text) ? <>①–⑲ 是写韵字之前想的：它押哪一部。</> : null

export interface PoemProps {
  tune: string
  /** 正文，想的还在里面 */
  body: string
  /** 要的藏头；没要是空的 */
  heads: string
  templates: Template[]
  readings: Record<string, string>
}

export function Poem({ tune, body, heads, templates, readings }: PoemProps) {
  const judged = judge(unspoken(body), templates, readings)
  return (
    <>
      <p class="poem-title">{tune}</p>
      <Verses body={body} judged={judged} />
      <Summary judged={judged} heads={heads} body={body} />
    </>
  )
}

export function Legend() {
  const samples: [string, string, string, string][] = [
    ['right', '', '○', '该平，对'], ['right', '', '●', '该仄，对'], ['wrong', '', '●', '平仄错了（波浪线）'], ['free', '', '·', '可平可仄'],
    ['right', 'hit', '○', '押韵（方框）'], ['right', 'miss', '○', '该押没押上（虚框）'], ['off', '', '', '句长出了谱（灰）'],
  ]
  return (
    <ul class="legend" aria-label="图例">
      {samples.map(([tone, rhyme, sign, name]) => (
        <li key={name}><span class={`mark ${tone} ${rhyme}`} data-sign={sign} aria-hidden="true">字</span> {name}</li>
      ))}
      <li><small class="thought" aria-hidden="true">③</small> 写韵字之前想的：它押哪一部</li>
    </ul>
  )
}
