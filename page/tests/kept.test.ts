/** 写的字不丢，点的不落空，走了还找得回来。 */
import type { CDPSession, Page } from 'playwright-core'
import { describe, expect, test } from 'vitest'
import { allow, bars, base, blank, open, paper } from './browser'
import { course, models, neighbours } from './course'

const ask = (id: string, text: string) => `#/ask/v=${id}&text=${encodeURIComponent(text)}`
const named = (page: Page, name: string) => page.getByRole('button', { name, exact: true })

/** 用输入法敲，还没选定；commit 选定。 */
async function composing(page: Page): Promise<{ type: (text: string) => Promise<unknown>; commit: (text: string) => Promise<unknown> }> {
  const session: CDPSession = await page.context().newCDPSession(page)
  return {
    type: text => session.send('Input.imeSetComposition', { text, selectionStart: text.length, selectionEnd: text.length }),
    commit: text => session.send('Input.insertText', { text }),
  }
}

describe('写的字', () => {
  test('换一页、换一版、刷新、返回，都还在', async () => {
    const page = await open(ask('v3', '明月'))
    await named(page, '写一个字').click()
    await expect.poll(() => paper(page)).toHaveLength(3)
    await named(page, '写一个字').click()
    await expect.poll(() => paper(page)).toHaveLength(4)
    const written = await paper(page)

    await page.getByLabel('问哪一版').selectOption('v4')
    await page.locator('.bars li').first().waitFor()
    expect(await paper(page)).toBe(written)
    await page.getByRole('link', { name: '近邻' }).click()
    await page.locator('.near li').first().waitFor()
    await page.getByRole('link', { name: '问它', exact: true }).click()
    await expect.poll(() => paper(page)).toBe(written)
    expect(await page.getByLabel('问哪一版').inputValue()).toBe('v4')
    await page.reload()
    await expect.poll(() => paper(page)).toBe(written)
    await page.getByRole('link', { name: '路' }).click()
    await page.locator('.road li').first().waitFor()
    await page.goBack()
    await expect.poll(() => paper(page)).toBe(written)
  })

  test('画好了、还没去取，别处先取到了：照样看得见', async () => {
    const page = await blank()
    let release = () => {}
    const held = new Promise<void>(resolve => { release = resolve })
    await page.addInitScript(() => { // 画好之后，过一会儿才去取
      const later = window.setTimeout.bind(window)
      window.requestAnimationFrame = () => 0
      window.setTimeout = ((work: () => void, wait = 0) => later(work, wait > 30 && wait <= 100 ? 1500 : wait)) as typeof window.setTimeout
    })
    await page.route('**/versions/v5.json', async route => {
      await held
      await route.continue()
    })
    const asked = page.waitForRequest('**/versions/v5.json')
    await page.goto(`${base}#/v4`)
    await asked
    await page.evaluate(() => void (location.hash = '#/v5'))
    await page.locator('h1', { hasText: 'v5' }).waitFor()
    release()
    await page.locator('table.code').waitFor()
  })

  test('写好的一首、贴来打分的，换一页、刷新也在', async () => {
    const page = await open('')
    await named(page, '写一首').click()
    await expect.poll(() => page.locator('.writer').getByRole('button', { name: '停' }).count()).toBe(1)
    await expect.poll(() => page.locator('.writer').getByRole('button', { name: '停' }).count()).toBe(0)
    const poem = await page.locator('.writer .verses').textContent()
    await page.getByRole('link', { name: '问它', exact: true }).click()
    await page.getByLabel('文字').fill('春江花月夜')
    await page.getByRole('link', { name: '路' }).click()
    await page.locator('.writer .verses').waitFor()
    expect(await page.locator('.writer .verses').textContent()).toBe(poem)
    await page.getByRole('link', { name: '问它', exact: true }).click()
    expect(await page.getByLabel('文字').inputValue()).toBe('春江花月夜')
    await page.reload()
    await expect.poll(() => page.getByLabel('文字').inputValue()).toBe('春江花月夜')
  })

  test('改了要求、没再写，刷新了，写好的一首还在；绕一圈回来，链接还是全的', async () => {
    const page = await open('')
    await named(page, '写一首').click()
    await named(page, '再写一首').waitFor()
    const poem = await page.locator('.writer .verses').textContent()
    await page.getByLabel('词牌').selectOption({ index: 3 })
    await page.reload()
    await page.locator('.writer .verses').waitFor()
    await page.waitForTimeout(300)
    expect(await page.locator('.writer .verses').textContent()).toBe(poem)
    await page.getByLabel('藏头').fill('春江')
    await page.getByRole('link', { name: '近邻' }).click()
    await page.locator('.near li').first().waitFor()
    await page.getByRole('link', { name: '路', exact: true }).click()
    await expect.poll(() => decodeURIComponent(page.url())).toContain('heads=春江')
  })

  test('返回，回到离开时的地方', async () => {
    const page = await open('')
    await page.getByRole('link', { name: /^v13 / }).scrollIntoViewIfNeeded()
    await expect.poll(() => page.evaluate(() => (history.state as { y?: number } | null)?.y ?? 0)).toBeGreaterThan(200)
    const y = await page.evaluate(() => scrollY)
    await page.getByRole('link', { name: /^v13 / }).click()
    await page.locator('table.code').waitFor()
    expect(await page.evaluate(() => scrollY)).toBe(0)
    await page.goBack()
    await page.locator('.road li').first().waitFor()
    await expect.poll(() => page.evaluate(() => scrollY)).toBeCloseTo(y, -1)
  })

  test('五千个字里也能选中来抄：写的诗、格律里的', async () => {
    const select = (page: Page, selector: string) => page.evaluate(selector => {
      getSelection()!.selectAllChildren(document.querySelector(selector)!)
      return getSelection()!.toString()
    }, selector)
    const page = await open(ask('v3', '春江花月夜'))
    await page.locator('.ask .strip').waitFor()
    expect((await select(page, '.ask .strip')).replace(/\s/g, '')).toBe('春江花月夜')
    const form = await open('#/form')
    await form.locator('.card .mark').first().waitFor()
    expect(await select(form, '.verses')).toMatch(/^[\u4e00-\u9fff，、]+。/) // 字连着字，没有平仄的记号
  })
})

describe('输入法', () => {
  test('还没选定：问它的条不动，格子里的字也不丢', async () => {
    const page = await open(ask('v3', '春江'))
    await page.locator('.bars li').first().waitFor()
    const before = JSON.stringify(await bars(page))
    await page.getByLabel('开头').focus()
    await page.keyboard.press('Control+End')
    const ime = await composing(page)
    for (const text of ['h', 'hu', 'hua']) await ime.type(text)
    await page.waitForTimeout(400)
    expect(await page.getByLabel('开头').inputValue()).toBe('春江hua')
    expect(await paper(page)).toBe('春江')
    expect(await page.locator('.notice').count()).toBe(0)
    expect(JSON.stringify(await bars(page))).toBe(before)
    await ime.commit('花')
    await expect.poll(() => paper(page)).toBe('春江花')
    await expect.poll(async () => JSON.stringify(await bars(page))).not.toBe(before)
  })

  test.each([
    ['#/near', '哪个字', '.near li'], ['#/form', '藏头', '.card .mark'], ['', '押谁的韵', '.growth .written'], ['#/see', '文字', '.primary'],
    ['#/pair', '开头', '.pair .written'], ['#/ask', '文字', '.scoring'],
  ])('%s 的“%s”：还没选定，不判', async (hash, label, ready) => {
    const page = await open(hash)
    await page.locator(ready).first().waitFor()
    await page.getByLabel(label).focus()
    await page.getByLabel(label).fill('')
    const notices = await page.locator('.notice').count()
    const ime = await composing(page)
    await ime.type('zzz')
    await page.waitForTimeout(100)
    expect(await page.getByLabel(label).inputValue()).toBe('zzz')
    expect(await page.locator('.notice').count()).toBe(notices)
    await ime.commit('花')
    await expect.poll(() => page.getByLabel(label).inputValue()).toBe('花')
  })
})

describe('点了就算', () => {
  test('写着的时候接着点：一下一个字，焦点不走', async () => {
    const page = await open(ask('v11', '春江'))
    await page.locator('.bars li').first().waitFor()
    await named(page, '写一个字').focus()
    for (let k = 0; k < 5; k++) await page.keyboard.press('Enter')
    await expect.poll(() => paper(page)).toHaveLength(7)
    expect(await page.evaluate(() => document.activeElement!.textContent)).toBe('写一个字')
    await named(page, '擦掉').focus()
    await page.keyboard.press('Enter')
    await expect.poll(() => paper(page)).toBe('春江')
    expect(await page.evaluate(() => document.activeElement!.textContent)).toBe('擦掉')
  })

  test('没写成，换一版照样写；写着换版，旧的不接着写', async () => {
    allow(/404/)
    const page = await open('#/ask/text=明月')
    await page.route('**/v11.onnx', route => route.fulfill({ status: 404 }))
    await named(page, '写一个字').click()
    await page.locator('.fault').waitFor()
    await page.getByLabel('问哪一版').selectOption('v3')
    await page.locator('.bars li').first().waitFor()
    await named(page, '一直写').click()
    await expect.poll(async () => (await paper(page)).length).toBeGreaterThan(5)
    await page.getByLabel('问哪一版').selectOption('v4')
    await page.locator('.bars li').first().waitFor()
    const written = await paper(page)
    await page.waitForTimeout(300)
    expect(await paper(page)).toBe(written)
  })

  test('并排也一样', async () => {
    const page = await open('#/pair/a=v3&b=v4&text=春江')
    await page.locator('.pair .bars li').first().waitFor()
    await named(page, '各写一个字').focus()
    for (let k = 0; k < 4; k++) await page.keyboard.press('Enter')
    await expect.poll(async () => (await page.locator('[data-side="0"]').textContent())!.length).toBe(6)
    expect(await page.evaluate(() => document.activeElement!.textContent)).toBe('各写一个字')
  })
})

describe('模型', () => {
  test('一连换十版：到了的只有最后一版，别的都不下了', async () => {
    const page = await blank()
    const done: string[] = []
    const name = (url: string) => /models\/(.*)\.onnx/.exec(url)?.[1]
    page.on('requestfinished', request => name(request.url()) && done.push(name(request.url())!))
    await page.route('**/*.onnx', async route => { // 慢慢来
      await new Promise(resolve => setTimeout(resolve, 1500))
      await route.continue().catch(() => {})
    })
    await page.goto(base + '#/ask')
    await page.getByLabel('问哪一版').waitFor()
    const ten = models.slice(0, 10).map(({ id }) => id)
    for (const id of ten) await page.getByLabel('问哪一版').selectOption(id)
    await page.locator('.bars li').first().waitFor()
    expect(done).toEqual([ten.at(-1)])
  })

  test('放下了的，再要就再报进度', async () => {
    const page = await open(ask('v3', '春江'))
    await page.locator('.bars li').first().waitFor()
    for (const { id } of models.slice(3, 7)) { // 放得下四个
      await page.getByLabel('问哪一版').selectOption(id)
      await page.locator('.bars li').first().waitFor()
    }
    await page.route('**/v3.onnx', async route => {
      await new Promise(resolve => setTimeout(resolve, 1000))
      await route.continue()
    })
    await page.getByLabel('问哪一版').selectOption('v3')
    await page.locator('.loading progress').waitFor()
    expect(await page.locator('.bars li').count()).toBe(0)
    await page.locator('.bars li').first().waitFor()
  })

  test.each([
    ['问它', '#/ask', '写一个字', '.bars li'], ['它看哪里', '#/see', '让 v11 读这段', '.heads canvas'], ['并排', '#/pair', '各写一个字', '.pair .bars li'],
    ['格律', '#/form', '各写一首', '.card:first-child .mark'], ['写一首', '', '写一首', '.writer .mark'],
  ])('断过网的%s：说一句，网回来了接着来', async (_, hash, button, shown) => {
    allow(/ERR_INTERNET_DISCONNECTED|ERR_FAILED/)
    const page = await open(hash)
    await page.waitForLoadState('networkidle')
    await page.context().setOffline(true)
    await named(page, button).click()
    await expect.poll(() => page.locator('.fault').first().textContent()).toContain('没取到')
    await page.context().setOffline(false)
    await expect.poll(() => page.locator('.fault').count()).toBe(0)
    await page.locator(shown).first().waitFor()
  })
})

describe('别的', () => {
  test('并排：一边多了要求，一边跳过了它，随机数还是一样；各说各跳过了什么', async () => {
    const last = models.filter(({ model }) => model!.obeys).at(-1)!.id
    const page = await open(`#/pair/a=${last}&b=v3&text=${encodeURIComponent('⑦ 藏头春江花月\n浣溪沙 ')}`)
    await page.locator('.pair .bars li').first().waitFor()
    expect(await page.locator('.pair section').nth(0).locator('.notice').count()).toBe(0)
    expect(await page.locator('.pair section').nth(1).locator('.notice').textContent()).toContain('⑦')
    await named(page, '各写一个字').click()
    await expect.poll(async () => (await page.locator('.pair h3').allTextContents()).join()).toMatch(/随机数.*随机数/)
    const [one, other] = (await page.locator('.pair h3').allTextContents()).map(text => /随机数 ([\d.]+)/.exec(text)![1])
    expect(one).toBe(other)
  })

  test('并排：一边写完了，就说写完了', async () => {
    const page = await open(`#/pair/a=v24&b=v3&text=${encodeURIComponent('浣溪沙 苏轼\n春江')}`)
    await named(page, '一直写').click()
    await expect.poll(() => page.locator('.pair h3').first().textContent(), { timeout: 100_000 }).toBe('它写完了。')
  })

  test('它看哪里：标点加括号，和句子里的不混', async () => {
    const page = await open('#/see/v=v3&text=春，江，')
    await page.locator('.heads canvas').first().waitFor()
    expect(await page.locator('.paper + [role=status]').textContent()).toContain('「，」')
  })

  test('深浅：别的标签页换了，这里也换', async () => {
    const page = await open('')
    const other = await page.context().newPage()
    await other.goto(base)
    await other.getByRole('button', { name: '换成深色' }).click()
    await expect.poll(() => page.evaluate(() => document.documentElement.dataset.theme)).toBe('dark')
  })

  test.each(['#/ask/v=v99', '#/see/v=v99', '#/pair/a=v99&b=v3'])('%s：没有这一版，说换成了谁', async hash => {
    const page = await open(hash)
    expect(await page.locator('.notice').first().textContent()).toMatch(/没有叫“v99”的版本，换成了 v/)
  })

  test('格律：卡片没有落单的', async () => {
    for (const width of [360, 800, 1280]) {
      const page = await open('#/form', { viewport: { width, height: 800 } })
      await page.locator('.card').nth(3).waitFor()
      const tops = await page.locator('.card').evaluateAll(cards => cards.map(card => card.getBoundingClientRect().left))
      const columns = new Set(tops).size
      expect(4 % columns).toBe(0)
    }
  })

  test('近邻：有底座，也说清 v1 的多半是碰巧', async () => {
    expect(Object.keys(neighbours)).toContain('v24')
    const page = await open('#/near')
    await page.locator('.near li').first().waitFor()
    expect(await page.locator('main').textContent()).toContain('碰巧')
  })

  test('自测的答案点得开；脚本的文件下得来', async () => {
    const page = await open('#/v4')
    await page.locator('.answer summary').click()
    await expect.poll(async () => (await page.locator('.answer').textContent())!.length).toBeGreaterThan(50)
    const download = page.waitForEvent('download')
    await page.getByRole('link', { name: '下载这份脚本' }).click()
    expect((await download).suggestedFilename()).toBe(course.versions.find(version => version.id === 'v4')!.script)
  })

  test('每一版的“答案在 docs/answers.md”都有答案', async () => {
    const page = await open('#/v4')
    const answers = await page.evaluate(async () => (await fetch('answers.json')).json())
    const asked = course.versions.filter(version => version.doc.includes('docs/answers.md')).map(version => version.id)
    expect(asked.filter(id => !answers[id]?.length)).toEqual([])
  })
})
