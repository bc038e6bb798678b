import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks'
import { useJson, type Course, type First } from '../course'
import { Characters, ended, next, status, write } from '../engine'
import { Bars, Draw } from '../parts/bars'
import { clean, CopyLink, SAMPLING, SamplingControls, Text } from '../parts/controls'
import { Heat } from '../parts/heat'
import { Fault, Loading, Missing, Picker, playable } from '../parts/model'
import { Thoughts } from '../parts/poem'
import { Strip, type Cell } from '../parts/strip'
import { Unknown } from '../parts/unknown'
import { link, useSettings, type Route } from '../route'
import { useQueue, useRun } from '../run'
import type { Answer } from '../sampling'
import { useStored } from '../store'

const MOST = 100 // “一直写”一次最多写几个字
const PACE = 50 // 一直写的时候，每个字隔这么多毫秒，看得清

export default function Ask({ course, route }: { course: Course; route: Route }) {
  const { data: first } = useJson<First>('first.json')
  return first ? <Paper course={course} route={route} first={first} /> : <h1>问它</h1>
}

/** 写字的纸和下一个字的条。text 是纸上全部的字，位置 at 是条在说的那个字（等于字数就是还没写的下一个）。 */
function Paper({ course, route, first }: { course: Course; route: Route; first: First }) {
  const [settings, set] = useSettings(route, { v: course.first, text: first.opening, ...SAMPLING })
  const version = playable(course, settings.v) ?? playable(course, course.first)!
  const characters = useMemo(() => new Characters(course, version), [course, version])
  const typed = useMemo(() => characters.known(settings.text), [characters, settings.text])
  const draw = clean(settings)
  const usual = settings.text === first.opening && draw.seed === first.seed && draw.temp === 1 && !draw.k // 这样写的，事先写好了
  const key = JSON.stringify([settings.text, draw, usual && version.id])
  const [kept, setKept] = useStored<Record<string, string[]>>('ask', {}) // 各样设置下写的，换回来还在
  const written = (kept[key] ?? [...(usual ? first.texts.find(one => one.id === version.id)?.text ?? '' : '')]).filter(char => !characters.unknown(char).length)
  const keep = (written: string[]) => setKept(now => ({ ...now, [key]: written }))
  const [at, setAt] = useState<number>()
  const [shown, show] = useState<{ answer: Answer; position: number; characters: Characters }>()
  const [wanted, want] = useState(route.params.has('v')) // 读者要过模型了，才去下载
  const work = useRun()
  const queue = useQueue(work)
  const stay = useRef<number | undefined>(undefined) // 换一条路之后，还看这个位置

  const text = [...typed, ...written]
  const position = Math.min(at ?? text.length, text.length)

  useLayoutEffect(() => { // 换了开头、温度、种子：看新的末尾
    queue.stop()
    setAt(stay.current)
    stay.current = undefined
  }, [key])

  useEffect(() => { // 条总是跟着看的那个位置
    if (queue.busy() || (!wanted && status(version).phase !== 'ready')) return
    void work.run(async signal => {
      const about = text[position]
      const request = { ids: characters.window(text.slice(0, position)), seed: draw.seed, position: Math.max(0, position - typed.length), temperature: draw.temp, topK: draw.k }
      show({ answer: await next(version, about === undefined ? request : { ...request, about: characters.id(about) }, signal), position, characters })
    })
  }, [version, key, text.join(''), position, wanted])

  const compose = (count: number) => {
    want(true)
    queue.add(count, async function* (signal) {
      for await (const one of write(characters, typed, draw, signal, written)) {
        keep(one.written)
        setAt(typed.length + one.written.length - 1)
        show({ answer: one.answer, position: typed.length + one.written.length - 1, characters })
        yield
        if (count > 1) await new Promise(resolve => setTimeout(resolve, PACE))
      }
    })
  }
  const look = (index: number | undefined) => {
    queue.stop()
    want(true)
    setAt(index)
  }
  const pick = (char: string) => {
    queue.stop()
    if (char === text[position]) return
    if (position < text.length) stay.current = position
    set({ text: [...text.slice(0, position), char].join('') })
  }

  const blind = text.length - version.model!.block_size
  const cells: Cell[] = text.map((char, index) => ({
    char,
    class: [index < typed.length ? 'typed' : 'written', index < blind ? 'blind' : ''].join(' '),
    label: index < blind ? '太远，它看不见了' : undefined,
  }))
  const answer = shown?.characters === characters ? shown.answer : undefined
  return (
    <>
      <h1>问它</h1>
      <div class="controls">
        <Picker course={course} label="问哪一版" value={version.id} onChange={v => { queue.stop(); want(true); set({ v }) }} />
        <Text label={<>开头{version.model!.obeys && <small>这一版听要求：题目上面加一行 藏头春江花月 试试</small>}</>} rows={2} value={settings.text} onChange={text => set({ text })} />
      </div>
      <Missing course={course} id={settings.v} instead={version} />
      <div class="ask">
        <section aria-label="写出来的字">
          <Unknown characters={characters} text={settings.text} />
          <p class="buttons">
            <button type="button" class="primary" onClick={() => compose(1)}>写一个字</button>
            <button type="button" onClick={() => queue.many ? queue.stop() : compose(MOST)}>{queue.many ? '停' : '一直写'}</button>
            <button type="button" class="quiet" onClick={() => { queue.stop(); keep([]); setAt(undefined) }}>擦掉</button>
          </p>
          <Loading versions={[version]} />
          <Fault run={work} />
          <div class="paper">
            <Strip name="写到这里的字" cells={cells} selected={position} onSelect={look} />
            <button type="button" class="next" aria-pressed={position === text.length} aria-label="下一个字" onClick={() => look(undefined)}>□</button>
          </div>
          <p class="hint">
            {ended(written) && '写完了：空一行，就是一首的末尾；再写，就是下一首。'}
            {blind > 0 && `它一次只看得见最后 ${version.model!.block_size} 个字，灰的看不见了。`}
            <Thoughts text={written.join('')} />
            点纸上的一个字，看它当时有哪些选择；在条里点另一个字，就改走那一条路。
          </p>
          <p class="links">
            <CopyLink />
            <a href={link('see', { v: version.id, text: settings.text })}>同一个开头，它看哪里</a>
            <a href={link('pair', { a: version.id === course.contrast ? course.first : course.contrast, b: version.id, text: settings.text })}>和别的版本并排</a>
            <a href={link(version.id)}>{version.id} 的代码</a>
          </p>
        </section>
        <section aria-label="下一个字的概率">
          {answer && shown && (
            <>
              <h2>{shown.position < text.length ? `第 ${shown.position + 1} 个字，它的前 20 名` : '下一个字，它的前 20 名'}</h2>
              {shown.position >= typed.length && shown.position < text.length && <Draw answer={answer} characters={characters} />}
              <Bars answer={answer} characters={characters} selected={shown.position < text.length ? answer.about ?? answer.chosen : undefined} onPick={pick} />
            </>
          )}
        </section>
      </div>
      <SamplingControls value={draw} onChange={set} />
      <Heat course={course} version={version} />
    </>
  )
}
