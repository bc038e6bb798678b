import type { Course, Part, Version } from '../course'
import { running, useStatuses } from '../engine'
import type { Run } from '../run'
import { megabytes } from './text'

export const withModel = (course: Course) => course.versions.filter(version => version.model)

export const find = (course: Course, id: string) => course.versions.find(version => version.id === id)

const ROADS: Record<Part, string> = { baseline: '第一段路', first: '第一段路', modern: '第二段路', after: '底座之后' }

export const road = (version: Version) => ROADS[version.part]

/** 有模型的那一版；没有自己的模型的，换成它用的那一版；没有就是 undefined。 */
export function playable(course: Course, id: string): Version | undefined {
  const version = find(course, id)
  if (version?.model || !version?.same_as) return version?.model ? version : undefined
  return playable(course, version.same_as)
}

/** 挑一版。 */
export function Picker(props: { course: Course; label: string; value: string; onChange: (id: string) => void }) {
  const versions = withModel(props.course)
  return (
    <label class="field">
      <span>{props.label}</span>
      <select value={props.value} onChange={event => props.onChange(event.currentTarget.value)}>
        {[...new Set(versions.map(road))].map(name => (
          <optgroup key={name} label={name}>
            {versions.filter(version => road(version) === name).map(version => (
              <option key={version.id} value={version.id}>{version.id} {version.title}</option>
            ))}
          </optgroup>
        ))}
      </select>
    </label>
  )
}

/** 地址里写的版本没有，或者没有模型：说一句换成了谁。 */
export function Missing({ course, id, instead }: { course: Course; id: string; instead: Version }) {
  if (playable(course, id)) return null
  return <p class="notice" role="status">{find(course, id) ? `${id} 没有导出模型` : `没有叫“${id}”的版本`}，换成了 {instead.id}。</p>
}

/** 要下载的、在下载的，说一声；都在手边，就什么也不说。 */
export function Loading({ versions }: { versions: Version[] }) {
  const statuses = useStatuses(versions)
  const absent = versions.filter((_, k) => statuses[k]!.phase === 'idle')
  return (
    <div class="loading">
      {versions.map((version, k) => {
        const status = statuses[k]!
        if (status.phase !== 'loading') return null
        const text = `${version.id}：${megabytes(status.loaded)} / ${megabytes(status.total)}`
        return (
          <p key={version.id}>
            <span>{status.loaded < status.total ? `正在下载 ${text}` : `正在打开 ${version.id}……`}</span>
            <progress max={status.total} value={status.loaded} aria-label={text} />
          </p>
        )
      })}
      {absent.length > 0 && <p class="hint">头一次要下载 {names(absent)} 的模型（{megabytes(size(absent))}）{!running() && <>和运行它的程序（{megabytes(__RUNTIME_TRAVELS__)}）</>}，在你自己的浏览器里算。</p>}
    </div>
  )
}

const names = (versions: Version[]) => versions.map(version => version.id).join('、')

const size = (versions: Version[]) => versions.reduce((total, version) => total + version.model!.bytes, 0)

/** 没做成：说为什么，给一个再试的按钮。 */
export function Fault({ run: { fault, again } }: { run: Run }) {
  return fault ? <p class="fault" role="alert">{fault} <button type="button" onClick={again}>再试一次</button></p> : null
}
