/** 地址栏里 # 之后的部分：#/ask/v=版本&text=春江。 */
import { useEffect, useRef, useState } from 'preact/hooks'

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

/** 一个页面的设置：先从地址读，改了再写回地址（不留历史），别人打开这个地址，看到的一样。 */
export function useSettings<T extends Settings>(route: Route, defaults: T): [T, (patch: Partial<T>) => void] {
  const [settings, setSettings] = useState(() => read(route.params, defaults))
  const first = useRef(true)
  useEffect(() => {
    if (first.current) {
      first.current = false
      return
    }
    // 有的浏览器半分钟只许改一百次地址，别一个字一改
    const timer = setTimeout(() => {
      if (parse(location.hash).view === route.view) history.replaceState(null, '', link(route.view, settings))
    }, 250)
    return () => clearTimeout(timer)
  }, [settings])
  return [settings, patch => setSettings(now => ({ ...now, ...patch }))]
}

function read<T extends Settings>(params: URLSearchParams, defaults: T): T {
  const found: Settings = { ...defaults }
  for (const [name, value] of Object.entries(defaults)) {
    const given = params.get(name)
    if (given === null) continue
    if (typeof value === 'string') found[name] = given
    else if (given !== '' && Number.isFinite(Number(given))) found[name] = Number(given)
  }
  return found as T
}
