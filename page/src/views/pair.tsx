import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import type { Course, Version } from '../course'
import { Characters, engine, source } from '../engine'
import { Bars } from '../parts/bars'
import { clean, CopyLink, SAMPLING, SamplingControls } from '../parts/controls'
import { Models, Picker, playable } from '../parts/model'
import { visible } from '../parts/text'
import { Unknown } from '../parts/unknown'
import { link, useSettings, type Route } from '../route'
import type { Answer } from '../sampling'

const MOST = 100

export default function Pair({ course, route }: { course: Course; route: Route }) {
  const [settings, set] = useSettings(route, { a: course.contrast, b: course.first, text: '春江', ...SAMPLING })
  const [automatic, setAutomatic] = useState(route.params.has('a') || route.params.has('b'))
  const versions = [playable(course, settings.a) ?? playable(course, course.contrast), playable(course, settings.b) ?? playable(course, course.first)]
  if (!versions[0] || !versions[1]) return <p class="fault">还没有导出的模型，先看看代码和曲线吧。</p>
  const pair = versions as [Version, Version]
  return (
    <>
      <h1>并排</h1>
      <p class="lead">两版，同一个开头，连抽签的随机数都一样：写得不同，全是因为模型不同。</p>
      <div class="controls">
        <Picker course={course} label="左边" value={pair[0].id} onChange={a => { set({ a }); setAutomatic(true) }} />
        <Picker course={course} label="右边" value={pair[1].id} onChange={b => { set({ b }); setAutomatic(true) }} />
        <label class="field wide">
          <span>开头</span>
          <textarea rows={2} value={settings.text} onInput={event => set({ text: event.currentTarget.value })} />
        </label>
      </div>
      <SamplingControls value={clean(settings)} onChange={set} />
      <Models versions={[...new Set(pair)]} automatic={automatic}>
        <Both key={pair.map(version => version.id).join()} course={course} versions={pair} opening={settings.text} {...clean(settings)} />
        <p class="links"><CopyLink /></p>
      </Models>
    </>
  )
}

interface Side {
  written: string[]
  answer?: Answer
  ended: boolean
}

interface BothProps {
  course: Course
  versions: [Version, Version]
  opening: string
  temp: number
  k: number
  seed: number
}

function Both({ course, versions, opening, temp, k, seed }: BothProps) {
  const characters = useMemo(() => versions.map(version => new Characters(course, version)), [course])
  const [sides, setSides] = useState<Side[]>(() => versions.map(() => ({ written: [], ended: false })))
  const [running, setRunning] = useState(false)
  const [fault, setFault] = useState('')
  const [round, restart] = useState(0)
  const turn = useRef(0)

  const stop = () => {
    turn.current += 1
    setRunning(false)
  }
  const ask = (which: number, chars: string[]) =>
    engine().next(source(versions[which]!), characters[which]!.window(chars), seed, chars.length, temp, k)

  useEffect(() => {
    stop()
    const mine = turn.current
    setSides(versions.map(() => ({ written: [], ended: false })))
    void Promise.all(versions.map((_, which) => ask(which, characters[which]!.known(opening)))).then(
      answers => mine === turn.current && setSides(answers.map(answer => ({ written: [], answer, ended: false }))),
      error => mine === turn.current && setFault(error.message),
    )
    return stop
  }, [opening, temp, k, seed, round])

  const write = async (count: number) => {
    const mine = ++turn.current
    setRunning(true)
    setFault('')
    let now = sides
    try {
      for (let n = 0; n < count && now.some(side => !side.ended); n++) {
        now = await Promise.all(now.map(async (side, which) => {
          if (side.ended) return side
          const answer = await ask(which, [...characters[which]!.known(opening), ...side.written])
          const written = [...side.written, characters[which]!.char(answer.chosen.id)]
          return { written, answer, ended: written.slice(-2).join('') === '\n\n' }
        }))
        if (mine !== turn.current) return
        setSides(now)
      }
    } catch (error) {
      setFault((error as Error).message)
    }
    setRunning(false)
  }

  return (
    <>
      <Unknown characters={characters[0]!} text={opening} />
      <p class="buttons">
        <button type="button" class="primary" disabled={running} onClick={() => write(1)}>各写一个字</button>
        {running
          ? <button type="button" onClick={stop}>停</button>
          : <button type="button" onClick={() => write(MOST)}>一直写</button>}
        <button type="button" class="quiet" disabled={running || !sides.some(side => side.written.length)} onClick={() => restart(n => n + 1)}>擦掉</button>
      </p>
      {fault && <p class="fault" role="alert">{fault}</p>}
      <div class="pair">
        {versions.map((version, which) => {
          const { written, answer } = sides[which]!
          const last = written.at(-1)
          return (
            <section key={which} aria-label={`${which ? '右边' : '左边'}：${version.id}`}>
              <h2><a href={link(version.id)}>{version.id}</a> {version.title}</h2>
              <p class="poem paper" data-side={which}><span class="typed">{opening}</span><span class="written">{written.join('')}</span></p>
              {answer && (
                <>
                  <h3>{last === undefined ? '下一个字' : `随机数 ${answer.u.toFixed(3)}，抽中“${visible(last)}”`}</h3>
                  <Bars answer={answer} characters={characters[which]!} selected={last === undefined ? undefined : answer.chosen} count={5} />
                </>
              )}
            </section>
          )
        })}
      </div>
    </>
  )
}
