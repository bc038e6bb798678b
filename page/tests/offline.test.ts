import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { afterEach, expect, test } from 'vitest'
import { writeServiceWorker } from '../offline/files.ts'
import { allow, bars, blank } from './browser'
import { published, serve } from './serve'

const ASK = '#/ask/v=v11&text=春江'
const VERSION = '#/v5'

let over: (() => unknown)[] = []
afterEach(async () => {
  for (const one of over.reverse()) await one()
  over = []
})

/** 一个自己的网站：publish 换上改过的，asked 是服务器真的给出去的。 */
async function website() {
  const asked: string[] = []
  const publish = (change?: (folder: string) => void) => {
    const { files, remove } = published(change)
    over.push(remove)
    return files
  }
  let site = publish()
  const { base, close } = await serve(() => site, path => void asked.push(path))
  over.push(close)
  const page = await blank({ serviceWorkers: 'allow' }, base)
  return { base, asked, page, publish: (change: (folder: string) => void) => void (site = publish(change)) }
}

async function visit(page: Page, address: string, ready: string) {
  await page.goto('about:blank')
  await page.goto(address)
  await page.locator(ready).first().waitFor()
}

/** 缓存里有的路径。 */
const kept = (page: Page) => page.evaluate(async () => {
  const names = await caches.keys()
  const requests = await Promise.all(names.map(async name => (await caches.open(name)).keys()))
  return requests.flat().map(({ url }) => new URL(url).pathname.split('/').at(-1)!)
})

const settled = (page: Page, pattern: RegExp) => expect.poll(async () => (await kept(page)).some(name => pattern.test(name))).toBe(true)

async function firstVisit(page: Page, base: string) {
  await visit(page, base, '.road .stop')
  await visit(page, base + VERSION, '.code span[style]')
  await visit(page, base + ASK, '.bars li')
  for (const file of [/^v11\.onnx$/, /^reduced-.*wasm$/, /^worker-.*js$/, /^v5\.json$/, /^course\.json$/]) await settled(page, file)
}

test('再来不用网络：路、看过的一版、问过的模型；没用过的模型没有下', async () => {
  const { base, asked, page } = await website()
  await firstVisit(page, base)
  const answered = await bars(page)
  expect((await kept(page)).filter(name => /onnx|^ort/.test(name))).toEqual(['v11.onnx'])

  asked.length = 0
  await visit(page, base + ASK, '.bars li')
  expect(asked.filter(path => path !== '/sw.js')).toEqual([])

  await page.context().setOffline(true)
  await visit(page, base, '.road .stop')
  await visit(page, base + VERSION, '.code span[style]')
  await visit(page, base + ASK, '.bars li')
  expect(await bars(page)).toEqual(answered)
})

test('发布了新的：开着的还是旧的一套，刷新就全是新的；没变的模型不再下载', async () => {
  const { base, asked, page, publish } = await website()
  await firstVisit(page, base)
  await visit(page, base + VERSION, '.code span[style]')
  publish(folder => {
    for (const name of ['index.html', 'course.json', 'versions/v5.json', 'versions/v9.json']) {
      const path = join(folder, name)
      writeFileSync(path, name === 'index.html' ? readFileSync(path, 'utf8').replace('<body>', '<body class="new">') : readFileSync(path, 'utf8') + '\n')
    }
    writeServiceWorker(folder)
  })
  allow(/ERR_FAILED/) // v9.json
  const state = (path: string) => page.evaluate(path => fetch(path).then(
    async one => (await one.text()).endsWith('\n\n') ? '新的' : '旧的', () => '没取到'), path)
  await page.evaluate(() => navigator.serviceWorker.getRegistration().then(one => one!.update()))
  await expect.poll(() => page.evaluate(() => navigator.serviceWorker.getRegistration().then(one => !!one!.waiting))).toBe(true)
  expect(await state('versions/v5.json')).toBe('旧的')
  expect(await state('versions/v9.json')).toBe('没取到') // 旧的没看过，新的不许混进来

  asked.length = 0
  await page.reload({ waitUntil: 'commit' })
  await page.locator('body.new .code span[style]').first().waitFor()
  await expect.poll(() => page.evaluate(() => caches.keys().then(names => names.length))).toBe(1)
  expect(await state('versions/v5.json')).toBe('新的')
  await visit(page, base + ASK, '.bars li')
  expect(asked.filter(path => /onnx|wasm/.test(path))).toEqual([])
})
