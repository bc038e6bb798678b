/** 格律：和 tools/prosody.py 一样的算法，一边写一边对。 */

export interface Template {
  /** ((字数, 第几行), …) */
  shape: [number, number][]
  count: number
  /** 一个字一个记号：平、仄、·（可平可仄） */
  tones: string
  /** 该押韵的是第几个字，押在一起的一组；换韵的有几组 */
  rhymes: number[][]
}

export interface Prosody {
  readings: Record<string, string>
  templates: Record<string, Template[]>
}

const tones = (reading = '') => new Set<string>(reading.split(' ').filter(Boolean).map(one => (one[0] === '平' ? '平' : '仄')))
const rhymes = (reading = '') => new Set(reading.split(' ').filter(Boolean).map(one => Number(one.slice(1))))

/** 正文 → 各句：有几个字、在第几行、写完了没有（后面有了标点或换行）。 */
export function clauses(body: string): { length: number; row: number; done: boolean }[] {
  return body.replace(/^\n+/, '').split('\n').flatMap((line, row, lines) => {
    const parts = line.split(/[，。、\s]/u)
    return parts.map((part, k) => ({ length: [...part].length, row, done: k < parts.length - 1 || row < lines.length - 1 }))
      .filter(part => part.length)
  })
}

/** 开头和正文一样的句子最多的谱（一样多取常见的），和对上了几句；最后一句没写完的，字数没超过就算。 */
export function match(body: string, templates: Template[]): { template?: Template; clauses: number; characters: number; off: boolean } {
  const written = clauses(body)
  let best: { template?: Template; clauses: number; characters: number; off: boolean } = { clauses: 0, characters: 0, off: false }
  for (const template of templates.toSorted((a, b) => b.count - a.count)) {
    let n = 0
    let characters = 0
    for (const clause of written) {
      const [length, row] = template.shape[n] ?? [0, -1]
      if (row !== clause.row || (clause.done ? length !== clause.length : length < clause.length)) break
      n += 1
      characters += clause.length
    }
    if (!best.template || n > best.clauses) best = { template, clauses: n, characters, off: n < written.length }
  }
  return best
}

export type Tone = 'right' | 'wrong' | 'free' | 'off'

export interface Mark {
  char: string
  /** 标点、换行没有声调 */
  tone?: Tone
  want?: string
  rhyme?: 'hit' | 'miss'
}

export interface Judged {
  marks: Mark[]
  right: number
  fixed: number
  hits: number
  ends: number
  off: boolean
  /** 整首的句长和谱一样 */
  whole: boolean
}

/** 一首词的正文，每个字合不合谱。 */
export function judge(body: string, templates: Template[], readings: Record<string, string>): Judged {
  const { template, clauses: n, characters, off } = match(body, templates)
  const marks: Mark[] = [...body].map(char => ({ char }))
  const letters = marks.filter(mark => !/[，。、\s]/u.test(mark.char))
  letters.forEach((mark, k) => {
    const want = k < characters ? template?.tones[k] : undefined
    const heard = tones(readings[mark.char])
    mark.want = want
    if (!want) mark.tone = 'off'
    else if (want === '·' || !heard.size) mark.tone = 'free'
    else mark.tone = heard.has(want) ? 'right' : 'wrong'
  })
  const last: Mark[] = []
  for (const group of template?.rhymes ?? []) {
    const ends = group.filter(k => k < characters).map(k => letters[k]!).filter(mark => readings[mark.char])
    const main = mainRhyme(ends.map(mark => rhymes(readings[mark.char])))
    for (const mark of ends) mark.rhyme = main !== undefined && rhymes(readings[mark.char]).has(main) ? 'hit' : 'miss'
    last.push(...ends)
  }
  return {
    marks,
    right: letters.filter(mark => mark.tone === 'right').length,
    fixed: letters.filter(mark => mark.tone === 'right' || mark.tone === 'wrong').length,
    hits: last.filter(mark => mark.rhyme === 'hit').length,
    ends: last.length,
    off,
    whole: !off && n === template?.shape.length && characters === template.tones.length,
  }
}

function mainRhyme(groups: Set<number>[]): number | undefined {
  const counts = new Map<number, number>()
  for (const group of groups) for (const rhyme of group) counts.set(rhyme, (counts.get(rhyme) ?? 0) + 1)
  return [...counts].toSorted(([a, m], [b, n]) => n - m || a - b)[0]?.[0]
}

export const THOUGHTS = /[①-⑲]/

/** 去掉想的，只留说出来的。 */
export const unspoken = (text: string) => text.replace(new RegExp(THOUGHTS, 'g'), '')

/** 例字在词林正韵的哪一部：①–⑲；几部都有，取最常用来押的（排在头一个）；不知道的是空的。 */
export const partOf = (char: string, readings: Record<string, string>) =>
  [...rhymes(readings[char])].slice(0, 1).map(part => String.fromCharCode(0x245f + part)).join('')

/** 这个词牌押平声还是仄声：最常见的谱里，该押韵的那些字定下来的；没定的是空的。 */
export const rhymeTone = ([template]: Template[] = []) =>
  template?.rhymes.flat().map(k => template.tones[k]!).find(tone => tone !== '·') ?? ''

/** 这个字读不读得成平（仄）声。 */
export const sounds = (char: string, tone: string, readings: Record<string, string>) => tones(readings[char]).has(tone)

/** 给模型的开头：要求一行，题头一行。 */
export const request = (header: string, part: string, heads: string) =>
  [[part, heads && `藏头${heads}`].filter(Boolean).join(' '), header, ''].filter((line, k) => k || line).join('\n')

/** 头一首：到空行为止。 */
export const poem = (written: string) => written.split('\n\n')[0]!
