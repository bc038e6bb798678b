/** 在 Node 里用 onnxruntime-web 跑网页的模型。 */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type * as Ort from 'onnxruntime-web/wasm'
import type { InferenceSession } from 'onnxruntime-web/wasm'

const PUBLIC = new URL(`../${process.env.PAGE_DATA ?? 'public'}/`, import.meta.url)

export const OPTIONS: InferenceSession.SessionOptions = { executionProviders: ['wasm'], graphOptimizationLevel: 'disabled' } // 和 runtime.ts 一样

/** 各版的模型，和它读得下几个字。 */
export const files = (): [string, number][] =>
  JSON.parse(readFileSync(new URL('course.json', PUBLIC), 'utf8')).versions
    .flatMap(({ model }: { model?: { file: string; block_size: number } }) => model ? [[fileURLToPath(new URL(model.file, PUBLIC)), model.block_size]] : [])

/** 用 wasm 这个程序起一个新的 onnxruntime-web。 */
export async function start(wasm: Uint8Array) {
  let instance: WebAssembly.Instance
  const instantiate = WebAssembly.instantiate
  WebAssembly.instantiate = (async (bytes: BufferSource, imports: WebAssembly.Imports) => {
    const result = await instantiate(bytes, imports)
    instance = result.instance
    return result
  }) as unknown as typeof instantiate
  const ort: typeof Ort = await import(`${import.meta.resolve('onnxruntime-web/wasm')}?${Math.random()}`)
  ort.env.wasm.numThreads = 1
  ort.env.logLevel = 'error'
  ort.env.wasm.wasmBinary = wasm.slice().buffer
  return { ort, instance: () => instance }
}

/** length 个字，都编成 id 号。 */
export function feeds(ort: typeof Ort, session: InferenceSession, length: number, id = 5): InferenceSession.OnnxValueMapType {
  const integers = (list: number[], dims: number[]) => new ort.Tensor('int64', BigInt64Array.from(list, BigInt), dims)
  const every = Array.from({ length }, (_, k) => k)
  const all = {
    idx: () => integers(every.map(() => id), [1, length]),
    at: () => integers(every, [length]),
    heads: () => {
      const [layers, heads] = (session.inputMetadata.find(one => one.name === 'heads') as InferenceSession.TensorValueMetadata).shape as number[]
      return new ort.Tensor('float32', new Float32Array(layers! * heads!).fill(1), [layers!, heads!])
    },
  }
  return Object.fromEntries(session.inputNames.map(name => [name, all[name as keyof typeof all]()]))
}
