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

/** 一串可以点的字。只占一个 Tab 位，左右键在字之间走。 */
export function Strip(props: { name: string; cells: Cell[]; selected: number; onSelect: (index: number) => void }) {
  const box = useRef<HTMLDivElement>(null)
  const current = Math.min(Math.max(props.selected, 0), props.cells.length - 1)
  const move = (event: KeyboardEvent) => {
    const buttons = [...box.current!.querySelectorAll('button')]
    const here = buttons.indexOf(document.activeElement as HTMLButtonElement)
    const to = { ArrowLeft: here - 1, ArrowRight: here + 1, Home: 0, End: buttons.length - 1 }[event.key]
    if (here < 0 || to === undefined || !buttons[to]) return
    event.preventDefault()
    buttons[to].focus()
    props.onSelect(to)
  }
  return (
    <div class="strip" role="group" aria-label={`${props.name}（左右键换字）`} ref={box} onKeyDown={move}>
      {props.cells.map((cell, index) => (
        <>
          <button
            key={index}
            type="button"
            class={cell.class}
            style={cell.style}
            tabIndex={index === current ? 0 : -1}
            aria-pressed={index === props.selected}
            aria-label={`${spoken(cell.char)}${cell.label ? `，${cell.label}` : ''}`}
            onClick={() => props.onSelect(index)}
          >
            {visible(cell.char)}
          </button>
          {cell.char === '\n' && <br />}
        </>
      ))}
    </div>
  )
}
