import { useEffect, useMemo, useState } from 'preact/hooks'
import { fetchJson, useJson, type Course, type Version } from '../course'
import { Characters, ended, write } from '../engine'
import { partOf, poem as first, request, rhymeTone, sounds, unspoken, type Prosody } from '../prosody'
import { link } from '../route'
import { useRun } from '../run'
import { useStored } from '../store'
import { Copy, CopyLink, Text, Tune } from './controls'
import { Fault, Loading } from './model'
import { picture, share } from './picture'
import { Legend, Poem } from './poem'
import { Unknown } from './unknown'

export const MOST = 200 // 最长的词，连标点和换行

export interface Request {
  tune: string
  rhyme: string
  heads: string
  /** 0 是还没写过 */
  seed: number
}

interface WriterProps {
  course: Course
  version: Version
  settings: Request
  set: (patch: Partial<Request>) => void
  /** 别人发来的链接：照着写 */
  sent: boolean
}

/** 说个要求，最后一版写一整首。 */
export function Writer({ course, version, settings, set, sent }: WriterProps) {
  const characters = useMemo(() => new Characters(course, version), [course, version])
  const work = useRun()
  const [poem, setPoem] = useStored('poem', { asked: '', tune: '', heads: '', seed: 0, written: '' })
  const [thinking, think] = useState(true)
  const [near, approach] = useState(sent || poem.written !== '') // 读者要动手了，才去取韵书
  const { data, error } = useJson<Prosody>(near ? 'prosody.json' : null)
  const tune = course.tunes.includes(settings.tune) ? settings.tune : course.tunes[0]!
  const rhyme = [...settings.rhyme.trim()][0] ?? ''
  const part = data && rhyme ? partOf(rhyme, data.readings) : ''
  const tone = rhymeTone(data?.templates[tune])
  const rows = Math.max(0, ...(data?.templates[tune] ?? []).map(({ shape }) => 1 + shape.at(-1)![1]))
  const asking = (part: string) => request(`${tune} ${course.anyone}`, part, heads)
  const heads = characters.known(settings.heads.replace(/\s/g, '')).join('')
  const asked = asking(part)

  const left = poem.asked === asked && poem.written !== '' && !ended([...poem.written]) && [...poem.written].length < MOST // 写到一半停下了
  const compose = (seed: number, before = '') => work.run(async signal => {
    set({ seed })
    const { readings } = data ?? await fetchJson<Prosody>('prosody.json')
    const [asked, draw] = [asking(partOf(rhyme, readings)), { temp: course.temperature, k: 0, seed }]
    setPoem({ asked, tune, heads, seed, written: before })
    for await (const { written } of write(characters, characters.known(asked), draw, signal, [...before])) {
      setPoem({ asked, tune, heads, seed, written: written.join('') })
      if (written.length >= MOST) break
    }
  })
  useEffect(() => { // 要求改了，先前没做成的就不要了
    if (!work.running) work.stop()
  }, [asked])
  useEffect(() => {
    if (data && sent && settings.seed && !(poem.asked === asked && poem.seed === settings.seed && poem.written)) void compose(settings.seed)
  }, [data])

  const body = first(poem.written)
  return (
    <section class="writer" aria-label="写一首" onFocusIn={() => approach(true)} onPointerEnter={() => approach(true)}>
      <h2>写一首</h2>
      <div class="controls">
        <Tune tunes={course.tunes} value={tune} onChange={tune => set({ tune, seed: 0 })} />
        <Text label={<>押谁的韵 <small>写一个字</small></>} size={3} value={settings.rhyme} onChange={rhyme => set({ rhyme, seed: 0 })} />
        <Text label={<>藏头 <small>可以不写</small></>} size={8} value={settings.heads} onChange={heads => set({ heads, seed: 0 })} />
        <button type="button" class="primary" onClick={() => work.running ? work.stop() : left ? compose(poem.seed, poem.written) : compose(poem.asked === asked ? 1 + Math.floor(Math.random() * 9999) : 42)}>
          {work.running ? '停' : left ? '接着写' : poem.written && poem.asked === asked ? '再写一首' : '写一首'}
        </button>
      </div>
      <Unknown characters={characters} text={settings.heads} />
      {data && rhyme && !part && <p class="notice" role="status">不知道“{rhyme}”押哪一韵，换个字；这里就随它押。</p>}
      {part && tone && !sounds(rhyme, tone, data!.readings) && <p class="notice" role="status">{tune}押{tone}声韵，“{rhyme}”不是{tone}声，多半押不上：换个字。</p>}
      {rows > 0 && heads.length > rows && <p class="notice" role="status">{tune}只有 {rows} 行，藏不下 {heads.length} 个字，后面的用不上。</p>}
      {error && <p class="fault" role="alert">{error}</p>}
      <Loading versions={[version]} />
      <Fault run={work} />
      {data && poem.written && (
        <>
          <div class="card"><Poem tune={poem.tune} body={thinking ? body : unspoken(body)} heads={poem.heads} templates={data.templates[poem.tune] ?? []} readings={data.readings} /></div>
          <label class="check"><input type="checkbox" checked={thinking} onChange={() => think(!thinking)} />看它想的（①–⑲）</label>
          <p class="links">
            <Copy name="复制这一首" text={() => `${poem.tune}\n${unspoken(body).trim()}`} />
            <button type="button" class="quiet" onClick={async () => share(await picture(poem.tune, unspoken(body), `${version.id}，从零写的 GPT`), poem.tune)}>存成图</button>
            <CopyLink />
            <a href={link(version.id)}>{version.id} 怎样学会的</a>
          </p>
          <Legend />
        </>
      )}
    </section>
  )
}
