import { useEffect, useMemo, useState } from 'preact/hooks'
import { compare, docLines, type Group, type Row } from '../diff'
import { highlight, type Tokens } from './highlight'

/** 代码的颜色：还没下载好，或者下载不了，就先没有颜色。 */
function useTokens(code: string | undefined): Tokens | undefined {
  const [tokens, setTokens] = useState<Tokens>()
  useEffect(() => {
    let current = true
    setTokens(undefined)
    if (code) highlight(code).then(found => current && setTokens(found), () => {})
    return () => void (current = false)
  }, [code])
  return tokens
}

/** 一行代码：token 的颜色，加上改了的几段的底色。 */
function Line({ text, tokens, changed = [] }: { text: string; tokens?: Tokens[number]; changed?: [number, number][] }) {
  let at = 0
  const pieces = (tokens ?? [{ content: text, htmlStyle: undefined }]).flatMap(token => {
    const [from, to] = [at, (at += token.content.length)]
    const cuts = [from, ...changed.flat().filter(cut => cut > from && cut < to), to]
    return cuts.slice(1).map((end, k) => {
      const start = cuts[k]!
      const piece = token.content.slice(start - from, end - from)
      const style = token.htmlStyle as Record<string, string> | undefined
      return changed.some(([a, b]) => a <= start && end <= b) ? <mark key={start} style={style}>{piece}</mark> : <span key={start} style={style}>{piece}</span>
    })
  })
  return <code>{pieces}</code>
}

const SIGN = { same: '', removed: '−', added: '+' }

interface Sides {
  left?: Tokens
  right?: Tokens
}

function InlineRow({ row, left, right }: { row: Row } & Sides) {
  const tokens = row.right !== undefined ? right?.[row.right] : left?.[row.left!]
  return (
    <tr class={row.kind}>
      <td class="number">{row.left === undefined ? '' : row.left + 1}</td>
      <td class="number">{row.right === undefined ? '' : row.right + 1}</td>
      <td class="sign">{SIGN[row.kind]}</td>
      <td><Line text={row.text} tokens={tokens} changed={row.changed} /></td>
    </tr>
  )
}

/** 左右对着看：删掉的和新加的，一行对一行。 */
function pairs(rows: Row[]): [Row?, Row?][] {
  const found: [Row?, Row?][] = []
  let open = 0 // 这一串里，头一个右边还空着的
  for (const row of rows) {
    if (row.kind === 'same') {
      found.push([row, row])
      open = found.length
    } else if (row.kind === 'removed') found.push([row, undefined])
    else if (open < found.length) found[open++]![1] = row
    else open = found.push([undefined, row])
  }
  return found
}

function PairRow({ pair: [before, after], left, right }: { pair: [Row?, Row?] } & Sides) {
  const cells = (row: Row | undefined, tokens: Tokens | undefined, line: number | undefined) => (
    <>
      <td class={`number ${row?.kind ?? 'none'}`}>{line === undefined ? '' : line + 1}</td>
      <td class={`half ${row?.kind ?? 'none'}`}>
        {row && <><span class="sign">{SIGN[row.kind]}</span><Line text={row.text} tokens={line === undefined ? undefined : tokens?.[line]} changed={row.changed} /></>}
      </td>
    </>
  )
  return <tr>{cells(before, left, before?.left)}{cells(after, right, after?.right)}</tr>
}

function Lines({ group, sideBySide, ...sides }: { group: Group; sideBySide: boolean } & Sides) {
  const [open, setOpen] = useState(!group.folded)
  if (!open) {
    const changed = group.rows.filter(row => row.kind === 'added').length
    const what = group.folded === 'doc' ? `文件开头的说明${changed ? '（改了，上面就是）' : ''}` : `${group.rows.length} 行没变`
    return (
      <tbody>
        <tr class="fold"><td colSpan={4}><button type="button" aria-expanded={false} onClick={() => setOpen(true)}>⋯ {what}，点开看</button></td></tr>
      </tbody>
    )
  }
  return (
    <tbody>
      {sideBySide
        ? pairs(group.rows).map((pair, k) => <PairRow key={k} pair={pair} {...sides} />)
        : group.rows.map((row, k) => <InlineRow key={k} row={row} {...sides} />)}
    </tbody>
  )
}

function Columns({ widths }: { widths: string[] }) {
  return <colgroup>{widths.map((name, k) => <col key={k} class={name} />)}</colgroup>
}

export function Diff({ before, after, sideBySide, name }: { before: string; after: string; sideBySide: boolean; name: string }) {
  const groups = useMemo(() => compare(before, after), [before, after])
  const sides = { left: useTokens(before), right: useTokens(after) }
  return (
    <table class={`code ${sideBySide ? 'halves' : ''}`} aria-label={name}>
      <Columns widths={sideBySide ? ['number', '', 'number', ''] : ['number', 'number', 'sign', '']} />
      {groups.map((group, k) => <Lines key={`${k} ${group.rows.length}`} group={group} sideBySide={sideBySide} {...sides} />)}
    </table>
  )
}

export function Whole({ code, name }: { code: string; name: string }) {
  const tokens = useTokens(code)
  const lines = code.replace(/\n$/, '').split('\n')
  const doc = docLines(code)
  const group = (from: number, to: number, folded: Group['folded']): Group => ({
    folded, rows: lines.slice(from, to).map((text, k) => ({ kind: 'same', right: from + k, text })),
  })
  const groups = [...(doc ? [group(0, doc, 'doc')] : []), group(doc, lines.length, false)]
  return (
    <table class="code whole" aria-label={name}>
      <Columns widths={['none', 'number', 'none', '']} />
      {groups.map((one, k) => <Lines key={k} group={one} sideBySide={false} right={tokens} />)}
    </table>
  )
}
