import { useEffect, useState } from 'preact/hooks'
import { useJson, type Answers, type Course, type Details, type Version } from '../course'
import { Diff, Whole } from '../parts/code'
import { Curves, type Curve } from '../parts/curves'
import { baseline, exam } from '../parts/exam'
import { Film } from '../parts/film'
import { find, playable, road } from '../parts/model'
import { Thoughts } from '../parts/poem'
import { loss, percent, repository, sections, tenThousands, type Section } from '../parts/text'
import { THOUGHTS } from '../prosody'
import { link, useSettings, type Route } from '../route'

export default function VersionView({ course, route, version }: { course: Course; route: Route; version: Version }) {
  const { data, error } = useJson<Details>(`versions/${version.id}.json`)
  const { lead, sections: found } = sections(version.doc)
  const index = course.versions.indexOf(version)
  const [before, after] = [course.versions[index - 1], course.versions[index + 1]]
  return (
    <article>
      <p class="crumb"><a href={link('')}>路</a> / {road(version)}</p>
      <h1>{version.part === 'baseline' ? '只会数数的' : version.id} <span>{version.title}</span></h1>
      {lead && <p class="lead">{lead}</p>}
      <Facts course={course} version={version} />
      <p class="links"><Play course={course} version={version} /></p>
      <div class="doc">{found.map(section => <Part key={section.name} section={section} version={version} />)}</div>
      {error && <p class="fault" role="alert">{error}</p>}
      {data && (
        <>
          <Code route={route} version={version} code={data.code} before={version.before ? find(course, version.before) : undefined} />
          <Learning course={course} version={version} mine={data} />
          {course.films.includes(version.id) && <Film version={version} />}
          <Samples details={data} />
        </>
      )}
      <nav class="turn" aria-label="前后两版">
        {before ? <a href={link(before.id)}>← {before.id} {before.title}</a> : <span />}
        {after && <a href={link(after.id)}>{after.id} {after.title} →</a>}
      </nav>
    </article>
  )
}

function Facts({ course, version }: { course: Course; version: Version }) {
  const model = playable(course, version.id)?.model
  const { form, minutes } = version
  const facts: [string, string][] = [
    ['参数', tenThousands(version.parameters)],
    ...(version.val_loss === null ? [] : [['训练 / 验证 loss', `${loss(version.train_loss)} / ${loss(version.val_loss)}`] as [string, string]]),
    ...(form?.poem_loss && exam(version) === 'poems' ? [['整首 loss', loss(form.poem_loss)] as [string, string]] : []),
    ...(minutes ? [['用时', minutes < 1 ? `${Math.round(minutes * 60)} 秒` : `${minutes} 分钟`] as [string, string]] : []),
    ...(model ? [['一次看', `${model.block_size} 个字`] as [string, string]] : []),
    ...(form && exam(version) !== 'pieces' ? [['合律', percent(form.attested)] as [string, string]] : []),
    ...(form?.tone ? [['平仄 / 押韵', `${percent(form.tone)} / ${percent(form.rhyme)}`] as [string, string]] : []),
  ]
  return <dl class="facts">{facts.map(([name, value]) => <div key={name}><dt>{name}</dt><dd>{value}</dd></div>)}</dl>
}

function Play({ course, version }: { course: Course; version: Version }) {
  const player = playable(course, version.id)
  if (!player) return <span class="hint">这一版没有导出模型{version.part === 'baseline' && '（它只有一张次数表）'}，看代码。</span>
  const before = earlier(course, version)
  return (
    <>
      <a class="button" href={link('ask', { v: player.id })}>问它</a>
      {player.model!.layers > 0 && <a class="button" href={link('see', { v: player.id })}>它看哪里</a>}
      {before && before !== player && <a class="button" href={link('pair', { a: before.id, b: player.id })}>和 {before.id} 并排</a>}
      {player !== version && <span class="hint">它的模型就是 {player.id} 的。</span>}
    </>
  )
}

/** 往前数，头一个有模型可问的。 */
function earlier(course: Course, version: Version): Version | undefined {
  const before = version.before ? find(course, version.before) : undefined
  return before && (playable(course, before.id) ?? earlier(course, before))
}

function Part({ section, version }: { section: Section; version: Version }) {
  const answered = section.paragraphs.some(({ text }) => text.includes('docs/answers.md'))
  return (
    <section>
      <h2>{section.name}</h2>
      <div>
        {section.paragraphs.map((paragraph, k) => paragraph.code ? <pre key={k} tabIndex={0}><code>{paragraph.text}</code></pre> : <p key={k}>{paragraph.text.replace('答案在 docs/answers.md。', '')}</p>)}
        {answered && <Answer version={version} />}
      </div>
    </section>
  )
}

/** 先自己想，点开才看。 */
function Answer({ version }: { version: Version }) {
  const [open, setOpen] = useState(false)
  const { data, error } = useJson<Answers>(open ? 'answers.json' : null)
  const [html, setHtml] = useState('')
  useEffect(() => {
    const text = (data?.[version.id] ?? []).map(({ title, text }) => `**${title}**\n\n${text}`).join('\n\n')
    const address = repository()
    if (text) import('marked').then(({ marked }) => // 答案里的链接指着仓库里的文件
      setHtml(marked.parse(text.replace(/\[([^\]]*)\]\(([^)]*)\)/g, address ? `[$1](${address}/blob/main/$2)` : '$1'), { async: false })), () => setHtml('没取到，连上网再点开。'))
  }, [data, open])
  return (
    <details class="answer" onToggle={event => setOpen(event.currentTarget.open)}>
      <summary>想好了，看答案</summary>
      {error && <p class="fault" role="alert">{error}</p>}
      <div class="scroll" tabIndex={0} role="region" aria-label="答案" dangerouslySetInnerHTML={{ __html: html }} />
    </details>
  )
}

/** 脚本的文件：知道仓库在哪里，就去那里看；不知道，就下载这一份。 */
function File({ script, code }: { script: string; code: string }) {
  const [url, setUrl] = useState('')
  useEffect(() => {
    const found = URL.createObjectURL(new Blob([code], { type: 'text/x-python' }))
    setUrl(found)
    return () => URL.revokeObjectURL(found)
  }, [code])
  return (
    <p class="hint">
      {repository() ? <a href={`${repository()}/blob/main/${script}`}>{script}</a> : script}，
      <a href={url} download={script.split('/').at(-1)}>下载这份脚本</a>
    </p>
  )
}

const MODES = { inline: '合着看', halves: '并排看', whole: '全文' }

function Code({ route, version, code, before }: { route: Route; version: Version; code: string; before?: Version }) {
  const [settings, set] = useSettings(route, { diff: 'inline' })
  const { data, error } = useJson<Details>(before ? `versions/${before.id}.json` : null)
  const mode = before && settings.diff in MODES ? settings.diff : before ? 'inline' : 'whole'
  return (
    <section>
      <h2>{mode === 'whole' ? '代码' : <>和 <a href={link(before!.id)}>{before!.id}</a> 比，改了什么</>}</h2>
      {before && (
        <div class="segments" role="group" aria-label="怎样看代码">
          {Object.entries(MODES).map(([name, label]) => <button key={name} type="button" aria-pressed={name === mode} onClick={() => set({ diff: name })}>{label}</button>)}
        </div>
      )}
      <File script={version.script} code={code} />
      {error && <p class="fault" role="alert">{error}</p>}
      {mode === 'whole'
        ? <Whole code={code} name={`${version.script} 全文`} />
        : data && <Diff before={data.code} after={code} sideBySide={mode === 'halves'} name={`${before!.script} 和 ${version.script} 的差别`} />}
    </section>
  )
}

/** 考同一份题、步数差不多的前后两版（连同它接着的那一版）的曲线，放在一起；各考各的，只画自己的。 */
function Learning({ course, version, mine }: { course: Course; version: Version; mine: Details }) {
  const same = course.versions.filter(one => !one.same_as && exam(one) === exam(version))
  const index = same.indexOf(find(course, version.same_as ?? version.id)!)
  const around = (step: number) => exam(version) === 'own' ? undefined : same[index + step]
  const curves = [useCurve(around(-1)), useCurve(around(1))].filter(curve => curve && comparableLength(curve.points, mine.curve)) as Curve[]
  if (mine.curve.length < 2) return null
  return (
    <section>
      <h2>学得怎样</h2>
      {version.same_as && <p>它的训练和 {version.same_as} 一样，曲线就是 {version.same_as} 的。</p>}
      <Curves curves={[{ id: version.id, points: mine.curve }, ...curves]} counted={exam(version) === 'pieces' ? baseline(course, 'pieces') : null} />
    </section>
  )
}

function useCurve(version?: Version): Curve | undefined {
  const { data } = useJson<Details>(version ? `versions/${version.id}.json` : null)
  return version && data && { id: version.id, points: data.curve }
}

const comparableLength = (a: Details['curve'], b: Details['curve']) => {
  const [m, n] = [a.at(-1)?.step ?? 0, b.at(-1)?.step ?? 0]
  return a.length > 1 && Math.max(m, n) <= 4 * Math.min(m, n)
}

function Samples({ details }: { details: Details }) {
  const samples = [...details.samples, ...(details.examples ?? [])]
  if (!samples.length) return null
  return (
    <section>
      <h2>它写的</h2>
      <p class="hint">学完之后接着开头写的，没有挑过。{samples.some(sample => THOUGHTS.test(sample)) && <>有几首连想的也留着。<Thoughts text={samples.join('')} /></>}</p>
      <div class="samples">{samples.map((sample, k) => <blockquote key={k} class="poem">{sample.trim()}</blockquote>)}</div>
    </section>
  )
}
