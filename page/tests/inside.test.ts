/** 模型里面：各层猜什么，关一个头会怎样，学的过程。 */
import { expect, test } from 'vitest'
import { open, plain } from './browser'
import { course, models } from './course'

const lensed = models.filter(version => version.model!.lens).map(version => version.id)

test.each([lensed[0]!, course.first, lensed.at(-1)!])('%s：各层之后都猜，最后一层就是它的答案', async id => {
  const page = await open(`#/see/v=${id}&text=春江花月`)
  await page.locator('.guess tr').first().waitFor()
  const rows = await page.locator('.guess tr').allTextContents()
  expect(rows).toHaveLength(models.find(version => version.id === id)!.model!.layers + 1)
  const ask = await open(`#/ask/v=${id}&text=春江花月`)
  await ask.locator('.bars li').first().waitFor()
  const top = await ask.locator('.bars li').evaluateAll(items => items.slice(0, 5).map(item => (item as HTMLElement).dataset.char))
  expect((await page.locator('.guess tr').last().locator('b').allTextContents()).map(plain)).toEqual(top)
})

test('关掉一个头：猜的、loss 当场就变；打开，就变回来', async () => {
  const page = await open('#/see/v=v11&text=春江花月夜，往事知多少&layer=0&head=0')
  await page.locator('.guess tr').first().waitFor()
  const whole = await page.locator('.guess').textContent()
  await page.getByRole('button', { name: /^关掉第 1 层的头 1/ }).click()
  await expect.poll(() => page.locator('.cost').textContent()).toContain('头都开着时')
  expect(await page.locator('.layer .closed').count()).toBe(1)
  const [now, before] = /loss：([\d.]+)，头都开着时 ([\d.]+)/.exec((await page.locator('.cost').textContent())!)!.slice(1)
  expect(now).not.toBe(before)
  await page.getByRole('button', { name: /^打开第 1 层的头 1/ }).click()
  await expect.poll(() => page.locator('.guess').textContent()).toBe(whole)
})

test('量出来的说明：只说大半落在一处的', () => {
  const told = models.flatMap(({ model }) => model!.captions.flat().filter(one => one !== null))
  expect(told.length).toBeGreaterThan(5)
  expect(told.every(one => one.mass >= 0.5)).toBe(true)
})

test.each(course.films)('%s：看它学，从第 0 步到最后', async id => {
  const page = await open(`#/${id}`)
  const film = page.locator('.film')
  await film.waitFor()
  const read = async () => [await film.locator('label').textContent(), await film.locator('.paper').textContent()]
  const [start, noise] = await read()
  expect(start).toContain('第 0 步')
  await film.locator('input').fill(await film.locator('input').getAttribute('max') as string)
  const [end, text] = await read()
  expect(end).not.toBe(start)
  expect(text).not.toBe(noise)
})
