import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import type { Course } from '../course'
import { Characters, engine, source } from '../engine'
import { Bars, Draw } from '../parts/bars'
import { clean, CopyLink, SAMPLING, SamplingControls } from '../parts/controls'
import { Heat } from '../parts/heat'
import { Models, Picker, playable } from '../parts/model'
import { Strip, type Cell } from '../parts/strip'
import { Unknown } from '../parts/unknown'
import { link, useSettings, type Route } from '../route'
import type { Answer } from '../sampling'

const MOST = 100 // “一直写”一次最多写几个字
const PACE = 60 // 每个字至少隔这么多毫秒，看得清

export default function Ask({ course, route }: { course: Course; route: Route }) {
  const [settings, set] = useSettings(route, { v: course.first, text: '春江', ...SAMPLING })
  const version = playable(course, settings.v) ?? playable(course, course.first)
  const [automatic, setAutomatic] = useState(route.params.has('v'))
  if (!version) return <p class="fault">还没有导出的模型，先看看代码和曲线吧。</p>
  return (
    <>
      <h1>问它</h1>
      <p class="lead">写个开头，看它觉得下一个字会是什么。条越长，概率越大。</p>
      <div class="controls">
        <Picker course={course} label="问哪一版" value={version.id} onChange={v => { set({ v }); setAutomatic(true) }} />
        <label class="field wide">
          <span>开头{version.model!.obeys && <small>这一版听要求：题目上面加一行 藏头春江花月 试试</small>}</span>
          <textarea rows={2} value={settings.text} onInput={event => set({ text: event.currentTarget.value })} />
        </label>
      </div>
      <SamplingControls value={clean(settings)} onChange={set} />
      <Models versions={[version]} automatic={automatic}>
        <Paper
          key={version.id} course={course} version={version} opening={settings.text} {...clean(settings)}
          onOpening={text => set({ text })}
        />
        <Heat course={course} version={version} />
      </Models>
    </>
  )
}

interface PaperProps {
  course: Course
  version: NonNullable<ReturnType<typeof playable>>
  opening: string
  temp: number
  k: number
  seed: number
  onOpening: (text: string) => void
}

/** 写字的纸和下一个字的条。text 是纸上全部的字，位置 at 是条在说的那个字（等于字数就是还没写的下一个）。 */
function Paper({ course, version, opening, temp, k, seed, onOpening }: PaperProps) {
  const characters = useMemo(() => new Characters(course, version), [course, version])
  const typed = useMemo(() => characters.known(opening), [characters, opening])
  const [written, setWritten] = useState<string[]>([])
  const [at, setAt] = useState<number>()
  const [answer, setAnswer] = useState<Answer>()
  const [running, setRunning] = useState(false)
  const [fault, setFault] = useState('')
  const turn = useRef(0) // 又有了新的要求，旧的回答就不要了
  const stay = useRef<number | undefined>(undefined) // 换一条路之后，还看这个位置

  const text = [...typed, ...written]
  const position = at ?? text.length
  const ask = (chars: string[], about?: string) =>
    engine().next(source(version), characters.window(chars), seed, chars.length, temp, k, about === undefined ? undefined : characters.id(about))

  const stop = () => {
    turn.current += 1
    setRunning(false)
  }

  // 开头、温度、种子变了，写过的就不作数了
  useEffect(() => {
    stop()
    setWritten([])
    setAt(stay.current)
    stay.current = undefined
  }, [typed.join(''), temp, k, seed])

  // 条总是跟着看的那个位置
  useEffect(() => {
    if (running) return
    const mine = ++turn.current
    ask(text.slice(0, position), text[position]).then(
      found => mine === turn.current && (setAnswer(found), setFault('')),
      error => mine === turn.current && setFault(error.message),
    )
  }, [text.join(''), position, temp, k, seed, running])

  useEffect(() => () => void (turn.current += 1), [])

  const write = async (count: number) => {
    const mine = ++turn.current
    setRunning(true)
    let chars = text
    try {
      for (let n = 0; n < count; n++) {
        const started = performance.now()
        const found = await ask(chars)
        if (mine !== turn.current) return
        chars = [...chars, characters.char(found.chosen.id)]
        setWritten(chars.slice(typed.length))
        setAnswer(found)
        setAt(chars.length - 1)
        setFault('')
        if (chars.slice(-2).join('') === '\n\n') break // 篇末的空行
        if (count > 1) await new Promise(resolve => setTimeout(resolve, Math.max(0, PACE - (performance.now() - started))))
        if (mine !== turn.current) return
      }
    } catch (error) {
      setFault((error as Error).message)
    }
    setRunning(false)
  }

  const pick = (char: string) => {
    stop()
    if (char === text[position]) return
    if (position < text.length) stay.current = position
    onOpening([...text.slice(0, position), char].join(''))
  }

  const blind = text.length - version.model!.block_size
  const cells: Cell[] = text.map((char, index) => ({
    char,
    class: [index < typed.length ? 'typed' : 'written', index < blind ? 'blind' : ''].join(' '),
    label: index < blind ? '太远，它看不见了' : undefined,
  }))
  return (
    <div class="ask">
      <section aria-label="写出来的字">
        <Unknown characters={characters} text={opening} />
        <div class="paper">
          <Strip name="写到这里的字" cells={cells} selected={position} onSelect={index => { stop(); setAt(index) }} />
          <button type="button" class="next" aria-pressed={position === text.length} aria-label="下一个字" onClick={() => { stop(); setAt(undefined) }}>□</button>
        </div>
        <p class="buttons">
          <button type="button" class="primary" disabled={running} onClick={() => write(1)}>写一个字</button>
          {running
            ? <button type="button" onClick={stop}>停</button>
            : <button type="button" onClick={() => write(MOST)}>一直写</button>}
          <button type="button" class="quiet" disabled={!written.length} onClick={() => { stop(); setWritten([]); setAt(undefined) }}>擦掉</button>
        </p>
        <p class="hint">
          {blind > 0 ? `它一次只看得见最后 ${version.model!.block_size} 个字，灰的看不见了。` : '点纸上的一个字，看它当时有哪些选择；在条里点另一个字，就改走那一条路。'}
        </p>
        {fault && <p class="fault" role="alert">{fault}</p>}
        <p class="links">
          <CopyLink />
          <a href={link('see', { v: version.id, text: opening })}>同一个开头，它看哪里</a>
          <a href={link('pair', { a: version.id === course.contrast ? course.first : course.contrast, b: version.id, text: opening })}>和别的版本并排</a>
          <a href={link(version.id)}>{version.id} 的代码</a>
        </p>
      </section>
      <section aria-label="下一个字的概率">
        {answer && (
          <>
            <h2>{position < text.length ? `第 ${position + 1} 个字，它的前 20 名` : '下一个字，它的前 20 名'}</h2>
            {position >= typed.length && position < text.length && <Draw answer={answer} characters={characters} />}
            <Bars answer={answer} characters={characters} selected={position < text.length ? answer.about ?? answer.chosen : undefined} onPick={pick} />
          </>
        )}
      </section>
    </div>
  )
}
