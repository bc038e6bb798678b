import { useEffect, useMemo } from 'preact/hooks'
import { useJson, type Course, type Details, type Version } from '../course'
import { Characters, write } from '../engine'
import { clean, CopyLink, SAMPLING, SamplingControls, Text, Tune } from '../parts/controls'
import { Fault, Loading, withModel } from '../parts/model'
import { Legend, Poem } from '../parts/poem'
import { Unknown } from '../parts/unknown'
import { MOST } from '../parts/writer'
import { poem, request, type Prosody } from '../prosody'
import { link, useSettings, type Route } from '../route'
import { useRun } from '../run'
import { useStored } from '../store'

const MODELS = 4

interface Written {
  tune: string
  heads: string
  written: string
}

export default function FormView({ course, route }: { course: Course; route: Route }) {
  const able = withModel(course).filter(version => course.rungs.includes(version.id))
  const usual = able.filter((_, k) => !k || k > able.length - MODELS).map(version => version.id).join(',')
  const [settings, set] = useSettings(route, { tune: course.tunes[0]!, heads: '', models: usual, ...SAMPLING })
  const { data, error } = useJson<Prosody>('prosody.json')
  const chosen = able.filter(version => settings.models.split(',').includes(version.id)).slice(0, MODELS)
  const ids = chosen.map(version => version.id)
  const tune = course.tunes.includes(settings.tune) ? settings.tune : course.tunes[0]!
  const characters = useMemo(() => chosen.map(version => new Characters(course, version)), [course, ids.join()])
  const heads = (characters.at(-1)?.known(settings.heads.replace(/\s/g, '')) ?? []).join('')
  const [poems, setPoems] = useStored<Record<string, Written>>('poems', {})
  const work = useRun()
  useEffect(() => work.stop(), [ids.join(), tune, heads, JSON.stringify(clean(settings))]) // 要求改了，写着的就不要了

  const compose = () => work.run(async signal => {
    const given = chosen.map(({ model }) => request(`${tune} ${course.anyone}`, '', model!.obeys ? heads : ''))
    const written: Record<string, Written> = Object.fromEntries(chosen.map(version => [version.id, { tune, heads: version.model!.obeys ? heads : '', written: '' }]))
    const keep = () => setPoems(now => ({ ...now, ...written }))
    keep()
    const going = chosen.map((version, k) => ({ id: version.id, writing: write(characters[k]!, characters[k]!.known(given[k]!), clean(settings), signal) }))
    while (going.length) // 轮流写，一人一个字
      for (const one of [...going]) {
        const { value, done } = await one.writing.next()
        if (value) written[one.id] = { ...written[one.id]!, written: value.written.join('') }
        keep()
        if (done || value!.written.length >= MOST) going.splice(going.indexOf(one), 1)
      }
  })
  return (
    <>
      <h1>格律</h1>
      <div class="controls">
        <Tune tunes={course.tunes} value={tune} onChange={tune => set({ tune })} />
        <Text label={<>藏头 <small>各行的头一个字，可以不写</small></>} value={settings.heads} onChange={heads => set({ heads })} />
        <button type="button" class="primary" onClick={() => work.running ? work.stop() : chosen.length && data && compose()}>{work.running ? '停' : '各写一首'}</button>
      </div>
      <p>一个词牌定下了一首词有几句、每句几个字，哪里用平声（大致是今天的一、二声）、哪里用仄声（三、四声，和古时短促的入声），哪几句的末字押韵（韵母相近）。看各版守得住几成。</p>
      <fieldset class="field">
        <legend>谁来写 <small>最多 {MODELS} 个</small></legend>
        <span class="joined">
          {able.map(version => {
            const on = ids.includes(version.id)
            const toggled = on ? ids.filter(id => id !== version.id) : [...ids, version.id]
            return (
              <label key={version.id} class="check">
                <input type="checkbox" checked={on} disabled={!on && ids.length >= MODELS} onChange={() => set({ models: toggled.join() })} />
                {version.id} {version.title}
              </label>
            )
          })}
        </span>
      </fieldset>
      <SamplingControls value={clean(settings)} onChange={set} />
      {characters.length > 0 && <Unknown characters={characters.at(-1)!} text={settings.heads} />}
      {error && <p class="fault" role="alert">{error}</p>}
      {!chosen.length && <p class="notice">先挑一个模型。{!able.length && '这几版的模型还没有导出。'}</p>}
      <Loading versions={chosen} />
      <Fault run={work} />
      {data && (
        <>
          <div class="poems" data-count={chosen.length}>
            {chosen.map(version => <Card key={version.id} version={version} prosody={data} mine={poems[version.id]} />)}
          </div>
          <Legend />
        </>
      )}
      <p class="links"><CopyLink /></p>
    </>
  )
}

function Card({ version, prosody, mine }: { version: Version; prosody: Prosody; mine?: Written }) {
  const { data } = useJson<Details>(mine ? null : `versions/${version.id}.json`)
  const [, tune, written] = /^(\S+) \S+\n(.*)$/s.exec(data?.examples?.[0] ?? '') ?? [] // 还没让它写，先看打分时写的头一首
  const shown = mine ?? (tune ? { tune, heads: '', written: written! } : undefined)
  return (
    <section class="card">
      <h2><a href={link(version.id)}>{version.id}</a> {version.title}</h2>
      {!shown ? <p class="hint">还没写。</p> : (
        <>
          <p class="hint">{!mine ? '先前写的一首' : mine.heads ? `给它：藏头${mine.heads}／${mine.tune}` : version.model!.obeys ? `给它：${mine.tune}` : '它不懂藏头，只给了它题头'}</p>
          <Poem tune={shown.tune} heads={shown.heads} body={poem(shown.written)} templates={prosody.templates[shown.tune] ?? []} readings={prosody.readings} />
        </>
      )}
    </section>
  )
}
