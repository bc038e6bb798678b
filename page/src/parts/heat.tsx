import { useEffect, useMemo, useState } from 'preact/hooks'
import type { Course, Version } from '../course'
import { Characters, losses } from '../engine'
import { useRun } from '../run'
import { useStored } from '../store'
import { Text } from './controls'
import { Fault, Loading, playable, withModel } from './model'
import { Strip, type Cell } from './strip'
import { chance, quoted } from './text'
import { Unknown } from './unknown'

const MOST = 1000 // 再长，就要算好一会儿

/** 没学过的一首 */
const EXAMPLE = '青玉案 辛弃疾\n东风夜放花千树。\n更吹落、星如雨。\n宝马雕车香满路。\n'

/** 给一段文字打分：每个字，读了前面的，它猜到几成；挑了另一版，就看谁猜得准。 */
export function Heat({ course, version }: { course: Course; version: Version }) {
  const [pasted, paste] = useStored('scored', EXAMPLE)
  const [rival, setRival] = useStored('rival', '')
  const [found, setFound] = useState<{ text: string[]; of: string[]; losses: number[][] }>() // losses 里第 k 个是 text[k + 1] 的
  const [at, setAt] = useState(1)
  const work = useRun()
  const other = rival === version.id ? undefined : playable(course, rival)
  const versions = other ? [version, other] : [version]
  const characters = useMemo(() => versions.map(one => new Characters(course, one)), [course, versions.map(one => one.id).join()])
  const all = useMemo(() => [...pasted].filter(char => characters.every(one => !one.unknown(char).length)), [characters, pasted])

  useEffect(() => work.stop(), [characters]) // 换了版本，算着的不要了

  const score = () => work.run(async signal => {
    const text = all.slice(0, MOST)
    setFound(undefined)
    setAt(1)
    const scored: number[][] = []
    for (const [k, one] of versions.entries()) scored.push(await losses(one, text.map(characters[k]!.id), signal))
    setFound({ text, of: versions.map(one => one.id), losses: scored })
  })

  const mean = (values: number[]) => values.reduce((total, loss) => total + loss, 0) / values.length
  const [mine = [], theirs] = found?.losses ?? []
  const cells: Cell[] = (found?.text ?? []).map((char, index) => {
    const loss = mine[index - 1]
    if (loss === undefined) return { char, class: 'heat', label: '开头，没有可猜的' }
    const less = theirs && theirs[index - 1]! - loss
    return {
      char,
      class: less === undefined ? 'heat' : less > 0 ? 'won' : 'lost',
      style: { '--heat': Math.min(1, less === undefined ? loss / 8 : Math.abs(less) / 4).toFixed(3) },
      label: `loss ${loss.toFixed(2)}` + (theirs ? `，${found!.of[1]} 的 ${theirs[index - 1]!.toFixed(2)}` : ''),
    }
  })
  return (
    <section class="scoring">
      <h2>给一段文字打分</h2>
      <p>贴一段词，看它读到哪个字时最意外。loss 是 −ln 概率：猜得越准越小，红得越深越意外。</p>
      <Text label={<>文字 <small>{all.length.toLocaleString('zh-CN')} 个字</small></>} rows={5} value={pasted} onChange={text => { work.stop(); setFound(undefined); paste(text) }} />
      <Unknown characters={characters[0]!} text={pasted} />
      {all.length > MOST && (
        <p class="notice" role="status">
          一共 {all.length.toLocaleString('zh-CN')} 个字，太长了，只算前 {MOST.toLocaleString('zh-CN')} 个。
        </p>
      )}
      <p class="buttons">
        <button type="button" class="primary" onClick={() => work.running ? work.stop() : score()} disabled={all.length < 2}>{work.running ? '停' : '打分'}</button>
        <label class="joined">
          <span>和谁比</span>
          <select value={other?.id ?? ''} onChange={event => setRival(event.currentTarget.value)}>
            <option value="">不比</option>
            {withModel(course).filter(one => one !== version).map(one => <option key={one.id} value={one.id}>{one.id} {one.title}</option>)}
          </select>
        </label>
      </p>
      {work.running && <Loading versions={versions} />}
      <Fault run={work} />
      {found && mine.length > 0 && (
        <>
          <p role="status">
            {found.of.map((id, k) => `${id} 平均每个字 ${mean(found.losses[k]!).toFixed(2)} nat，好比在 ${Math.round(Math.exp(mean(found.losses[k]!)))} 个字之间犹豫`).join('；')}。
            {mine[at - 1] !== undefined && found.text[at] && <> {quoted(found.text[at])}：{found.of.map((id, k) => `${id} 给了 ${chance(Math.exp(-found.losses[k]![at - 1]!))}，loss ${found.losses[k]![at - 1]!.toFixed(2)}`).join('；')}。</>}
          </p>
          <div class="paper"><Strip name="打过分的字" cells={cells} selected={at} onSelect={setAt} /></div>
          {versions.some(one => one.part === 'after') && <p class="hint">{versions.filter(one => one.part === 'after').map(one => one.id).join('、')} 写韵字之前要先想（①–⑲）；这段文字里没有，到了韵字它还等着想，loss 就大，不是它不会。</p>}
          {theirs
            ? <p class="scale duel" aria-hidden="true"><span>{found.of[0]} 猜得准</span><i /><span>{found.of[1]} 猜得准</span></p>
            : <p class="scale" aria-hidden="true"><span>猜得准</span><i /><span>意外</span></p>}
        </>
      )}
    </section>
  )
}
