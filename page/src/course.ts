/** 导出的数据：形状见各个 interface，文件都在 public/ 里，地址都相对于这一页。 */
import { useEffect, useState } from 'preact/hooks'

/** 一个头多半看什么，占几成；when：只在什么时候。字是 course.json 里的 patterns、moments。 */
export interface Caption {
  pattern: string
  mass: number
  when?: string
}

export interface Model {
  file: string
  bytes: number
  weights: 'int8' | 'fp16'
  kl: number
  layers: number
  heads: number
  lens: boolean
  /** 各层各头多半看什么；看不出的是 null */
  captions: (Caption | null)[][]
  vocab: number
  block_size: number
  obeys: boolean
}

export interface Form {
  attested: number
  prefix: number
  tone: number | null
  rhyme: number | null
  ended: number
  row_loss?: number | null
  poem_loss?: number | null
}

/** 在课程的哪一段：基线、第一段路、第二段路到底座、底座之后。 */
export type Part = 'baseline' | 'first' | 'modern' | 'after'

export interface Version {
  id: string
  script: string
  part: Part
  title: string
  doc: string
  before: string | null
  parameters: number | null
  block_size: number | null
  val_loss: number | null
  train_loss: number | null
  form: Form | null
  minutes: number | null
  model: Model | null
  same_as?: string
  /** 旁支：后面的都不接着它 */
  side?: boolean
  /** 没有注意力的，为什么没什么可看 */
  blind?: string
}

/** 一打开就看得见的：同一个开头，几版各接着写的；页面自己写，也是这些字。 */
export interface First {
  opening: string
  seed: number
  texts: { id: string; text: string }[]
}

/** 学的过程：每次评估时，下一个字的前几名，接着写的一段。 */
export interface Film {
  opening: string
  frames: { step: number; train_loss: number; val_loss: number; top: [string, number][]; text: string }[]
}

export interface Course {
  chars: string
  symbols: string
  baselines: { form_of_real_poems: Form }
  versions: Version[]
  tunes: string[]
  patterns: Record<string, string>
  moments: Record<string, string>
  /** 没说词人，就用名下最多的 */
  anyone: string
  /** 写词用的温度 */
  temperature: number
  /** 一打开先选的一版，和它对照的一版 */
  first: string
  contrast: string
  /** 有学的过程可看的 */
  films: string[]
  /** “格律”里挑的 */
  rungs: string[]
}

export interface Point {
  step: number
  train_loss: number
  val_loss: number
}

export interface Details {
  code: string
  curve: Point[]
  samples: string[]
  examples?: string[]
}

/** 各版自测、试试的答案 */
export type Answers = Record<string, { title: string; text: string }[]>

export type Neighbours = Record<string, Record<string, [string, number][]>>

const fetched = new Map<string, Promise<unknown>>()
const arrived = new Map<string, unknown>()

/** 取 public/ 里的一个 JSON，只取一次；取不到就抛出一句中文的 Error，下次再试。 */
export function fetchJson<T>(path: string): Promise<T> {
  let promise = fetched.get(path)
  if (!promise) {
    promise = fetch(address(path)).then(response => {
      if (!response.ok) throw new Error(String(response.status))
      return response.json()
    }).then(data => {
      arrived.set(path, data)
      return data
    }).catch(error => {
      fetched.delete(path)
      throw new Error(`${path} 没取到（${error.message}），连上网再试。`)
    })
    fetched.set(path, promise)
  }
  return promise as Promise<T>
}

export const address = (path: string) => new URL(path, document.baseURI).href

/** 组件里用的 fetchJson；path 是 null 就不取。没取到，网络回来了再取。 */
export function useJson<T>(path: string | null): { data?: T; error?: string } {
  const [, redraw] = useState(0)
  const [error, setError] = useState<string>()
  const data = path ? arrived.get(path) as T | undefined : undefined
  useEffect(() => {
    let current = true
    const fetch = () => path && fetchJson<T>(path).then(
      () => current && (setError(undefined), redraw(n => n + 1)),
      error => current && setError(error.message),
    )
    setError(undefined)
    if (!data) void fetch() // 画的时候还没有；现在也许别处取到了，那也得重画
    addEventListener('online', fetch)
    return () => {
      current = false
      removeEventListener('online', fetch)
    }
  }, [path])
  return { data, error }
}
