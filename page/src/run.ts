/** 一页里要算的事：新的一来，旧的就停；出了错留一句话，能再来一次。 */
import { useEffect, useRef, useState } from 'preact/hooks'

export type Work = (signal: AbortSignal) => Promise<void>

export interface Run {
  running: boolean
  /** 出的错；没有就是空的 */
  fault: string
  run: (work: Work) => Promise<void>
  stop: () => void
  /** 把出错的那件再做一遍 */
  again: () => void
}

export function useRun(): Run {
  const [running, setRunning] = useState(false)
  const [fault, setFault] = useState('')
  const current = useRef<AbortController>(undefined)
  const failed = useRef<Work>(undefined)

  const stop = () => {
    current.current?.abort()
    failed.current = undefined
    setFault('')
    setRunning(false)
  }
  const run = async (work: Work) => {
    stop()
    const { signal } = (current.current = new AbortController())
    setRunning(true)
    try {
      await work(signal)
    } catch (error) {
      if (!signal.aborted) {
        failed.current = work
        setFault((error as Error).message)
      }
    }
    if (!signal.aborted) setRunning(false)
  }
  const again = () => void (failed.current && run(failed.current))

  useEffect(() => {
    addEventListener('online', again) // 网络回来了，自己接着来
    return () => {
      removeEventListener('online', again)
      current.current?.abort()
    }
  }, [])
  return { running, fault, run, stop, again }
}

/** 一个字一个字地写：写着的时候再点，就多写几个。start 每写一个字 yield 一次。 */
export function useQueue(work: Run) {
  const left = useRef(0) // 还要写几个字
  return {
    busy: () => left.current > 0,
    /** 正一直写着 */
    many: work.running && left.current > 1,
    add(count: number, start: (signal: AbortSignal) => AsyncGenerator) {
      left.current += count
      if (left.current > count) return
      void work.run(async signal => {
        left.current ||= count // 又来一次
        try {
          for await (const _ of start(signal)) if (--left.current <= 0) break
        } finally {
          if (!signal.aborted) left.current = 0
        }
      })
    },
    stop() {
      if (!left.current && !work.fault) return // 没在写，别打断别的
      left.current = 0
      work.stop()
    },
  }
}
