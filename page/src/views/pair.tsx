import { useEffect, useLayoutEffect, useMemo } from 'preact/hooks'
import { useJson, type Course, type First, type Version } from '../course'
import { Characters, ended, next, status, write } from '../engine'
import { Bars } from '../parts/bars'
import { clean, CopyLink, SAMPLING, SamplingControls, Text } from '../parts/controls'
import { Fault, Loading, Missing, Picker, playable } from '../parts/model'
import { Thoughts } from '../parts/poem'
import { quoted } from '../parts/text'
import { Unknown } from '../parts/unknown'
import { link, useSettings, type Route } from '../route'
import { useQueue, useRun } from '../run'
import type { Answer } from '../sampling'
import { useStored } from '../store'

const MOST = 100

interface Side {
  written: string[]
  answer?: Answer
}

export default function Pair({ course, route }: { course: Course; route: Route }) {
  const { data: first } = useJson<First>('first.json')
  return first ? <Both course={course} route={route} first={first} /> : <h1>并排</h1>
}

function Both({ course, route, first }: { course: Course; route: Route; first: First }) {
  const [settings, set] = useSettings(route, { a: course.contrast, b: course.first, text: first.opening, ...SAMPLING })
  const versions = [settings.a, settings.b].map((id, k) => playable(course, id) ?? playable(course, k ? course.first : course.contrast)!) as [Version, Version]
  const ids = versions.map(version => version.id).join()
  const characters = useMemo(() => versions.map(version => new Characters(course, version)), [course, ids])
  const given = characters.map(one => one.known(settings.text))
  const draw = clean(settings)
  const key = JSON.stringify([ids, settings.text, draw])
  const ready = versions.map(({ id }) => [...(first.texts.find(one => one.id === id)?.text ?? '')])
  const usual = settings.text === first.opening && draw.seed === first.seed && draw.temp === 1 && !draw.k && ready.every(text => text.length)
  const [kept, setKept] = useStored<Record<string, Side[]>>('pair', {}) // 各样设置下写的，换回来还在
  const sides = kept[key] ?? versions.map((_, k): Side => ({ written: usual ? ready[k]! : [] }))
  const keep = (sides: Side[]) => setKept(now => ({ ...now, [key]: sides }))
  const work = useRun()
  const queue = useQueue(work)

  useLayoutEffect(() => {
    queue.stop()
    work.stop()
  }, [key])

  useEffect(() => { // 换了版本、开头、温度：模型在手边，就先看看下一个字
    if (kept[key] || usual) return
    if (!route.params.has('a') && !route.params.has('b') && versions.some(version => status(version).phase !== 'ready')) return
    void work.run(async signal => {
      const answers = await Promise.all(versions.map((version, k) => next(version, { ids: characters[k]!.window(given[k]!), position: 0, seed: draw.seed, temperature: draw.temp, topK: draw.k }, signal)))
      keep(answers.map(answer => ({ written: [], answer })))
    })
  }, [key])

  const compose = (count: number) => queue.add(count, async function* (signal) {
    let now = sides.every(side => ended(side.written)) ? sides.map((): Side => ({ written: [] })) : sides // 都写完了，就从头来
    const writing = versions.map((_, k) => write(characters[k]!, given[k]!, draw, signal, now[k]!.written))
    while (now.some(side => !ended(side.written))) {
      now = await Promise.all(now.map(async (side, k) => ended(side.written) ? side : (await writing[k]!.next()).value ?? side))
      keep(now)
      yield
    }
  })
  return (
    <>
      <h1>并排</h1>
      <div class="controls">
        <Picker course={course} label="左边" value={versions[0].id} onChange={a => set({ a })} />
        <Picker course={course} label="右边" value={versions[1].id} onChange={b => set({ b })} />
        <Text label="开头" rows={2} value={settings.text} onChange={text => set({ text })} />
      </div>
      {[settings.a, settings.b].map((id, k) => <Missing key={k} course={course} id={id} instead={versions[k]!} />)}
      <p class="buttons">
        <button type="button" class="primary" onClick={() => compose(1)}>各写一个字</button>
        <button type="button" onClick={() => queue.many ? queue.stop() : compose(MOST)}>{queue.many ? '停' : '一直写'}</button>
        <button type="button" class="quiet" onClick={() => { queue.stop(); keep(versions.map(() => ({ written: [] }))) }}>擦掉</button>
      </p>
      <Loading versions={[...new Set(versions)]} />
      <Fault run={work} />
      <div class="pair">
        {versions.map((version, k) => {
          const { written, answer } = sides[k]!
          const last = written.at(-1)
          return (
            <section key={k} aria-label={`${k ? '右边' : '左边'}：${version.id}`}>
              <h2><a href={link(version.id)}>{version.id}</a> {version.title}</h2>
              <Unknown characters={characters[k]!} text={settings.text} />
              <p class="poem paper" data-side={k}><span class="typed">{given[k]!.join('')}</span><span class="written">{written.join('')}</span></p>
              {ended(written) ? <h3>它写完了。</h3> : answer && (
                <>
                  <h3>{last === undefined ? '下一个字' : `第 ${written.length} 个字，随机数 ${answer.u.toFixed(3)}，抽中${quoted(last)}`}</h3>
                  <Bars answer={answer} characters={characters[k]!} selected={last === undefined ? undefined : answer.chosen} count={5} />
                </>
              )}
            </section>
          )
        })}
      </div>
      <p>同一个开头，写到第几个字，就用第几个随机数：写得不同，全是因为模型不同。<Thoughts text={sides.flatMap(side => side.written).join('')} /></p>
      <SamplingControls value={draw} onChange={set} />
      <p class="links"><CopyLink /></p>
    </>
  )
}
