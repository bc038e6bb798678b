import { expect, test } from 'vitest'
import { open, paper } from './browser'

// README 里的那张图：npm run picture 写到 docs/page.png
test('问 v24 下一个字是什么', async () => {
  const page = await open(`#/ask/v=v24&text=${encodeURIComponent('浣溪沙 苏轼\n春江')}`)
  await page.setViewportSize({ width: 1000, height: 640 })
  await page.locator('.bars li').first().waitFor()
  await page.getByRole('button', { name: '擦掉' }).click() // 事先写好的，先擦掉
  await expect.poll(() => paper(page)).toBe('浣溪沙 苏轼\n春江')
  const before = (await paper(page)).length
  for (let k = 1; k <= 4; k += 1) {
    await page.getByRole('button', { name: '写一个字' }).click()
    await expect.poll(async () => (await paper(page)).length).toBe(before + k)
  }
  await page.locator('.bars .chosen').waitFor()
  await page.screenshot({ path: '../docs/page.png' })
})

// 发到别处时的卡片：页面一打开的样子
test('卡片', async () => {
  const page = await open('', { viewport: { width: 800, height: 420 }, deviceScaleFactor: 1.5 })
  await page.locator('.growth .written').waitFor()
  await page.screenshot({ path: 'public/card.png' })
})
