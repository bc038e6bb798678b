/** 页面这一头：把请求交给后台线程，记着每个模型下到了哪儿。 */
import { proxy, wrap, type Remote } from 'comlink'
import { useEffect, useState } from 'preact/hooks'
import { address, type Course, type Version } from './course'
import type { Engine, Source } from './worker'

export type Status =
  | { phase: 'idle' }
  | { phase: 'loading'; loaded: number; total: number }
  | { phase: 'ready' }
  | { phase: 'failed'; message: string }

let worker: Remote<Engine> | undefined

export function engine(): Remote<Engine> {
  if (worker) return worker
  const thread = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' })
  thread.addEventListener('error', () => { // 线程自己没起来，等不到回话了
    worker = undefined
    for (const [id, { phase }] of statuses)
      if (phase !== 'failed') set(id, { phase: 'failed', message: '跑模型的后台线程停了，请刷新再试；这一页别的都能看。' })
  })
  return (worker = wrap<Engine>(thread))
}

export const source = (version: Version): Source => ({
  id: version.id, url: address(version.model!.file), bytes: version.model!.bytes,
})

const statuses = new Map<string, Status>()
const listeners = new Set<() => void>()

function set(id: string, status: Status) {
  statuses.set(id, status)
  for (const listener of listeners) listener()
}

/** 下载并打开一版的模型；成不成，看 status。 */
export async function load(version: Version): Promise<void> {
  const { phase } = status(version)
  if (phase === 'loading' || phase === 'ready') return
  set(version.id, { phase: 'loading', loaded: 0, total: version.model!.bytes })
  let over = false // 一样东西没取到，别的还在下：不要再报进度
  const report = (loaded: number, total: number) => over || set(version.id, { phase: 'loading', loaded, total })
  const finish = (status: Status) => {
    over = true
    set(version.id, status)
  }
  await engine().load(source(version), proxy(report)).then(
    () => finish({ phase: 'ready' }),
    error => finish({ phase: 'failed', message: error.message }),
  )
}

export const status = (version: Version): Status => statuses.get(version.id) ?? { phase: 'idle' }

/** 几个模型的状态，变了就重画。 */
export function useStatuses(versions: Version[]): Status[] {
  const [, redraw] = useState(0)
  useEffect(() => {
    const listener = () => redraw(n => n + 1)
    listeners.add(listener)
    return () => void listeners.delete(listener)
  }, [])
  return versions.map(status)
}

/** 字 ↔ 编号，照编码排。先想后写的各版，多认得几个记号。 */
export class Characters {
  private readonly list: string[]
  private readonly ids: Map<string, number>

  constructor(course: Course, readonly version: Version) {
    const thinks = version.part === 'after'
    this.list = [...course.chars, ...(thinks ? course.symbols : '')].sort((a, b) => a.codePointAt(0)! - b.codePointAt(0)!)
    this.ids = new Map(this.list.map((char, id) => [char, id]))
  }

  unknown = (text: string) => [...new Set(text)].filter(char => !this.ids.has(char))
  known = (text: string) => [...text].filter(char => this.ids.has(char))
  char = (id: number) => this.list[id] ?? '�'
  id = (char: string) => this.ids.get(char)!

  /** 模型读得下的最后几个字的编号；一个字也没有，就从换行起。 */
  window(chars: string[]): number[] {
    const ids = chars.slice(-this.version.model!.block_size).map(this.id)
    return ids.length ? ids : [0]
  }
}
