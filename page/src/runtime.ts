/** 跑模型的程序（onnxruntime-web）：先用裁小了的；碰上裁掉的函数，就换成完整的，把那一步再做一遍，外面看不出来。 */
import * as ort from 'onnxruntime-web/wasm'
import fullUrl from 'onnxruntime-web/ort-wasm-simd-threaded.wasm?url'
import reducedUrl from '../runtime/reduced.wasm?url'

type Runtime = typeof ort
export type Download = (url: string, bytes: number) => Promise<Uint8Array>
export type Model = Pick<ort.InferenceSession, 'run' | 'release'>

const OPTIONS: ort.InferenceSession.SessionOptions = { executionProviders: ['wasm'], graphOptimizationLevel: 'disabled' } // 优化图要花的时间，比省下来的多
const CUT = /unreachable/i // 各家浏览器的说法里都有

let reduced: Promise<Runtime> | undefined
let full: Promise<Runtime> | undefined

async function start(library: Promise<Runtime> | Runtime, binary: Promise<Uint8Array>): Promise<Runtime> {
  const [{ env }, bytes] = [await library, await binary]
  env.wasm.numThreads = 1 // 多线程要服务器加特别的响应头，静态网站上没有
  env.logLevel = 'error'
  env.wasm.wasmBinary = bytes.buffer as ArrayBuffer
  return library
}

export async function loadRuntime(download: Download): Promise<void> {
  await (reduced ??= start(ort, download(reducedUrl, __RUNTIME_BYTES__)).catch(error => {
    reduced = undefined
    throw error
  }))
}

// 同一份 JS 只能起一个程序：完整的另要一份
const loadFull = (download: Download) =>
  (full ??= start(import('onnxruntime-web/wasm?full'), download(fullUrl, __FULL_RUNTIME_BYTES__)).catch(error => {
    full = undefined
    throw error
  }))

/** 打开一个模型，先要 loadRuntime；download 在换成完整的程序时用。 */
export async function openModel(weights: Uint8Array, download: Download): Promise<Model> {
  let runtime: Runtime | undefined
  let session: Promise<ort.InferenceSession>

  async function attempt<T>(work: (session: ort.InferenceSession) => Promise<T>): Promise<T> {
    const current = await (full ?? reduced)!
    try {
      if (runtime !== current) session = current.InferenceSession.create(weights, OPTIONS)
      runtime = current
      return await work(await session)
    } catch (error) {
      if (current !== ort || !CUT.test(String(error))) throw error
      await loadFull(download)
      return attempt(work)
    }
  }

  await attempt(async () => {})
  return {
    run: (feeds: ort.InferenceSession.FeedsType, ...rest: [never]) => attempt(one => one.run(feeds, ...rest)),
    release: async () => { if (runtime === await (full ?? reduced)) await (await session).release() }, // 停在半路的程序里的，不管它
  }
}
