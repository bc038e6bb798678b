import { useMemo } from 'preact/hooks'
import { useJson, type Course, type Neighbours } from '../course'
import { Row } from '../parts/bars'
import { CopyLink, Text } from '../parts/controls'
import { find } from '../parts/model'
import { Strip } from '../parts/strip'
import { link, useSettings, type Route } from '../route'

export default function Near({ course, route }: { course: Course; route: Route }) {
  const [settings, set] = useSettings(route, { c: '春' })
  const { data, error } = useJson<Neighbours>('neighbours.json')
  const ids = Object.keys(data ?? {}) // 照课程的次序
  const chars = useMemo(() => Object.keys(data?.[ids[0] ?? ''] ?? {}), [data])
  const given = [...settings.c.trim()][0] ?? ''
  return (
    <>
      <h1>近邻</h1>
      <p class="lead">模型里，每种字是一串数，叫嵌入。两串数的方向越近，模型越把这两个字当一类。没有人教过它字义，全是猜下一个字猜出来的。</p>
      <div class="controls">
        <Text label={<>哪个字 <small>最常见的 {chars.length || 300} 个里挑，要简体</small></>} size={4} value={settings.c} onChange={c => set({ c })} />
      </div>
      {error && <p class="fault" role="alert">{error}</p>}
      {data && !chars.includes(given) && <p class="notice" role="status">“{given}”不在最常见的 {chars.length} 个字里，没有算它的近邻，从下面挑一个吧。</p>}
      {data && (
        <>
          <div class="pair close">
            {ids.map(id => (
              <section key={id} aria-label={`${id} 的近邻`}>
                <h2><a href={link(id)}>{id}</a> {find(course, id)?.title}</h2>
                <ol class="bars near">
                  {(data[id]?.[given] ?? []).map(([char, cosine]) => {
                    const inside = <Row char={char} share={cosine} value={cosine.toFixed(2)} />
                    return (
                      <li key={char}>
                        {chars.includes(char)
                          ? <button type="button" aria-label={`${char}，余弦 ${cosine.toFixed(2)}，看它的近邻`} onClick={() => set({ c: char })}>{inside}</button>
                          : <div class="bar-row">{inside}</div>}
                      </li>
                    )
                  })}
                </ol>
              </section>
            ))}
          </div>
          <p class="hint">数是余弦：1 是同一个方向，0 是不相干。前两版学得短，近邻多半是碰巧；{ids.at(-1)} 看得远、学得久，近邻像一类字。</p>
          <h2>挑一个字</h2>
          <div class="grid"><Strip name="最常见的字" cells={chars.map(char => ({ char }))} selected={chars.indexOf(given)} onSelect={index => set({ c: chars[index]! })} /></div>
          <p class="links"><CopyLink /></p>
        </>
      )}
    </>
  )
}
