/** 一打开的那一屏，和从它写出来的一首。 */
import type { Page } from 'playwright-core'
import { describe, expect, test } from 'vitest'
import { base, blank, open, paper } from './browser'
import { first, models } from './course'

const marks = (page: Page) => page.locator('.writer .mark').count()

async function compose(page: Page) {
  await page.locator('.writer').getByRole('button', { name: /^(再)?写一首$/ }).click()
  await expect.poll(() => page.locator('.writer').getByRole('button', { name: '停' }).count()).toBe(0)
  await expect.poll(() => marks(page)).toBeGreaterThan(5)
}

describe('一打开', () => {
  test('脚本还没跑，先画好的，和跑了之后一样', async () => {
    const seen = async (page: Page) => [await page.locator('.bar nav a').allTextContents(), await page.locator('.growth .paper').textContent()]
    const page = await blank()
    await page.route('**/*.js', route => route.fulfill({ contentType: 'text/javascript', body: '' }))
    await page.goto(base)
    const before = await seen(page)
    expect(before.flat()).toHaveLength(7)
    const after = await open('')
    await after.getByLabel('走到哪一版').waitFor()
    expect(await seen(after)).toEqual(before)
  })

  test('五版接着写的，拉一拉就换；没有下载模型，一共不到 0.2 MB', async () => {
    const page = await blank()
    const heavy: string[] = []
    const sizes: Promise<number>[] = []
    page.on('request', request => /\.(onnx|wasm)$/.test(request.url()) && heavy.push(request.url()))
    page.on('requestfinished', request => void sizes.push(request.sizes().then(size => size.responseBodySize)))
    await page.goto(base)
    await page.locator('.growth .written').waitFor()
    const seen = new Set<string>()
    for (let k = 0; k < first.texts.length; k++) {
      await page.getByLabel('走到哪一版').fill(String(k))
      seen.add((await page.locator('.growth .paper').textContent())!)
    }
    expect(seen.size).toBe(5)
    expect([...seen].every(text => text.startsWith(first.opening))).toBe(true)
    await page.waitForLoadState('networkidle')
    expect(heavy).toEqual([])
    expect((await Promise.all(sizes)).reduce((total, size) => total + size, 0)).toBeLessThan(200_000)
  })

  test.each(first.texts.filter(({ id }) => models.some(model => model.id === id)).map(({ id }) => id))('%s 事先写好的，和它在这里写的一字不差', async id => {
    const { text } = first.texts.find(one => one.id === id)!
    const page = await open(`#/ask/v=${id}`)
    await expect.poll(() => paper(page)).toBe(first.opening + text)
    await page.getByRole('button', { name: '擦掉' }).click()
    await page.getByRole('button', { name: '一直写' }).click()
    await expect.poll(async () => (await paper(page)).length).toBeGreaterThanOrEqual(first.opening.length + text.length)
    expect((await paper(page)).slice(0, first.opening.length + text.length)).toBe(first.opening + text)
  })

  test('写一首：照要求，每行标了对错，想的能藏起来；链接打开，还是这一首', async () => {
    const page = await open('')
    await page.getByLabel('词牌').selectOption('浣溪沙')
    await page.getByLabel('押谁的韵').fill('江')
    await page.getByLabel('藏头').fill('春江花')
    await compose(page)
    const body = async (one: Page) => (await one.locator('.writer .verses').textContent())!
    expect(await page.locator('.writer .summary').textContent()).toContain('藏头')
    expect(await body(page)).toMatch(/[①-⑲]/)
    const written = await body(page)
    await page.getByLabel('看它想的').uncheck()
    expect(await body(page)).not.toMatch(/[①-⑲]/)
    await expect.poll(() => page.url()).toContain('seed=42')

    const again = await open(new URL(page.url()).hash)
    await expect.poll(() => body(again).catch(() => '')).toBe(written)
  })

  test('停在半路，刷新了，接着写：和一口气写完的一样', async () => {
    const page = await open('')
    await compose(page)
    const verses = page.locator('.writer .verses')
    const whole = await verses.textContent()
    const other = await open('')
    await other.locator('.writer').getByRole('button', { name: '写一首' }).click()
    await expect.poll(() => marks(other)).toBeGreaterThan(3)
    await other.locator('.writer').getByRole('button', { name: '停' }).click()
    await other.reload()
    await other.locator('.writer').getByRole('button', { name: '接着写' }).click()
    await other.locator('.writer').getByRole('button', { name: '再写一首' }).waitFor()
    expect(await other.locator('.writer .verses').textContent()).toBe(whole)
  })

  test('押不上的韵、藏不下的字：写之前说一声', async () => {
    const page = await open('')
    await page.getByLabel('词牌').selectOption('浣溪沙')
    await page.getByLabel('押谁的韵').fill('月')
    await page.getByLabel('藏头').fill('春江花月夜春江花月夜')
    await expect.poll(() => page.locator('.writer .notice').allTextContents()).toEqual([expect.stringContaining('平声'), expect.stringContaining('行')])
    await page.getByLabel('押谁的韵').fill('天')
    await page.getByLabel('藏头').fill('春江')
    await expect.poll(() => page.locator('.writer .notice').count()).toBe(0)
  })

  test('存成图：一张 PNG', async () => {
    const page = await open('')
    await compose(page)
    const download = page.waitForEvent('download')
    await page.getByRole('button', { name: '存成图' }).click()
    expect((await download).suggestedFilename()).toMatch(/\.png$/)
  })

  test('不知道的韵、没学过的字：一句话，照样写', async () => {
    const page = await open('')
    await page.getByLabel('押谁的韵').fill('A')
    await page.getByLabel('藏头').fill('春😀')
    expect(await page.locator('.writer .notice').allTextContents()).toEqual([expect.stringContaining('😀'), expect.stringContaining('A')])
    await compose(page)
  })
})

test('没有一页一打开就要下载：先都看得见点什么', async () => {
  const page = await blank({ viewport: { width: 360, height: 740 } })
  const heavy: string[] = []
  page.on('request', request => /\.(onnx|wasm)$/.test(request.url()) && heavy.push(request.url()))
  for (const [hash, shown] of [['', '.growth .written'], ['#/ask', '.ask .strip .written'], ['#/see', 'main li'], ['#/pair', '.pair .written'], ['#/near', '.near li'], ['#/form', '.card .mark']] as const) {
    await page.goto(base + hash)
    await page.reload() // 只换了 # 之后的，不算重新打开
    await page.locator(shown).first().waitFor()
    const action = await page.locator('main').locator('button, select, input, textarea').first().boundingBox()
    expect(action!.y + action!.height, hash).toBeLessThan(740) // 一打开，就有可以动手的
  }
  expect(heavy).toEqual([])
})
