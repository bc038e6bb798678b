/** 两份脚本的差别，一行一行的；没变的一大片收起来。 */
import { diffLines, diffWordsWithSpace } from 'diff'

export interface Row {
  kind: 'same' | 'removed' | 'added'
  /** 在前一版、这一版里是第几行，从 0 数 */
  left?: number
  right?: number
  text: string
  /** 这一行里改了的几段：[从, 到) */
  changed?: [number, number][]
}

export interface Group {
  folded: false | 'same' | 'doc'
  rows: Row[]
}

const AROUND = 3 // 改动上下各留几行
const ALIKE = 0.5 // 两行有一半以上一样，才标哪里改了

/** 文件开头的说明占几行。 */
export function docLines(code: string): number {
  const found = /^"""[\s\S]*?"""\n/.exec(code)
  return found ? found[0].split('\n').length - 1 : 0
}

export function compare(before: string, after: string): Group[] {
  const [a, b] = [before.split('\n'), after.split('\n')]
  const [m, n] = [docLines(before), docLines(after)]
  const doc = rows(a.slice(0, m), b.slice(0, n), 0, 0)
  return [...(doc.length ? [{ folded: 'doc' as const, rows: doc }] : []), ...fold(rows(a.slice(m), b.slice(n), m, n))]
}

function rows(a: string[], b: string[], left: number, right: number): Row[] {
  const found: Row[] = []
  for (const part of diffLines(ended(a), ended(b)))
    for (const text of part.value.replace(/\n$/, '').split('\n'))
      if (part.removed) found.push({ kind: 'removed', left: left++, text })
      else if (part.added) found.push({ kind: 'added', right: right++, text })
      else found.push({ kind: 'same', left: left++, right: right++, text })
  mark(found)
  return found
}

const ended = (lines: string[]) => lines.map(line => line + '\n').join('')

/** 一串删掉的行后面跟着一样多的新行：一行对一行，标出改了哪里。 */
function mark(rows: Row[]) {
  for (let start = 0; start < rows.length; ) {
    const removed = run(rows, start, 'removed')
    const added = run(rows, start + removed, 'added')
    if (removed === added)
      for (let k = 0; k < removed; k++) markPair(rows[start + k]!, rows[start + removed + k]!)
    start += Math.max(1, removed + added)
  }
}

function run(rows: Row[], start: number, kind: Row['kind']): number {
  let end = start
  while (rows[end]?.kind === kind) end++
  return end - start
}

function markPair(removed: Row, added: Row) {
  const parts = diffWordsWithSpace(removed.text, added.text)
  const same = parts.filter(part => !part.added && !part.removed).reduce((total, part) => total + part.value.length, 0)
  if (same < ALIKE * Math.max(removed.text.length, added.text.length)) return
  removed.changed = ranges(parts.filter(part => !part.added), part => part.removed)
  added.changed = ranges(parts.filter(part => !part.removed), part => part.added)
}

function ranges<T extends { value: string }>(parts: T[], changed: (part: T) => boolean | undefined): [number, number][] {
  let at = 0
  return parts.flatMap(part => {
    const from = at
    at += part.value.length
    return changed(part) ? [[from, at] as [number, number]] : []
  })
}

function fold(rows: Row[]): Group[] {
  const near = rows.map((_, k) => rows.slice(Math.max(0, k - AROUND), k + AROUND + 1).some(row => row.kind !== 'same'))
  const groups: Group[] = []
  rows.forEach((row, k) => {
    const folded = near[k] ? false : 'same'
    if (groups.at(-1)?.folded === folded) groups.at(-1)!.rows.push(row)
    else groups.push({ folded, rows: [row] })
  })
  return groups.map(group => group.rows.length > 1 ? group : { ...group, folded: false }) // 收一行，不如不收
}
