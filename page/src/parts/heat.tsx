import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import type { Course, Version } from '../course'
import { Characters, engine, source } from '../engine'
import { Strip, type Cell } from './strip'
import { chance, spoken } from './text'
import { Unknown } from './unknown'

const MOST = 1000 // 每个字都要从头读一遍前文，再长就太慢

const EXAMPLE = '浣溪沙 晏殊\n一曲新词酒一杯。\n去年天气旧亭台。\n夕阳西下几时回。\n'

/** 给一段文字打分：每个字，读了前面的，它猜到几成。 */
export function Heat({ course, version }: { course: Course; version: Version }) {
  const characters = useMemo(() => new Characters(course, version), [course, version])
  const [pasted, paste] = useState(EXAMPLE)
  const [text, setText] = useState<string[]>([])
  const [losses, setLosses] = useState<number[]>([]) // 第 k 个是 text[k + 1] 的
  const [at, setAt] = useState(1)
  const [running, setRunning] = useState(false)
  const [fault, setFault] = useState('')
  const turn = useRef(0)
  useEffect(() => () => void (turn.current += 1), [])

  const all = useMemo(() => characters.known(pasted), [characters, pasted])
  const stop = () => {
    turn.current += 1
    setRunning(false)
  }
  const score = async () => {
    const mine = ++turn.current
    const chars = all.slice(0, MOST)
    const found: number[] = []
    setText(chars)
    setLosses([])
    setAt(1)
    setFault('')
    setRunning(true)
    let shown = performance.now()
    try {
      for (let n = 1; n < chars.length; n++) {
        found.push(await engine().loss(source(version), characters.window(chars.slice(0, n)), characters.id(chars[n]!)))
        if (mine !== turn.current) return
        if (performance.now() - shown > 100 || n === chars.length - 1) { // 别一个字重画一次
          setLosses([...found])
          shown = performance.now()
        }
      }
    } catch (error) {
      setFault((error as Error).message)
    }
    setRunning(false)
  }

  const cells: Cell[] = text.slice(0, losses.length + 1).map((char, index) => {
    const loss = losses[index - 1]
    return {
      char,
      class: 'heat',
      style: loss === undefined ? undefined : { '--heat': Math.min(1, loss / 8).toFixed(3) },
      label: loss === undefined ? '开头，没有可猜的' : `loss ${loss.toFixed(2)}`,
    }
  })
  const mean = losses.reduce((total, loss) => total + loss, 0) / losses.length
  const chosen = losses[at - 1]
  return (
    <section class="scoring">
      <h2>给一段文字打分</h2>
      <p>贴一段词，看它读到哪个字时最意外。loss 是 −ln 概率：猜得越准越小，红得越深越意外。</p>
      <label class="field wide">
        <span>文字 <small>{all.length.toLocaleString('zh-CN')} 个字</small></span>
        <textarea rows={5} value={pasted} onInput={event => { stop(); paste(event.currentTarget.value) }} />
      </label>
      <Unknown characters={characters} text={pasted} />
      {all.length > MOST && (
        <p class="notice" role="status">
          一共 {all.length.toLocaleString('zh-CN')} 个字，太长了，只算前 {MOST.toLocaleString('zh-CN')} 个：每个字都要让模型把前文再读一遍，全算要好几分钟。
        </p>
      )}
      <p class="buttons">
        {running
          ? <button type="button" onClick={stop}>停</button>
          : <button type="button" disabled={all.length < 2} onClick={score}>打分</button>}
        {running && <progress max={text.length - 1} value={losses.length} aria-label="算到哪儿了" />}
        {running && <span class="hint">{losses.length} / {text.length - 1}</span>}
      </p>
      {fault && <p class="fault" role="alert">{fault}</p>}
      {losses.length > 0 && (
        <>
          <p role="status">
            平均每个字 {mean.toFixed(2)} nat，好比每个字在 {Math.round(Math.exp(mean))} 个字之间犹豫。
            {chosen !== undefined && text[at] && <> “{spoken(text[at])}”：它给了 {chance(Math.exp(-chosen))}，loss {chosen.toFixed(2)}。</>}
          </p>
          <div class="paper"><Strip name="打过分的字" cells={cells} selected={at} onSelect={setAt} /></div>
          <p class="scale" aria-hidden="true"><span>猜得准</span><i /><span>意外</span></p>
        </>
      )}
    </section>
  )
}
