import { useRef } from 'preact/hooks'
import type { CSSProperties } from 'preact'
import { spoken, visible } from './text'

export interface Cell {
  char: string
  /** 念给读屏软件听的，接在字后面 */
  label?: string
  class?: string
  style?: CSSProperties
}

const MOST = 1000 // 再多，前面的合成一段

/** 一串可以点、也可以选中来抄的字。只占一个 Tab 位，左右键在字之间走。 */
export function Strip(props: { name: string; cells: Cell[]; selected: number; onSelect: (index: number) => void }) {
  const { cells, selected, onSelect } = props
  const box = useRef<HTMLDivElement>(null)
  const first = Math.max(0, cells.length - MOST)
  const current = Math.min(Math.max(selected, first), cells.length - 1)
  const press = (event: KeyboardEvent) => {
    const buttons = [...box.current!.querySelectorAll<HTMLElement>('[role=button]')]
    const here = buttons.indexOf(document.activeElement as HTMLElement)
    const to = { ArrowLeft: here - 1, ArrowRight: here + 1, Home: 0, End: buttons.length - 1, Enter: here, ' ': here }[event.key]
    if (event.altKey || event.ctrlKey || event.metaKey || here < 0 || to === undefined || !buttons[to]) return
    event.preventDefault()
    buttons[to].focus()
    onSelect(first + to)
  }
  return (
    <div class="strip" role="group" aria-label={`${props.name}（左右键换字）`} ref={box} onKeyDown={press}>
      {first > 0 && <span class="early">{cells.slice(0, first).map(cell => cell.char).join('')}</span>}
      {cells.slice(first).map((cell, k) => (
        <>
          <span
            role="button"
            class={cell.class}
            style={cell.style}
            tabIndex={first + k === current ? 0 : -1}
            aria-pressed={first + k === selected}
            aria-label={`${spoken(cell.char)}${cell.label ? `，${cell.label}` : ''}`}
            onClick={() => onSelect(first + k)}
          >
            {visible(cell.char)}
          </span>
          {cell.char === '\n' && <br />}
        </>
      ))}
    </div>
  )
}
