import { useEffect } from 'preact/hooks'
import type { Course, Part, Version } from '../course'
import { load, useStatuses, type Status } from '../engine'
import { megabytes } from './text'

export const withModel = (course: Course) => course.versions.filter(version => version.model)

export const find = (course: Course, id: string) => course.versions.find(version => version.id === id)

const ROADS: Record<Part, string> = { baseline: '第一段路', first: '第一段路', modern: '第二段路', after: '第二段路' }

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

function Progress({ version, status }: { version: Version; status: Status & { phase: 'loading' } }) {
  const more = status.total > version.model!.bytes ? '和运行它的程序（头一次才要）' : ''
  const text = `正在下载 ${version.id} 的模型${more}：${megabytes(status.loaded)} / ${megabytes(status.total)}`
  return (
    <p class="loading" role="status">
      <span>{status.loaded < status.total ? text : `正在打开 ${version.id}……`}</span>
      <progress max={status.total} value={status.loaded} aria-label={text} />
    </p>
  )
}

/** 模型在不在手边：没下就给一个按钮，在下就报进度，不成就说为什么；都在了，才显示 children。automatic：不等人点，直接下。 */
export function Models(props: { versions: Version[]; automatic: boolean; children: preact.ComponentChildren }) {
  const statuses = useStatuses(props.versions)
  const names = props.versions.map(version => version.id).join('、')
  const start = async () => {
    for (const version of props.versions) await load(version)
  }
  useEffect(() => {
    if (props.automatic) void start()
  }, [names, props.automatic])

  const rows = props.versions.flatMap((version, k) => {
    const status = statuses[k]!
    if (status.phase === 'loading') return [<Progress key={version.id} version={version} status={status} />]
    if (status.phase === 'failed') return [<p key={version.id} class="fault" role="alert">{status.message} <button type="button" onClick={() => load(version)}>再试一次</button></p>]
    return []
  })
  if (statuses.every(status => status.phase === 'ready')) return <>{props.children}</>
  if (rows.length) return <div>{rows}</div>
  const bytes = props.versions.reduce((total, version) => total + version.model!.bytes, 0)
  return (
    <p class="invite">
      <button type="button" class="primary" onClick={start}>请 {names} 来</button>
      <span>模型 {megabytes(bytes)}；头一次还要下载运行它的程序（{megabytes(__RUNTIME_BYTES__)}）。都在你自己的浏览器里算。</span>
    </p>
  )
}
