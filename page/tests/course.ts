import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Course, First, Neighbours } from '../src/course'
import type { Prosody } from '../src/prosody'

const read = <T>(path: string): T => JSON.parse(readFileSync(fileURLToPath(new URL(path, import.meta.url)), 'utf8'))

export const course = read<Course>('../dist/course.json')
export const first = read<First>('../dist/first.json')
export const prosody = read<Prosody>('../dist/prosody.json')
export const neighbours = read<Neighbours>('../dist/neighbours.json')
export const models = course.versions.filter(version => version.model)

/** PyTorch 算的前五名：{版本: {开头: [[字, 概率], …]}}；没有这个文件就是 undefined。 */
export const reference = existsSync(fileURLToPath(new URL('reference.json', import.meta.url)))
  ? read<Record<string, Record<string, [string, number][]>>>('reference.json')
  : undefined
