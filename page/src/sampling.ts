/** 从打分到一个字：温度、top-k、按概率抽。全是纯函数。 */

export interface Sampling {
  temp: number
  /** top-k，0 是不限 */
  k: number
  seed: number
}

/** 种子和位置定下的一个数，[0, 1)：同一个种子、同一个位置，哪一版都用同一个数。 */
export function uniform(seed: number, position: number): number {
  let h = (Math.imul(seed + 1, 0x9e3779b1) + Math.imul(position + 1, 0x85ebca77)) | 0
  for (const multiplier of [0x21f0aaad, 0x735a2d97]) {
    h = Math.imul(h ^ (h >>> 16), multiplier)
    h ^= h >>> 15
  }
  return (h >>> 0) / 2 ** 32
}

/** 打分 (V,) → 概率 (V,)。 */
export function softmax(scores: Float32Array, temperature = 1): Float64Array {
  let most = -Infinity
  for (const score of scores) most = Math.max(most, score)
  const weights = new Float64Array(scores.length)
  let total = 0
  for (let i = 0; i < scores.length; i++) total += weights[i] = Math.exp((scores[i]! - most) / temperature)
  for (let i = 0; i < weights.length; i++) weights[i]! /= total
  return weights
}

export interface Candidate {
  id: number
  /** 模型给的概率 */
  raw: number
  /** 经过温度、top-k 之后，抽签用的概率 */
  p: number
}

export interface Choice extends Candidate {
  rank: number
}

export interface Answer {
  top: Choice[]
  chosen: Choice
  /** 问到的那个字 */
  about?: Choice
  u: number
}

/** 打分 (V,) → 前 count 名，和随机数 u 抽中的那个字：从大到小排成一条，看 u 落在谁的一段。topK 是 0 就不限；about 是还想知道的一个字。 */
export function answer(scores: Float32Array, temperature: number, topK: number, u: number, count: number, about?: number): Answer {
  const raw = softmax(scores)
  const order = Uint32Array.from(scores.keys()).sort((a, b) => scores[b]! - scores[a]! || a - b)
  const kept = topK ? order.subarray(0, topK) : order
  const p = softmax(Float32Array.from(kept, id => scores[id]!), temperature) // (k,)，和 kept 同序
  const candidate = (rank: number): Choice => ({ id: order[rank]!, raw: raw[order[rank]!]!, p: p[rank] ?? 0, rank })
  let rank = 0
  let from = 0
  while (rank < p.length - 1 && from + p[rank]! <= u) from += p[rank++]!
  return {
    top: Array.from({ length: Math.min(count, order.length) }, (_, k) => candidate(k)),
    chosen: candidate(rank), about: about === undefined ? undefined : candidate(order.indexOf(about)), u,
  }
}

/** 打分 (V,) 里，编号 target 的字的 −ln 概率，单位 nat。 */
export function lossOf(scores: Float32Array, target: number): number {
  return -Math.log(Math.max(softmax(scores)[target] ?? 0, Number.MIN_VALUE))
}
