import { useState } from 'preact/hooks'
import { useJson, type Film as Reel, type Version } from '../course'
import { Row } from './bars'
import { chance, loss } from './text'

/** 学的过程：一根滑杆，从第 0 步拉到最后，看它猜的、写的怎样变。 */
export function Film({ version }: { version: Version }) {
  const { data, error } = useJson<Reel>(`films/${version.id}.json`)
  const [at, move] = useState(0)
  if (error) return <p class="fault" role="alert">{error}</p>
  if (!data) return null
  const now = data.frames[at]!
  const most = Math.max(...data.frames.flatMap(({ top }) => top.map(([, p]) => p)))
  return (
    <section class="film">
      <h2>看它学</h2>
      <label class="field wide">
        <span>第 {now.step} 步，验证 loss {loss(now.val_loss)}</span>
        <input type="range" min="0" max={data.frames.length - 1} step="1" value={at} aria-valuetext={`第 ${now.step} 步`} onInput={event => move(Number(event.currentTarget.value))} />
      </label>
      <div class="pair">
        <section>
          <h3>下一个字，前五名</h3>
          <ol class="bars near">
            {now.top.map(([char, p]) => (
              <li key={char}>
                <div class="bar-row"><Row char={char} share={p / most} value={chance(p)} /></div>
              </li>
            ))}
          </ol>
        </section>
        <section>
          <h3>这时写的</h3>
          <p class="poem paper"><span class="typed">{data.opening}</span><span class="written">{now.text.trimEnd()}</span></p>
        </section>
      </div>
    </section>
  )
}
