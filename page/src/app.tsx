import { useEffect, useErrorBoundary, useRef } from 'preact/hooks'
import { useJson, type Course } from './course'
import { NAMES } from './names'
import { find } from './parts/model'
import { repository } from './parts/text'
import { ThemeToggle } from './parts/theme'
import { link, useRoute, useScroll, type Route } from './route'
import Ask from './views/ask'
import FormView from './views/form'
import Near from './views/near'
import Pair from './views/pair'
import Road from './views/road'
import See from './views/see'
import VersionView from './views/version'

const VIEWS: Record<keyof typeof NAMES, preact.ComponentType<{ course: Course; route: Route }>> = { '': Road, ask: Ask, see: See, pair: Pair, near: Near, form: FormView }
const known = (view: string): view is keyof typeof NAMES => Object.hasOwn(NAMES, view)

export function App() {
  const { data: course, error } = useJson<Course>('course.json')
  const route = useRoute()
  const main = useRef<HTMLElement>(null)
  const version = course && find(course, route.view)
  const name = version ? `${version.id} ${version.title}` : known(route.view) ? NAMES[route.view] : undefined
  useScroll(route)
  useEffect(() => {
    document.title = name && route.view ? `${name} · 从零写一个学填词的 GPT` : '从零写一个学填词的 GPT'
    if (route.visit) main.current?.focus({ preventScroll: true }) // 换了一页：读屏软件从头念起
  }, [route.visit, name])
  return (
    <>
      <a class="skip" href="#main" onClick={event => { event.preventDefault(); main.current?.focus() }}>跳到正文</a>
      <header class="bar">
        <nav aria-label="各页">
          {Object.entries(NAMES).map(([view, name]) => (
            <a key={view} href={link(view)} aria-current={route.view === view || (version && view === '') ? 'page' : undefined}>{name}</a>
          ))}
        </nav>
        <ThemeToggle />
      </header>
      <main id="main" class="page" ref={main} tabIndex={-1}>
        {error && !course && <p class="fault" role="alert">{error}</p>}
        {course && (
          <Guard key={route.visit}>
            {version ? <VersionView course={course} route={route} version={version} /> : <Page course={course} route={route} />}
          </Guard>
        )}
      </main>
      <footer class="page">
        <p>
          模型都在你的浏览器里算，这一页不向别处要任何东西，也不记你做了什么。代码以 MIT 许可发布；语料是宋词，属公有领域。
          {repository() && <a href={repository()}>代码仓库</a>}
        </p>
      </footer>
    </>
  )
}

function Page({ course, route }: { course: Course; route: Route }) {
  if (!known(route.view)) return <><h1>没有这一页</h1><p>没有叫“{route.view}”的版本或页面。<a href={link('')}>回到路上</a></p></>
  const View = VIEWS[route.view]
  return <View course={course} route={route} />
}

/** 一页出了错，只坏这一页。 */
function Guard({ children }: { children: preact.ComponentChildren }) {
  const [error] = useErrorBoundary()
  if (error) return <p class="fault" role="alert">这一页出了错，刷新再试；别的页不受影响。（{String(error.message ?? error)}）</p>
  return <>{children}</>
}
