/** 地址栏里 # 之后的部分：#/ask/v=版本&text=春江。 */
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks'
import { recall, remember } from './store'

export interface Route {
  view: string
  params: URLSearchParams
  /** 第几次走到：同一个地址再走一次，也从头来 */
  visit: number
}

export function parse(hash: string, visit = 0): Route {
  const [, view = '', rest = ''] = /^#\/?([^/]*)\/?(.*)$/s.exec(hash) ?? []
  return { view, params: new URLSearchParams(rest), visit }
}

export type Settings = Record<string, string | number>

export function link(view: string, settings: Settings = {}): string {
  const text = Object.entries(settings).map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join('&')
  return `#/${view}${text && '/' + text}`
}

export function useRoute(): Route {
  const [route, setRoute] = useState(() => parse(location.hash))
  useEffect(() => {
    const follow = () => setRoute(({ visit }) => parse(location.hash, visit + 1))
    addEventListener('hashchange', follow)
    return () => removeEventListener('hashchange', follow)
  }, [])
  return route
}

/** 返回时，回到离开时的地方。内容晚一步才到，就等它够长了再滚；读者自己动了，就不管了。 */
export function useScroll(route: Route) {
  useEffect(() => {
    history.scrollRestoration = 'manual'
    let timer: ReturnType<typeof setTimeout>
    const keep = () => {
      clearTimeout(timer)
      const here = location.href
      timer = setTimeout(() => here === location.href && write(), 100)
    }
    const write = () => history.replaceState({ y: scrollY }, '')
    addEventListener('scroll', keep)
    addEventListener('click', write, true) // 要走了
    return () => {
      removeEventListener('scroll', keep)
      removeEventListener('click', write, true)
    }
  }, [])
  useEffect(() => {
    const y = (history.state as { y?: number } | null)?.y ?? 0
    if (y || route.visit) scrollTo(0, y) // 刚打开，本来就在头上，别叫浏览器多排一遍
    if (!y) return
    const watcher = new ResizeObserver(() => {
      scrollTo(0, y)
      if (scrollY >= y - 1) done()
    })
    const done = () => {
      watcher.disconnect()
      for (const name of ['wheel', 'touchmove', 'keydown', 'pointerdown']) removeEventListener(name, done)
    }
    watcher.observe(document.body)
    for (const name of ['wheel', 'touchmove', 'keydown', 'pointerdown']) addEventListener(name, done)
    return done
  }, [route.visit])
}

/** 一个页面的设置：先从地址读，地址里没有，就用这一页上回的；改了就记下、写回地址（不留历史），别人打开这个地址，看到的一样。 */
export function useSettings<T extends Settings>(route: Route, defaults: T): [T, (patch: Partial<T>) => void] {
  const key = `settings ${route.view}`
  const [settings, setSettings] = useState(() => read(route.params, defaults, recall<Partial<T>>(key)))
  const first = useRef(true)
  useLayoutEffect(() => {
    if (first.current) {
      first.current = false
      if (!recall(key)) return
    }
    remember(key, settings)
    const write = () => {
      if (parse(location.hash).view === route.view) history.replaceState(history.state, '', link(route.view, settings))
    }
    const timer = setTimeout(write, 250) // 有的浏览器半分钟只许改一百次地址，别一个字一改
    addEventListener('click', write, true) // 要走了
    return () => {
      clearTimeout(timer)
      removeEventListener('click', write, true)
    }
  }, [settings])
  return [settings, patch => setSettings(now => ({ ...now, ...patch }))]
}

function read<T extends Settings>(params: URLSearchParams, defaults: T, last: Partial<T> = {}): T {
  const found: Settings = params.size ? { ...defaults } : { ...defaults, ...last }
  for (const [name, value] of Object.entries(defaults)) {
    const given = params.get(name)
    if (given === null) continue
    if (typeof value === 'string') found[name] = given
    else if (given !== '' && Number.isFinite(Number(given))) found[name] = Number(given)
  }
  return found as T
}
