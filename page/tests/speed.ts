/** 快不快：几次的中位数，写成 docs/page.md。npm run speed；机器闲着的时候跑，不在测试里。 */
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { base, blank } from './browser'

const TIMES = 5
const LIGHTHOUSE = 'lighthouse@13.5.0'
const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium'

const median = (values: number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!

/** 打开一页，到 ready 出现，几毫秒；一路下载了几字节。每次都是没有缓存的新窗口。 */
async function load(hash: string, ready: string) {
  const page = await blank()
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

/** 一个字几毫秒：给一段文字打分，一个字一个字地算，中间不歇；只数窗口满了之后的。 */
async function perCharacter(id: string, window: number) {
  const { page } = await load(`#/ask/v=${id}&text=春江`, '.bars li')
  await page.getByLabel('文字').fill('春江花月夜往事知多少'.repeat(Math.ceil(window / 10) + 8))
  const reached = (count: number) => page.waitForFunction(n => document.querySelectorAll('.scoring .strip button').length >= n, count, { polling: 5 })
  await page.getByRole('button', { name: '打分', exact: true }).click()
  await reached(window)
  const from = await page.evaluate(() => [performance.now(), document.querySelectorAll('.scoring .strip button').length] as const)
  await reached(window + 60)
  const to = await page.evaluate(() => [performance.now(), document.querySelectorAll('.scoring .strip button').length] as const)
  return (to[0] - from[0]) / (to[1] - from[1])
}

function lighthouse(...options: string[]): Record<string, number> {
  const output = join(tmpdir(), 'lighthouse.json')
  execFileSync('npx', [
    '--yes', LIGHTHOUSE, base, '--quiet', '--output=json', `--output-path=${output}`, '--only-categories=performance,accessibility',
    '--chrome-flags=--headless --no-sandbox --disable-gpu', ...options,
  ], { env: { ...process.env, CHROME_PATH: CHROMIUM }, stdio: 'inherit' })
  const { categories } = JSON.parse(readFileSync(output, 'utf8'))
  return Object.fromEntries(Object.entries<{ score: number }>(categories).map(([name, { score }]) => [name, Math.round(100 * score)]))
}

test('量一遍', async () => {
  const road = await timed('', '.road li')
  const first = await timed('#/ask/v=v1&text=春江', '.bars li')
  const eleventh = await timed('#/ask/v=v11&text=春江', '.bars li')
  const character = await perCharacter('v11', 64)
  const [phone, desktop] = [lighthouse(), lighthouse('--preset=desktop')]
  const version = execFileSync(CHROMIUM, ['--version'], { encoding: 'utf8' }).trim().replace(/ built on.*/, '')
  writeFileSync(new URL('../../docs/page.md', import.meta.url), `# 网页快不快

由 \`cd page && npm run speed\` 量：${availableParallelism()} 核 CPU，${version}，从本机取；每次都是没有缓存的新窗口，${TIMES} 次的中位数。

| 量什么 | 量到的 | 要求 |
| --- | ---: | ---: |
| 打开“路”，到看得见各版 | ${road.elapsed.toFixed(0)} 毫秒 | ≤ 1,000 |
| 没选模型之前下载的 | ${(road.bytes / 1e6).toFixed(2)} MB | ≤ 3 |
| 打开 v1 的“问它”，到看得见下一个字 | ${first.elapsed.toFixed(0)} 毫秒 | ≤ 3,000 |
| 打开 v11 的“问它” | ${eleventh.elapsed.toFixed(0)} 毫秒 | ≤ 3,000 |
| v11 算一个字（窗口满的时候） | ${character.toFixed(1)} 毫秒 | ≤ 30 |
| ${LIGHTHOUSE.replace('@', ' ')}，手机：快慢 | ${phone.performance} | ≥ 90 |
| 手机：无障碍 | ${phone.accessibility} | ≥ 95 |
| 电脑：快慢 | ${desktop.performance} | ≥ 90 |
| 电脑：无障碍 | ${desktop.accessibility} | ≥ 95 |
`)
  expect(road.elapsed).toBeLessThan(1000)
}, 600_000)
