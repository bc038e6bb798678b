/** 裁小运行模型的程序：没有模型用得到的函数都换成空壳，造网页时写成 reduced.wasm。用得到哪些，记在 used.json，由 npm run runtime 量。 */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { reduced } from './wasm.ts'

const RECORD = new URL('./used.json', import.meta.url)
const REDUCED = new URL('./reduced.wasm', import.meta.url)

export const full = readFileSync(fileURLToPath(import.meta.resolve('onnxruntime-web/ort-wasm-simd-threaded.wasm')))

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

/** 记下用到的函数：一个函数一位。 */
export function record(used: boolean[]) {
  const bits = Buffer.alloc(Math.ceil(used.length / 8))
  used.forEach((one, k) => one && (bits[k >> 3]! |= 1 << (k & 7)))
  writeFileSync(RECORD, JSON.stringify({ sha256: sha256(full), used: bits.toString('base64') }) + '\n')
}

export function reduce(): Uint8Array {
  const { sha256: of, used } = JSON.parse(readFileSync(RECORD, 'utf8'))
  if (of !== sha256(full)) throw new Error('onnxruntime-web 换了版本，裁小它的 runtime/used.json 过时了：请先 npm run runtime。')
  const bits = Buffer.from(used, 'base64')
  const small = reduced(full, k => (bits[k >> 3]! >> (k & 7)) % 2 === 1)
  if (!existsSync(REDUCED) || sha256(readFileSync(REDUCED)) !== sha256(small)) writeFileSync(REDUCED, small)
  return small
}
