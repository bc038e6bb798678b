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
    setRunning(false)
  }
  const run = async (work: Work) => {
    stop()
    const { signal } = (current.current = new AbortController())
    failed.current = undefined
    setFault('')
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
