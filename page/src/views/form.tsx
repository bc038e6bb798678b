import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import { useJson, type Course, type Version } from '../course'
import { Characters, engine, source } from '../engine'
import { clean, CopyLink, SAMPLING, SamplingControls } from '../parts/controls'
import { Models, withModel } from '../parts/model'
import { percent } from '../parts/text'
import { Unknown } from '../parts/unknown'
import { judge, type Judged, type Mark, type Prosody } from '../prosody'
import { link, useSettings, type Route } from '../route'

const MOST = 200 // 最长的词，连标点和换行
const MODELS = 4
const THOUGHTS = /[①-⑲]/g // 想的，不说出来

export default function FormView({ course, route }: { course: Course; route: Route }) {
  const able = withModel(course).filter(version => course.rungs.includes(version.id))
  const usual = able.filter((_, k) => !k || k > able.length - MODELS).map(version => version.id).join(',')
  const [settings, set] = useSettings(route, { tune: course.tunes[0] ?? '浣溪沙', heads: '春江花月', models: usual, ...SAMPLING })
  const { data, error } = useJson<Prosody>('prosody.json')
  const chosen = able.filter(version => settings.models.split(',').includes(version.id)).slice(0, MODELS)
  const tune = course.tunes.includes(settings.tune) ? settings.tune : course.tunes[0]!
  const [automatic, setAutomatic] = useState(route.params.has('models'))
  const toggle = (id: string) => {
    const ids = chosen.map(version => version.id)
    set({ models: (ids.includes(id) ? ids.filter(one => one !== id) : [...ids, id].slice(-MODELS)).join(',') })
    if (automatic) setAutomatic(true)
  }
  return (
    <>
      <h1>格律</h1>
      <p class="lead">一个词牌定下了一首词有几句、每句几个字，哪里用平声（大致是今天的一、二声）、哪里用仄声（三、四声，和古时短促的入声），哪几句的末字押韵（韵母相近）。看各版守得住几成。</p>
      <div class="controls">
        <label class="field">
          <span>词牌</span>
          <select value={tune} onChange={event => set({ tune: event.currentTarget.value })}>
            {course.tunes.map(one => <option key={one}>{one}</option>)}
          </select>
        </label>
        <label class="field">
          <span>藏头 <small>各行的头一个字，可以不写</small></span>
          <input type="text" maxLength={12} value={settings.heads} onInput={event => set({ heads: event.currentTarget.value })} />
        </label>
        <fieldset class="field">
          <legend>谁来写 <small>最多 {MODELS} 个</small></legend>
          <span class="joined">
            {able.map(version => (
              <label key={version.id} class="check">
                <input type="checkbox" checked={chosen.includes(version)} disabled={!chosen.includes(version) && chosen.length >= MODELS} onChange={() => toggle(version.id)} />
                {version.id} {version.title}
              </label>
            ))}
          </span>
        </fieldset>
      </div>
      <SamplingControls value={clean(settings)} onChange={set} />
      {error && <p class="fault" role="alert">{error}</p>}
      {!chosen.length && <p class="notice">先挑一个模型。{!able.length && '这几版的模型还没有导出。'}</p>}
      {data && chosen.length > 0 && (
        <Models versions={chosen} automatic={automatic}>
          <Poems course={course} versions={chosen} prosody={data} tune={tune} heads={settings.heads.trim()} {...clean(settings)} />
          <p class="links"><CopyLink /></p>
        </Models>
      )}
    </>
  )
}

interface PoemsProps {
  course: Course
  versions: Version[]
  prosody: Prosody
  tune: string
  heads: string
  temp: number
  k: number
  seed: number
}

function Poems({ course, versions, prosody, tune, heads, temp, k, seed }: PoemsProps) {
  const ids = versions.map(version => version.id).join()
  const characters = useMemo(() => versions.map(version => new Characters(course, version)), [course, ids])
  const [poems, setPoems] = useState<Record<string, string>>({})
  const [running, setRunning] = useState(false)
  const [fault, setFault] = useState('')
  const turn = useRef(0)

  const stop = () => {
    turn.current += 1
    setRunning(false)
  }
  useEffect(() => {
    stop()
    setPoems({})
    return stop
  }, [ids, tune, heads, temp, k, seed])

  const write = async () => {
    const mine = ++turn.current
    setRunning(true)
    setFault('')
    setPoems({})
    const prompts = versions.map((version, which) => characters[which]!.known(prompt(version, tune, heads)))
    const texts = prompts.map(() => [] as string[])
    const ended = (text: string[]) => text.length >= MOST || text.slice(-2).join('') === '\n\n'
    try {
      while (texts.some(text => !ended(text))) { // 轮流写，一人一个字
        for (const [which, text] of texts.entries()) {
          if (ended(text)) continue
          const chars = [...prompts[which]!, ...text]
          const found = await engine().next(source(versions[which]!), characters[which]!.window(chars), seed, text.length, temp, k)
          if (mine !== turn.current) return
          text.push(characters[which]!.char(found.chosen.id))
        }
        setPoems(Object.fromEntries(versions.map((version, which) => [version.id, texts[which]!.join('').replace(THOUGHTS, '')])))
      }
    } catch (error) {
      setFault((error as Error).message)
    }
    setRunning(false)
  }

  return (
    <>
      <Unknown characters={characters.at(-1)!} text={heads} />
      <p class="buttons">
        {running
          ? <button type="button" onClick={stop}>停</button>
          : <button type="button" class="primary" onClick={write}>写一首</button>}
      </p>
      {fault && <p class="fault" role="alert">{fault}</p>}
      <Legend />
      <div class="poems">
        {versions.map(version => <Poem key={version.id} version={version} written={poems[version.id]} prosody={prosody} tune={tune} heads={heads} />)}
      </div>
    </>
  )
}

/** 都给词牌，作者由它写；听要求的，上面加一行要求。 */
function prompt(version: Version, tune: string, heads: string): string {
  return `${version.model!.obeys && heads ? `藏头${heads}\n` : ''}${tune} `
}

function Poem({ version, written, prosody, tune, heads }: { version: Version; written?: string; prosody: Prosody; tune: string; heads: string }) {
  const obeys = version.model!.obeys
  const [header = '', ...rest] = (written ?? '').split('\n')
  const body = rest.join('\n').split('\n\n')[0]!
  const judged = useMemo(() => judge(body, prosody.templates[tune] ?? [], prosody.readings), [body, prosody, tune])
  const first = body.split('\n').map(line => [...line][0] ?? '')
  const asked = obeys ? [...heads] : []
  const obeyed = asked.filter((char, k) => first[k] === char).length
  return (
    <section class="card">
      <h2><a href={link(version.id)}>{version.id}</a> {version.title}</h2>
      <p class="hint">{obeys ? <>给它：{prompt(version, tune, heads).replace('\n', '／')}</> : <>它不懂藏头，只给了它词牌</>}</p>
      {written === undefined
        ? <p class="hint">还没写。</p>
        : (
          <>
            <p class="poem-title">{tune} {header}</p>
            <Verses judged={judged} />
            <Summary judged={judged} obeyed={asked.length ? `${obeyed} / ${asked.length}` : undefined} />
          </>
        )}
    </section>
  )
}

const TONES: Record<string, [mark: string, name: string]> = {
  '平right': ['○', '该平，是平'],
  '仄right': ['●', '该仄，是仄'],
  '平wrong': ['○', '该平，错了'],
  '仄wrong': ['●', '该仄，错了'],
}

function Verses({ judged }: { judged: Judged }) {
  const lines: Mark[][] = [[]]
  for (const mark of judged.marks) {
    if (mark.char === '\n') lines.push([])
    else lines.at(-1)!.push(mark)
  }
  return (
    <div class="verses">
      {lines.map((line, row) => (
        <p key={row}>
          {line.map((mark, k) => {
            if (!mark.tone) return <span key={k} class="point">{mark.char}</span>
            const [sign, name] = TONES[`${mark.want}${mark.tone}`] ?? (mark.tone === 'off' ? ['', '句长出了谱'] : ['·', '可平可仄'])
            const rhyme = mark.rhyme && (mark.rhyme === 'hit' ? '，押韵' : '，该押韵，没押上')
            return (
              <span key={k} class={`mark ${mark.tone} ${mark.rhyme ?? ''}`} title={name + (rhyme ?? '')}>
                <span>{mark.char}</span>
                <i aria-hidden="true">{sign}</i>
              </span>
            )
          })}
        </p>
      ))}
    </div>
  )
}

function Summary({ judged, obeyed }: { judged: Judged; obeyed?: string }) {
  const share = (part: number, whole: number) => whole ? `${part} / ${whole}，${percent(part / whole)}` : '—'
  return (
    <dl class="summary">
      <dt>句长</dt><dd>{judged.whole ? '合谱' : judged.off ? '出了谱' : '到这里都合谱'}</dd>
      <dt>平仄</dt><dd>{share(judged.right, judged.fixed)}</dd>
      <dt>押韵</dt><dd>{share(judged.hits, judged.ends)}</dd>
      {obeyed && <><dt>藏头</dt><dd>{obeyed}</dd></>}
    </dl>
  )
}

function Legend() {
  const samples: [string, string, string, string][] = [
    ['right', '', '○', '该平，对'], ['right', '', '●', '该仄，对'], ['wrong', '', '●', '平仄错了（波浪线）'], ['free', '', '·', '可平可仄'],
    ['right', 'hit', '○', '押韵（方框）'], ['right', 'miss', '○', '该押没押上（虚框）'], ['off', '', '', '句长出了谱（灰）'],
  ]
  return (
    <ul class="legend" aria-label="图例">
      {samples.map(([tone, rhyme, sign, name]) => (
        <li key={name}><span class={`mark ${tone} ${rhyme}`} aria-hidden="true"><span>字</span><i>{sign}</i></span> {name}</li>
      ))}
    </ul>
  )
}
