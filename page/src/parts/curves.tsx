import { useEffect, useRef } from 'preact/hooks'
import type uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import type { Point } from '../course'
import { loss, ticks } from './text'
import { useTheme } from './theme'

export interface Curve {
  id: string
  points: Point[]
}

const DASHES = [[], [8, 4], [2, 3], [8, 3, 2, 3]]
const HEIGHT = 300

/** 几版的验证 loss 随步数怎样降；第一条是主角。counted：只会数数的 loss，画一条横线。 */
export function Curves({ curves, counted }: { curves: Curve[]; counted: number | null }) {
  const box = useRef<HTMLDivElement>(null)
  const theme = useTheme()
  const key = curves.map(curve => curve.id).join()
  useEffect(() => {
    const place = box.current! // 清理可能晚一步，那时 box 已经空了
    let [left, plot]: [boolean, uPlot | undefined] = [false, undefined]
    const resize = new ResizeObserver(([entry]) => plot?.setSize({ width: Math.floor(entry!.contentRect.width), height: HEIGHT }))
    void import('uplot').then(({ default: Plot }) => { // 用到才下载
      if (left) return
      plot = draw(Plot, place)
      resize.observe(place)
    }, () => {}) // 没取到，下面有数
    return () => {
      left = true
      resize.disconnect()
      plot?.destroy()
    }
  }, [key, counted, theme])
  const draw = (Plot: typeof uPlot, place: HTMLElement) => {
    const { data, top, bottom } = table(curves, counted)
    const style = getComputedStyle(place)
    const color = (name: string) => resolve(place, `var(--${name})`)
    const [ink, faint, ...colors] = ['muted', 'line', 'red', 'blue', 'green', 'gold'].map(color)
    const axis = { stroke: ink, grid: { stroke: faint, width: 1 }, ticks: { stroke: faint, width: 1 }, font: `12px ${style.fontFamily}` }
    return new Plot({
      width: place.clientWidth,
      height: HEIGHT,
      legend: { show: false },
      cursor: { show: false },
      scales: { x: { time: false }, y: { range: [bottom, top] } },
      axes: [{ ...axis, size: 36 }, { ...axis, size: 44, values: (_, values) => ticks(values) }],
      series: [
        {},
        ...curves.map((_, k) => ({ stroke: colors[k], width: k ? 1.5 : 3, dash: DASHES[k], points: { show: k === 0, size: 6, fill: colors[0] }, spanGaps: true })),
        ...(counted === null ? [] : [{ stroke: ink, width: 1, dash: [4, 4], points: { show: false }, spanGaps: true }]),
      ],
    }, data, place)
  }
  const last = (curve: Curve) => curve.points.at(-1)!
  return (
    <figure class="curves">
      <figcaption>
        验证 loss（竖）随步数（横）：
        {curves.map((curve, k) => (
          <span key={curve.id} class="key">
            <svg width="28" height="8" aria-hidden="true"><line class={`curve-${k}`} x1="0" x2="28" y1="4" y2="4" stroke-dasharray={DASHES[k]!.join(' ')} /></svg>
            {k ? curve.id : <b>{curve.id}</b>} {loss(last(curve).val_loss)}
          </span>
        ))}
        {counted !== null && <span class="key"><svg width="28" height="8" aria-hidden="true"><line class="curve-counted" x1="0" x2="28" y1="4" y2="4" stroke-dasharray="4 4" /></svg>只会数数 {loss(counted)}</span>}
      </figcaption>
      <div ref={box} class="plot" role="img" aria-label={`曲线：${curves.map(curve => `${curve.id} 最后 ${loss(last(curve).val_loss)}`).join('，')}`} />
      <details>
        <summary>{curves[0]!.id} 的数</summary>
        <table class="numbers">
          <thead><tr><th scope="col">步数</th><th scope="col">训练 loss</th><th scope="col">验证 loss</th></tr></thead>
          <tbody>{curves[0]!.points.map(point => <tr key={point.step}><td>{point.step}</td><td>{loss(point.train_loss)}</td><td>{loss(point.val_loss)}</td></tr>)}</tbody>
        </table>
      </details>
    </figure>
  )
}

/** 各条曲线的步数合成一列，没有的空着；第 0 步都在 8.7 上下，不照顾它，才看得清后面。 */
function table(curves: Curve[], counted: number | null) {
  const steps = [...new Set(curves.flatMap(curve => curve.points.map(point => point.step)))].toSorted((a, b) => a - b)
  const columns = curves.map(curve => {
    const values = new Map(curve.points.map(point => [point.step, point.val_loss]))
    return steps.map(step => values.get(step) ?? null)
  })
  const later = curves.flatMap(curve => curve.points.slice(1).map(point => point.val_loss))
  const seen = [...(later.length ? later : [8.7]), ...(counted === null ? [] : [counted])]
  const margin = Math.max(0.1, 0.1 * (Math.max(...seen) - Math.min(...seen)))
  const data = [steps, ...columns, ...(counted === null ? [] : [steps.map(() => counted)])] as uPlot.AlignedData
  return { data, top: Math.max(...seen) + margin, bottom: Math.min(...seen) - margin }
}

/** 把 CSS 的颜色算成画布认得的。 */
function resolve(box: HTMLElement, color: string): string {
  const probe = box.appendChild(document.createElement('i'))
  probe.style.color = color
  const found = getComputedStyle(probe).color
  probe.remove()
  return found
}
