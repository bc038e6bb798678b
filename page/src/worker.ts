/** 在后台线程里跑模型：页面不卡。出了错，都抛出一句中文的 Error。 */
import { expose } from 'comlink'
import * as ort from 'onnxruntime-web/wasm'
import { keepModel, watchWorker } from './offline'
import { loadRuntime, openModel, type Model } from './runtime'
import { answer, lossOf, uniform, type Answer, type Candidate } from './sampling'

export interface Source {
  id: string
  url: string
  bytes: number
  layers: number
  heads: number
  /** 看不看得见各层猜什么 */
  lens: boolean
}

/** 下载到哪儿了，字节。 */
export type Report = (loaded: number, total: number) => void

export interface NextRequest {
  ids: number[]
  seed: number
  /** 写到第几个字：和种子一起定下抽签的随机数 */
  position: number
  temperature: number
  topK: number
  /** 还想知道的一个字 */
  about?: number
}

export interface Inside {
  length: number
  /** (layers, heads, T, T) 摊平 */
  attention: Float32Array
  /** 嵌入、各层之后，各猜的前几名；没有叠层的是空的 */
  lens: Candidate[][]
  /** 最后猜的前几名 */
  top: Candidate[]
  /** 第二个字起，各字的 −ln 概率 */
  losses: number[]
}

const TOP = 5
const RUNTIME = '运行模型的程序'
const sessions = new Map<string, Model>()
const loading = new Map<string, AbortController>()

/** 几样东西一起下载，合起来报进度；隔一会儿才报一次，报多了反倒慢。 */
class Progress {
  private loaded = 0
  private total = 0
  private last = 0

  constructor(private readonly report: Report) {}

  expect = (bytes: number) => void (this.total += bytes)

  add(bytes: number) {
    this.loaded += bytes
    const now = performance.now()
    if (now - this.last < 100 && this.loaded < this.total) return
    this.last = now
    this.report(Math.round(this.loaded), this.total)
  }
}

/** travels：压缩过，路上走的有多少字节；报的是它。 */
async function download(url: string, bytes: number, name: string, progress: Progress, signal?: AbortSignal, travels = bytes) {
  progress.expect(travels)
  const response = await fetch(url, { signal }).catch(() => {
    throw new Error(`${name}没取到：网络断了，或者服务器没开。请连上网再试。`)
  })
  if (!response.ok || !response.body) throw new Error(`${name}没取到（${response.status}），请刷新再试。`)
  const parts: Uint8Array[] = []
  let loaded = 0
  try {
    for (const reader = response.body.getReader(); ; ) {
      const { done, value } = await reader.read()
      if (done) break
      parts.push(value)
      loaded += value.length
      progress.add(value.length * travels / bytes)
    }
  } catch {
    throw new Error(`${name}下到一半断了，请再试一次。`)
  }
  if (loaded !== bytes) throw new Error(`${name}不完整：该有 ${bytes} 字节，只有 ${loaded}。请刷新再试，或者换一版。`)
  return new Uint8Array(await new Blob(parts as BlobPart[]).arrayBuffer())
}

async function open({ id, url, bytes }: Source, report: Report, signal: AbortSignal) {
  if (typeof WebAssembly !== 'object') throw new Error('这个浏览器不支持 WebAssembly，模型跑不起来；这一页别的都能看。')
  const progress = new Progress(report)
  const runtime = (progress: Progress) => (url: string, bytes: number) => download(url, bytes, RUNTIME, progress, undefined, __RUNTIME_TRAVELS__)
  const [weights] = await Promise.all([download(url, bytes, `${id} 的模型`, progress, signal), loadRuntime(runtime(progress))])
  try {
    return await openModel(weights, runtime(new Progress(() => {})))
  } catch (error) {
    throw new Error(explain(error) ?? `${id} 的模型文件坏了，打不开：请刷新再试，或者换一版。`)
  }
}

/** 不怪模型文件的那些错。 */
function explain(error: unknown): string | undefined {
  const message = String(error)
  if (message.includes(RUNTIME)) return (error as Error).message
  if (/not supported/i.test(message)) return '这个浏览器太旧，模型跑不起来，请换个新一点的；这一页别的都能看。'
  if (/memory|allocat|initWasm|aborted/i.test(message)) return '内存不够，模型放不下：关掉几个标签页，再刷新试试；这一页别的都能看。'
  return undefined
}

/** 读 ids；at：要哪几个位置之后的打分；off：关掉的头。 */
async function run<Name extends string>({ id, layers, heads }: Source, ids: number[], at: number[], outputs: Name[], off: number[] = []) {
  const integers = (list: number[], dims: number[]) => new ort.Tensor('int64', BigInt64Array.from(list, BigInt), dims)
  const on = Float32Array.from({ length: layers * heads }, (_, k) => off.includes(k) ? 0 : 1)
  const feeds = {
    idx: integers(ids, [1, ids.length]), at: integers(at, [at.length]),
    ...(layers ? { heads: new ort.Tensor('float32', on, [layers, heads]) } : {}),
  }
  try {
    const results = await sessions.get(id)!.run(feeds, outputs)
    return Object.fromEntries(outputs.map(name => [name, results[name]!.data])) as Record<Name, Float32Array>
  } catch (error) {
    throw new Error(explain(error) ?? `${id} 算不出来（${(error as Error).message}），请刷新再试。`)
  }
}

/** (n, V) 摊平的打分，切成 n 份。 */
const rows = (scores: Float32Array, n: number) => Array.from({ length: n }, (_, k) => scores.subarray(k * scores.length / n, (k + 1) * scores.length / n))

const until = (n: number) => Array.from({ length: n }, (_, k) => k)

const engine = {
  async load(source: Source, report: Report): Promise<void> {
    const controller = new AbortController()
    loading.set(source.id, controller)
    try {
      const session = await open(source, report, controller.signal)
      if (controller.signal.aborted) return void session.release()
      sessions.set(source.id, session)
      keepModel(source.url)
    } finally {
      controller.abort() // 别的没取到，它也不下了
      if (loading.get(source.id) === controller) loading.delete(source.id)
    }
  },

  async drop(id: string): Promise<void> {
    loading.get(id)?.abort()
    const session = sessions.get(id)
    sessions.delete(id)
    await session?.release()
  },

  async next(source: Source, { ids, seed, position, temperature, topK, about }: NextRequest): Promise<Answer> {
    const { logits } = await run(source, ids, [ids.length - 1], ['logits'])
    return answer(logits, temperature, topK, uniform(seed, position), 20, about)
  },

  /** 读得下就一遍算完；读不下，一遍挪半个窗口：每个字至少看得见半个窗口。 */
  async losses(source: Source, ids: number[], window: number): Promise<number[]> {
    const found: number[] = []
    while (found.length < ids.length - 1) {
      const start = found.length ? Math.max(0, found.length - (window >> 1)) : 0
      const piece = ids.slice(start, start + window)
      const from = found.length - start // 这一遍从第几个位置算起
      const at = until(Math.min(piece.length, ids.length - 1 - start)).slice(from)
      const { logits } = await run(source, piece, at, ['logits'])
      rows(logits, at.length).forEach((scores, k) => found.push(lossOf(scores, ids[start + at[k]! + 1]!)))
    }
    return found
  },

  async inside(source: Source, ids: number[], at: number, off: number[]): Promise<Inside> {
    const T = ids.length
    const outputs = source.lens ? (['logits', 'attention', 'lens'] as const) : (['logits', 'attention'] as const)
    const found = await run(source, ids, [...until(T - 1), at], [...outputs], off)
    const scores = rows(found.logits, T)
    const top = (one: Float32Array) => answer(one, 1, 0, 0, TOP).top
    const lens = 'lens' in found ? rows(found.lens, source.layers + 1).map(top) : []
    return { length: T, attention: found.attention, lens, top: top(scores[T - 1]!), losses: ids.slice(1).map((id, k) => lossOf(scores[k]!, id)) }
  },
}

export type Engine = typeof engine
expose(engine)
watchWorker()
