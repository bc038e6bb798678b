import { useState } from 'preact/hooks'
import type { Sampling } from '../sampling'

export const SAMPLING: Sampling = { temp: 1, k: 0, seed: 42 }

/** 地址里什么都可能写：拉回能用的范围。 */
export const clean = ({ temp, k, seed }: Sampling) => ({
  temp: Math.min(2, Math.max(0.1, temp)),
  k: Math.min(6000, Math.max(0, Math.round(k))),
  seed: Math.min(999_999, Math.max(0, Math.round(seed))),
})

const TOP_K = [0, 1, 3, 5, 10, 20, 50, 100]

/** 温度、top-k、种子。 */
export function SamplingControls({ value, onChange }: { value: Sampling; onChange: (patch: Partial<Sampling>) => void }) {
  const choices = TOP_K.includes(value.k) ? TOP_K : [...TOP_K, value.k].toSorted((a, b) => a - b)
  return (
    <div class="controls sampling">
      <label class="field">
        <span>温度 {value.temp.toFixed(1)} <small>低了稳当，高了大胆</small></span>
        <input type="range" min="0.1" max="2" step="0.1" value={value.temp} onInput={event => onChange({ temp: Number(event.currentTarget.value) })} />
      </label>
      <label class="field">
        <span>top-k <small>只从前几名里抽</small></span>
        <select value={value.k} onChange={event => onChange({ k: Number(event.currentTarget.value) })}>
          {choices.map(k => <option key={k} value={k}>{k || '不限'}</option>)}
        </select>
      </label>
      <label class="field">
        <span>种子 <small>同一个数，同一篇</small></span>
        <span class="joined">
          <input
            type="number" min="0" max="999999" value={value.seed}
            onChange={event => onChange({ seed: clean({ ...value, seed: Number(event.currentTarget.value) }).seed })}
          />
          <button type="button" onClick={() => onChange({ seed: Math.floor(Math.random() * 10_000) })}>换一个</button>
        </span>
      </label>
    </div>
  )
}

interface TextProps {
  label: preact.ComponentChildren
  value: string
  onChange: (value: string) => void
  /** 几行；不写就是一行的小格 */
  rows?: number
  size?: number
}

/** 写字的格子。输入法还没选定的字不算数：选定了，才交出去。 */
export function Text({ label, value, onChange, rows, size }: TextProps) {
  const [draft, setDraft] = useState<string>()
  type Input = preact.TargetedEvent<HTMLInputElement | HTMLTextAreaElement>
  const commit = (event: Input) => {
    setDraft(undefined)
    if (event.currentTarget.value !== value) onChange(event.currentTarget.value)
  }
  const composed = {
    value: draft ?? value,
    onInput: (event: Input) => (event as unknown as InputEvent).isComposing ? setDraft(event.currentTarget.value) : commit(event),
    onCompositionStart: (event: Input) => setDraft(event.currentTarget.value),
    onCompositionEnd: commit,
  }
  return (
    <label class={rows ? 'field wide' : 'field'}>
      <span>{label}</span>
      {rows ? <textarea rows={rows} {...composed} /> : <input type="text" size={size} {...composed} />}
    </label>
  )
}

/** 挑一个词牌。 */
export function Tune({ tunes, value, onChange }: { tunes: string[]; value: string; onChange: (tune: string) => void }) {
  return (
    <label class="field">
      <span>词牌</span>
      <select value={value} onChange={event => onChange(event.currentTarget.value)}>{tunes.map(one => <option key={one}>{one}</option>)}</select>
    </label>
  )
}

/** 复制：一段话，或者这一页的地址（设置都在里面）。 */
export function Copy({ name, text }: { name: string; text: () => string }) {
  const [said, say] = useState('')
  const copy = () => navigator.clipboard?.writeText(text()).then(() => say('复制好了'), () => say('复制不了，请自己选中来抄')) ?? say('复制不了，请自己选中来抄')
  return (
    <>
      <button type="button" class="quiet" onClick={copy}>{name}</button>
      <span class="hint" role="status">{said}</span>
    </>
  )
}

export const CopyLink = () => <Copy name="复制链接" text={() => location.href} />
