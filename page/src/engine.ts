/** 页面这一头：哪个模型在哪一步，只有这里说了算；请求交给后台线程。 */
import { proxy, wrap, type Remote } from 'comlink'
import { useEffect, useState } from 'preact/hooks'
import { address, type Course, type Version } from './course'
import type { Answer, Sampling } from './sampling'
import type { Engine, Inside, NextRequest, Source } from './worker'

export type Status = { phase: 'idle' } | { phase: 'loading'; loaded: number; total: number } | { phase: 'ready' }

const MOST_MODELS = 4 // 手机内存不多，最久没用的先放下

interface Entry {
  status: Status
  loading?: Promise<void>
  /** 有几处在等它；没人等了，就不下了 */
  waiting: number
  used: number
}

const entries = new Map<string, Entry>()
const listeners = new Set<() => void>()
let clock = 0

function entryOf({ id }: Version): Entry {
  const entry = entries.get(id) ?? { status: { phase: 'idle' }, waiting: 0, used: 0 }
  entries.set(id, entry)
  return entry
}

function set(entry: Entry, status: Status) {
  entry.status = status
  for (const listener of listeners) listener()
}

function forget(entry: Entry) {
  entry.loading = undefined
  set(entry, { phase: 'idle' })
}

let thread: Remote<Engine> | undefined
const waiting = new Set<(error: Error) => void>() // 等着后台线程回话的
let started = false

function open() {
  if (thread) return thread
  const worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' })
  worker.addEventListener('error', () => { // 线程自己没起来，等不到回话了
    thread = undefined
    entries.forEach(forget)
    const error = new Error(navigator.onLine ? '跑模型的后台线程停了，请刷新再试；这一页别的都能看。' : '运行模型的程序没取到：网络断了，连上了就接着来。')
    for (const reject of waiting) reject(error)
  })
  return (thread = wrap<Engine>(worker))
}

/** 交给后台线程；线程没了，就抛出一句中文的 Error。 */
function call<T>(request: (engine: Remote<Engine>) => Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    waiting.add(reject)
    void request(open()).then(resolve, reject).finally(() => waiting.delete(reject))
  })
}

/** 不要了：在下的停，开着的放下。 */
const drop = (id: string) => void call(engine => engine.drop(id)).catch(() => {})

/** 运行模型的程序下过了没有。 */
export const running = () => started

const source = ({ id, model }: Version): Source => {
  const { file, bytes, layers, heads, lens } = model!
  return { id, url: address(file), bytes, layers, heads, lens }
}

function load(version: Version, entry: Entry): Promise<void> {
  set(entry, { phase: 'loading', loaded: 0, total: version.model!.bytes })
  const mine: Promise<void> = call(engine => engine.load(
    source(version), proxy((loaded: number, total: number) => void (entry.loading === mine && set(entry, { phase: 'loading', loaded, total }))),
  )).then(
    () => {
      if (entry.loading !== mine) return
      started = true
      set(entry, { phase: 'ready' })
      const idle = [...entries].filter(([, one]) => one.status.phase === 'ready').toSorted(([, a], [, b]) => b.used - a.used).slice(MOST_MODELS)
      for (const [id, one] of idle) {
        forget(one)
        drop(id)
      }
    },
    error => {
      if (entry.loading === mine) forget(entry)
      throw error
    },
  )
  mine.catch(() => {}) // 没人等了的，错了也不要紧
  return mine
}

/** 等 version 的模型下载、打开好；signal 停了就不等，没有别处在等，就不下了。 */
export async function ready(version: Version, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted()
  const entry = entryOf(version)
  entry.used = ++clock
  const loading = (entry.loading ??= load(version, entry))
  entry.waiting += 1
  try {
    await Promise.race([loading, new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))])
  } finally {
    entry.waiting -= 1
    if (!entry.waiting && entry.loading === loading && entry.status.phase === 'loading') {
      forget(entry)
      drop(version.id)
    }
  }
}

async function ask<T>(version: Version, signal: AbortSignal, request: (engine: Remote<Engine>) => Promise<T>): Promise<T> {
  await ready(version, signal)
  const answer = await call(request)
  signal.throwIfAborted()
  return answer
}

/** 下一个字。 */
export const next = (version: Version, request: NextRequest, signal: AbortSignal): Promise<Answer> =>
  ask(version, signal, engine => engine.next(source(version), request))

/** 一段文字里，第二个字起，各字的 −ln 概率。 */
export const losses = (version: Version, ids: number[], signal: AbortSignal): Promise<number[]> =>
  ask(version, signal, engine => engine.losses(source(version), ids, version.model!.block_size))

/** 读完 ids，模型里面的样子：第 at 个字看哪里，各层之后猜什么，各字的 loss。off：关掉的头，第几层第几个。 */
export const inside = (version: Version, ids: number[], at: number, off: number[], signal: AbortSignal): Promise<Inside> =>
  ask(version, signal, engine => engine.inside(source(version), ids, at, off))

export const status = (version: Version): Status => entryOf(version).status

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
  private found?: { list: string[]; ids: Map<string, number> }

  constructor(private readonly course: Course, readonly version: Version) {}

  /** 几千个字，用到才排。 */
  private get table() {
    if (this.found) return this.found
    const thinks = this.version.part === 'after'
    const list = [...this.course.chars, ...(thinks ? this.course.symbols : '')].sort((a, b) => a.codePointAt(0)! - b.codePointAt(0)!)
    return (this.found = { list, ids: new Map(list.map((char, id) => [char, id])) })
  }

  unknown = (text: string) => [...new Set(text)].filter(char => !this.table.ids.has(char))
  known = (text: string) => [...text].filter(char => this.table.ids.has(char))
  char = (id: number) => this.table.list[id] ?? '�'
  id = (char: string) => this.table.ids.get(char)!

  /** 模型读得下的最后几个字的编号；一个字也没有，就从换行起。 */
  window(chars: string[]): number[] {
    const ids = chars.slice(-this.version.model!.block_size).map(this.id)
    return ids.length ? ids : [0]
  }
}

/** 接着 given 往下写，一次一个字，写到篇末的空行为止。written 是已经写了的：随机数照写了几个字编号，各版都一样。 */
export async function* write(characters: Characters, given: string[], { temp, k, seed }: Sampling, signal: AbortSignal, written: string[] = []) {
  const found = [...written]
  do {
    const ids = characters.window([...given, ...found])
    const answer = await next(characters.version, { ids, seed, position: found.length, temperature: temp, topK: k }, signal)
    found.push(characters.char(answer.chosen.id))
    yield { written: [...found], answer }
  } while (!ended(found))
}

export const ended = (written: string[]) => written.slice(-2).join('') === '\n\n'
