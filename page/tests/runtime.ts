/** 量一遍模型用得到哪些函数，写成 runtime/used.json。npm run runtime；换了 onnxruntime-web、模型用了新的运算之后跑。 */
import { readFileSync } from 'node:fs'
import type { InferenceSession } from 'onnxruntime-web/wasm'
import { expect, test } from 'vitest'
import { full, record } from '../runtime/reduce'
import { marked, ran } from '../runtime/wasm'
import { feeds, files, OPTIONS, start } from './ort'

test('量一遍', async () => {
  const { ort, instance } = await start(marked(full))
  const create = (weights: Uint8Array) => ort.InferenceSession.create(weights, OPTIONS)
  const fails = async (work: () => Promise<unknown>) => expect(await work().then(() => '没出错', () => '')).toBe('')

  for (const [file, block] of files()) {
    const weights = readFileSync(file)
    const session = await create(weights)
    for (let length = 1; length <= block; length += length < 9 ? 1 : 13) await session.run(feeds(ort, session, length))
    await session.run(feeds(ort, session, block))
    for (const name of session.outputNames) await session.run(feeds(ort, session, 3), [name])
    await fails(() => session.run(feeds(ort, session, block + 1, 1e6))) // 编号太大
    await fails(() => session.run({ idx: new ort.Tensor('float32', [1], [1]) } as InferenceSession.OnnxValueMapType))
    await session.release()
    for (const share of [0, 0.001, 0.3, 0.99]) await fails(() => create(weights.slice(0, weights.length * share))) // 没下完
    await fails(() => create(weights.map((byte, k) => k < 100 ? byte : byte ^ 90)))
  }
  record(ran(instance()))
}, 600_000)
