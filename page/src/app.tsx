import { lazy, Suspense } from 'preact/compat'
import { useEffect, useErrorBoundary, useRef } from 'preact/hooks'
import { useJson, type Course } from './course'
import { find } from './parts/model'
import { ThemeToggle } from './parts/theme'
import { link, useRoute, type Route } from './route'
import Road, { Opening } from './views/road'

const VIEWS: Record<string, { name: string; View: preact.ComponentType<{ course: Course; route: Route }> }> = {
  '': { name: '路', View: Road },
  ask: { name: '问它', View: lazy(() => import('./views/ask')) },
  see: { name: '它看哪里', View: lazy(() => import('./views/see')) },
  pair: { name: '并排', View: lazy(() => import('./views/pair')) },
  near: { name: '近邻', View: lazy(() => import('./views/near')) },
  form: { name: '格律', View: lazy(() => import('./views/form')) },
}
const viewOf = ({ view }: Route) => Object.hasOwn(VIEWS, view) ? VIEWS[view] : undefined
const VersionView = lazy(() => import('./views/version'))

export function App() {
  const { data: course, error } = useJson<Course>('course.json')
  const route = useRoute()
  const main = useRef<HTMLElement>(null)
  const first = useRef(true)
  const version = course && find(course, route.view)
  const name = version ? `${version.id} ${version.title}` : viewOf(route)?.name
  useEffect(() => {
    document.title = name && route.view ? `${name} · 从零写一个学填词的 GPT` : '从零写一个学填词的 GPT'
    if (first.current) first.current = !course
    else { // 换了一页：从头看起，读屏软件也从头念起
      scrollTo(0, 0)
      main.current?.focus({ preventScroll: true })
    }
  }, [route.visit, name])
  return (
    <>
      <a class="skip" href="#main" onClick={event => { event.preventDefault(); main.current?.focus() }}>跳到正文</a>
      <header class="bar">
        <nav aria-label="各页">
          {Object.entries(VIEWS).map(([view, { name }]) => (
            <a key={view} href={link(view)} aria-current={route.view === view || (version && view === '') ? 'page' : undefined}>{name}</a>
          ))}
        </nav>
        <ThemeToggle />
      </header>
      <main id="main" class="page" ref={main} tabIndex={-1}>
        {error && <p class="fault" role="alert">{error}</p>}
        {!course && !error && <><Opening /><p role="status">在取数据……</p></>}
        {course && (
          <Guard key={route.visit}>
            <Suspense fallback={<p role="status">在取这一页……</p>}>
              {version ? <VersionView course={course} route={route} version={version} /> : <Page course={course} route={route} />}
            </Suspense>
          </Guard>
        )}
      </main>
      <footer class="page">
        <p>模型都在你的浏览器里算，这一页不向别处要任何东西，也不记你做了什么。代码以 MIT 许可发布；语料是宋词，属公有领域。</p>
      </footer>
    </>
  )
}

function Page({ course, route }: { course: Course; route: Route }) {
  const view = viewOf(route)
  if (!view) return <><h1>没有这一页</h1><p>没有叫“{route.view}”的版本或页面。<a href={link('')}>回到路上</a></p></>
  return <view.View course={course} route={route} />
}

/** 一页出了错，只坏这一页。 */
function Guard({ children }: { children: preact.ComponentChildren }) {
  const [error] = useErrorBoundary()
  if (error) return <p class="fault" role="alert">这一页出了错，刷新再试；别的页不受影响。（{String(error.message ?? error)}）</p>
  return <>{children}</>
}
