/** 快不快：几次的中位数，写成 docs/page.json（render.py 写进 docs/page.md）。npm run speed；机器闲着的时候跑，不在测试里。 */
import { execSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { expect, test } from 'vitest'
import { base, blank } from './browser'
import { course } from './course'

const TIMES = 5
const LIGHTHOUSE = '13.5.0'
const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium'

const median = (values: number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!

/** 打开一页，到 ready 出现，几毫秒；一路下载了几字节（压缩之后的）。每次都是没有缓存的新窗口。 */
async function load(hash: string, ready: string, prepare?: (page: Page) => Promise<void>) {
  const page = await blank()
  await prepare?.(page)
  const sizes: Promise<number>[] = []
  page.on('requestfinished', request => void sizes.push(request.sizes().then(size => size.responseBodySize)))
  const started = performance.now()
  await page.goto(base + hash, { waitUntil: 'commit' })
  await page.locator(ready).first().waitFor()
  const elapsed = performance.now() - started
  await page.waitForLoadState('networkidle')
  return { page, elapsed, bytes: (await Promise.all(sizes)).reduce((total, size) => total + size, 0) }
}

async function timed(hash: string, ready: string) {
  const found = []
  for (let k = 0; k < TIMES; k++) {
    const { page, elapsed, bytes } = await load(hash, ready)
    found.push({ elapsed, bytes })
    await page.context().close()
  }
  return { elapsed: median(found.map(one => one.elapsed)), bytes: median(found.map(one => one.bytes)) }
}

/** 慢的 3G（400 kbit/s，来回 400 毫秒），四分之一快的 CPU。 */
async function slow(page: Page) {
  page.setDefaultTimeout(300_000)
  const session = await page.context().newCDPSession(page)
  await session.send('Network.enable')
  const speed = 400_000 / 8
  await session.send('Network.emulateNetworkConditions', { offline: false, latency: 400, downloadThroughput: speed, uploadThroughput: speed })
  await session.send('Emulation.setCPUThrottlingRate', { rate: 4 })
}

/** 点一下“写一首”，到写完，几毫秒：头一首连下载、打开；再写一首，一个字（连想的）几毫秒。 */
async function poem() {
  const { page } = await load('', '.writer button')
  const finished = async () => {
    await page.locator('.writer .mark').first().waitFor()
    await page.locator('.writer').getByRole('button', { name: '停' }).waitFor({ state: 'detached' })
  }
  const timed = async (name: string) => {
    const started = performance.now()
    await page.getByRole('button', { name, exact: true }).click()
    await finished()
    return performance.now() - started
  }
  const first = await timed('写一首')
  const again = await timed('再写一首')
  return { first, character: again / (await page.locator('.writer .verses').textContent())!.length }
}

/** 给 257 个字打分，几毫秒。 */
async function scoring(id: string) {
  const { page } = await load(`#/ask/v=${id}&text=春江`, '.bars li')
  await page.getByLabel('文字').fill('春江花月夜往事知多少'.repeat(26).slice(0, 257))
  const started = performance.now()
  await page.getByRole('button', { name: '打分', exact: true }).click()
  await page.locator('.scoring .strip [role=button]').nth(256).waitFor()
  return performance.now() - started
}

/** 量三次，各取中位数：机器上别的事会搅它。 */
function lighthouse(...options: string[]): Record<string, number> {
  const runs = [1, 2, 3].map(() => audited(...options))
  return Object.fromEntries(Object.keys(runs[0]!).map(name => [name, median(runs.map(run => run[name]!))]))
}

function audited(...options: string[]): Record<string, number> {
  const output = join(tmpdir(), 'lighthouse.json')
  execSync([ // Windows 上的 npx 要经过命令行
    `npx --yes lighthouse@${LIGHTHOUSE} ${base} --quiet --output=json "--output-path=${output}"`,
    '--only-categories=performance,accessibility,best-practices,seo "--chrome-flags=--headless --no-sandbox --disable-gpu"', ...options,
  ].join(' '), { env: { ...process.env, CHROME_PATH: CHROMIUM }, stdio: 'inherit' })
  const { categories } = JSON.parse(readFileSync(output, 'utf8'))
  return Object.fromEntries(Object.entries<{ score: number }>(categories).map(([name, { score }]) => [name, Math.round(100 * score)]))
}

test('量一遍', async () => {
  const [phone, desktop] = [lighthouse(), lighthouse('--preset=desktop')] // 先量它：开着的页面会拖慢它
  const road = await timed('', '.road li')
  const first = await timed('#/ask/v=v1&text=春江', '.bars li')
  const eleventh = await timed('#/ask/v=v11&text=春江', '.bars li')
  const slowly = await load(`#/ask/v=${course.first}&text=春江`, '.bars li', slow) // 一次就要一分多钟
  const poems = []
  for (let k = 0; k < TIMES; k++) poems.push(await poem())
  const scored = await scoring('v11')
  const record = {
    date: new Date().toLocaleDateString('sv'), // 2026-01-31
    machine: { cores: availableParallelism(), chromium: (await blank()).context().browser()!.version(), lighthouse: LIGHTHOUSE },
    times: TIMES,
    values: {
      road_ms: road.elapsed, bytes: road.bytes, v1_ms: first.elapsed, v11_ms: eleventh.elapsed,
      poem_ms: median(poems.map(one => one.first)), character_ms: median(poems.map(one => one.character)), score_ms: scored,
      slow_ms: slowly.elapsed, slow_bytes: slowly.bytes, phone, desktop,
    },
  }
  writeFileSync(new URL('../../docs/page.json', import.meta.url), JSON.stringify(record, null, 1) + '\n')
  expect(road.elapsed).toBeLessThan(1000)
}, 1_200_000)
