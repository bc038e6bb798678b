import { render } from 'preact'
import { App } from './app'
import { fetchJson } from './course'
import { startOffline } from './offline'
import './style.css'

startOffline()
// 数据到了才换上来：在那之前，index.html 里已经有一首可看
await Promise.allSettled([fetchJson('course.json'), fetchJson('first.json')])
const root = document.getElementById('app')!
root.replaceChildren()
render(<App />, root)
