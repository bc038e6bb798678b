/** 在后台线程里跑模型：页面不卡。出了错，都抛出一句中文的 Error。 */
import { expose } from 'comlink'
import * as ort from 'onnxruntime-web/wasm'
import { watchWorker } from './offline'
import { loadRuntime, openModel, type Model } from './runtime'
import { answer, lossOf, uniform, type Answer } from './sampling'

export interface Source {
  id: string
  url: string
  bytes: number
}

/** 下载到哪儿了，字节。 */
export type Report = (loaded: number, total: number) => void

export interface Attention {
  layers: number
  heads: number
  length: number
  /** (layers, heads, T, T) 摊平 */
  weights: Float32Array
}

const MOST_MODELS = 4 // 手机内存不多，最久没用的先放下
const sessions = new Map<string, Promise<Model>>()
const RUNTIME = '运行模型的程序'

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
    this.report(this.loaded, this.total)
  }
}

async function download(url: string, bytes: number, name: string, progress: Progress) {
  progress.expect(bytes)
  const response = await fetch(url).catch(() => {
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
      progress.add(value.length)
    }
  } catch {
    throw new Error(`${name}下到一半断了，请再试一次。`)
  }
  if (loaded !== bytes) throw new Error(`${name}不完整：该有 ${bytes} 字节，只有 ${loaded}。请刷新再试，或者换一版。`)
  return new Uint8Array(await new Blob(parts as BlobPart[]).arrayBuffer())
}

async function open({ id, url, bytes }: Source, report: Report) {
  if (typeof WebAssembly !== 'object') throw new Error('这个浏览器不支持 WebAssembly，模型跑不起来；这一页别的都能看。')
  const progress = new Progress(report)
  const runtime = (progress: Progress) => (url: string, bytes: number) => download(url, bytes, RUNTIME, progress)
  const [weights] = await Promise.all([download(url, bytes, `${id} 的模型`, progress), loadRuntime(runtime(progress))])
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

async function session(source: Source, report: Report = () => {}) {
  const opening = sessions.get(source.id) ?? open(source, report)
  sessions.delete(source.id)
  sessions.set(source.id, opening) // 移到最后：最近用过
  for (const [id, old] of [...sessions].slice(0, -MOST_MODELS)) {
    sessions.delete(id)
    void old.then(one => one.release(), () => {})
  }
  return opening.catch(error => {
    sessions.delete(source.id)
    throw error
  })
}

async function run(source: Source, ids: number[], output: string) {
  const model = await session(source)
  const idx = new ort.Tensor('int64', BigInt64Array.from(ids, BigInt), [1, ids.length])
  try {
    const results = await model.run({ idx }, [output])
    return results[output]!
  } catch (error) {
    throw new Error(explain(error) ?? `${source.id} 算不出来（${(error as Error).message}），请刷新再试。`)
  }
}

const engine = {
  async load(source: Source, report: Report): Promise<void> {
    await session(source, report)
  },

  /** 接着 ids 的下一个字。position 是它在全文里的位置，和种子一起定下抽签的随机数。 */
  async next(source: Source, ids: number[], seed: number, position: number, temperature: number, topK: number, about?: number): Promise<Answer> {
    const scores = await run(source, ids, 'logits')
    return answer(scores.data as Float32Array, temperature, topK, uniform(seed, position), 20, about)
  },

  /** ids 之后是 target 的 −ln 概率。 */
  async loss(source: Source, ids: number[], target: number): Promise<number> {
    return lossOf((await run(source, ids, 'logits')).data as Float32Array, target)
  },

  async attention(source: Source, ids: number[]): Promise<Attention> {
    const { data, dims } = await run(source, ids, 'attention')
    return { layers: dims[0]!, heads: dims[1]!, length: dims[2]!, weights: data as Float32Array }
  },
}

export type Engine = typeof engine
expose(engine)
watchWorker()
