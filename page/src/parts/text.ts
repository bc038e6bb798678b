/** 数字、字、说明，写成人看的样子。 */

export const loss = (value: number | null | undefined) => value?.toFixed(2) ?? '—'

/** 轴上的几个数（隔得一样远）：隔得近，多写一位，免得两格写成一个数。 */
export const ticks = (values: number[]) => values.map(value => value.toFixed(values[1]! - values[0]! < 0.0999 ? 2 : 1))

export const percent = (value: number | null | undefined, digits = 0) =>
  value === null || value === undefined ? '—' : `${(value * 100).toFixed(digits)}%`

/** 概率：小的多写一位。 */
export const chance = (p: number) => p >= 0.0995 ? percent(p) : p >= 0.00095 ? percent(p, 1) : p > 0 ? '<0.1%' : '0'

export const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`

export const tenThousands = (count: number | null) => count === null ? '没有要学的' : `${Math.round(count / 1e4)} 万`

/** 看不见的字换个看得见的写法。 */
export const visible = (char: string) => char === '\n' ? '↵' : char === ' ' ? '␣' : char

/** 念出来的写法。 */
export const spoken = (char: string) => char === '\n' ? '换行' : char === ' ' ? '空格' : char

/** 夹在话里的写法：标点、看不见的加上括号，免得和句子的混了。 */
export const quoted = (char: string) => /[\p{P}\s]/u.test(char) ? `「${spoken(char)}」` : char

/** 代码仓库的地址：从 GitHub Pages 的地址认出来；放在别处，就不知道，是 undefined。 */
export function repository({ hostname, pathname }: { hostname: string; pathname: string } = location): string | undefined {
  const owner = /^([^.]+)\.github\.io$/.exec(hostname)?.[1]
  const name = pathname.split('/')[1]
  return owner && name ? `https://github.com/${owner}/${name}` : undefined
}

export interface Section {
  name: string
  paragraphs: { code: boolean; text: string }[]
}

/** 脚本的文档字符串 → 头一句、余下的导语，和“改动”“看什么”等各节。顶格又不是节名的是代码；缩进的接着上一行。 */
export function sections(doc: string): { lead: string; sections: Section[] } {
  const [first = '', ...lines] = doc.trim().split('\n')
  const found: Section[] = []
  for (const line of lines) {
    const heading = /^([\u4e00-\u9fff]{2,3})：(.*)$/.exec(line)
    const last = found.at(-1)
    const paragraph = last?.paragraphs.at(-1)
    if (heading) found.push({ name: heading[1]!, paragraphs: [{ code: false, text: heading[2]! }] })
    else if (!last || !line.trim()) continue
    else if (!line.startsWith(' ')) {
      if (paragraph?.code) paragraph.text += '\n' + line
      else last.paragraphs.push({ code: true, text: line })
    } else if (paragraph) paragraph.text += joint(paragraph.text, line.trim()) + line.trim()
  }
  return { lead: first.replace(/^(v\d+：)?[^。：]*[。：]/, ''), sections: found } // 头一句是题目
}

const joint = (before: string, after: string) => /[\w,.)]$/.test(before) && /^[\w(]/.test(after) ? ' ' : ''
