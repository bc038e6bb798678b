/** 这个标签页里记着的东西：换页、刷新、返回都还在。存不下就只管这一次。 */
import { useLayoutEffect, useState } from 'preact/hooks'

export function recall<T>(key: string): T | undefined {
  try {
    return JSON.parse(sessionStorage.getItem(key) ?? 'null') ?? undefined
  } catch {
    return undefined
  }
}

export function remember(key: string, value: unknown) {
  try {
    sessionStorage.setItem(key, JSON.stringify(value))
  } catch {} // 不让存
}

/** 和 useState 一样，只是记得住。 */
export function useStored<T>(key: string, initial: T) {
  const [value, setValue] = useState<T>(() => recall<T>(key) ?? initial)
  useLayoutEffect(() => remember(key, value), [value])
  return [value, setValue] as const
}
