import { AxeBuilder } from '@axe-core/playwright'
import type { Page } from 'playwright-core'
import { describe, expect, test } from 'vitest'
import { allow, bars, base, blank, open, paper } from './browser'
import { course, models, neighbours, reference } from './course'

const OPENINGS = ['春江', '往事', '明月几时有']
const ask = (id: string, text: string, more = '') => `#/ask/v=${id}&text=${encodeURIComponent(text)}${more}`

const VIEWS: [name: string, hash: string, ready: string][] = [
  ['路', '', '.growth .written'],
  ['一版', '#/v4', '.code span[style]'],
  ['一版，并排', '#/v4/diff=halves', '.code.halves span[style]'],
  ['一版，全文', '#/v2/diff=whole', '.code.whole span[style]'],
  ['问它，没有模型', '#/ask', '.ask .strip'],
  ['它看哪里，没有模型', '#/see', '.primary'],
  ['问它', ask('v3', '春江'), '.bars li'],
  ['它看哪里', '#/see/v=v4&text=春江花月夜，往事知多少', '.heads canvas'],
  ['它看哪里，没得看', '#/see/v=v1', '.notice'],
  ['并排', '#/pair/a=v1&b=v3', '.pair .bars li'],
  ['近邻', '#/near', '.near li'],
  ['格律', '#/form/models=v24', '.legend'],
  ['没有的', '#/nothing', 'main a'],
]

describe('每一版的模型', () => {
  test.skipIf(!reference).each(models.map(version => version.id))('%s 的前五名和 PyTorch 一样', async id => {
    for (const opening of id === course.first ? OPENINGS : OPENINGS.slice(0, 1)) { // 一版试全，别的试一个：各个位置，导出的时候都比过
      const page = await open(ask(id, opening)) // 每次新开：条上的一定是接着这个开头的
      await page.locator('.bars li').first().waitFor()
      const found = await bars(page)
      for (const [rank, [char, p]] of reference![id]![opening]!.entries()) {
        const difference = (one?: { raw: number }) => one ? Math.abs(one.raw - p) : Infinity
        const bound = 0.1 * p + 0.0005 // 权重只有 8 位
        expect(difference(found.find(one => one.char === char)), `${opening}之后的“${char}”`).toBeLessThan(bound)
        expect(difference(found[rank]), `${opening}之后的第 ${rank + 1} 名`).toBeLessThan(bound)
      }
      // 前五名各算一项，其余的合成一项：这样算的 KL 不比全部的大，所以也得在界内
      const top = reference![id]![opening]!.map(([char, p]) => [p, found.find(one => one.char === char)!.raw] as const)
      const rest = [0, 1].map(which => 1 - top.reduce((total, pair) => total + pair[which]!, 0)) as [number, number]
      expect([...top, rest].reduce((total, [p, q]) => total + p * Math.log(p / q), 0), `${opening}之后的 KL`).toBeLessThan(0.01)
    }
  })

  test.each(models.filter(version => version.model!.layers).map(version => version.id))('%s 的注意力：每行加起来是 1，不看后面', async id => {
    const { layers, heads } = models.find(version => version.id === id)!.model!
    const page = await open(`#/see/v=${id}&text=春江花月夜`)
    await page.locator('.heads canvas').first().waitFor()
    expect(await page.locator('.layer').count()).toBe(layers)
    const rows = await page.evaluate(async () => { // 每个头、每个字点一遍
      const next = () => new Promise(resolve => setTimeout(resolve))
      const found: number[][] = []
      for (const button of document.querySelectorAll<HTMLElement>('.layer button')) {
        button.click()
        for (const char of document.querySelectorAll<HTMLElement>('.strip [role=button]')) {
          char.click()
          await next()
          found.push(document.querySelector<HTMLElement>('[data-weights]')!.dataset.weights!.split(' ').map(Number))
        }
      }
      return found
    })
    expect(rows.length).toBe(layers * (heads > 1 ? heads + 1 : 1) * 5)
    rows.forEach((row, k) => {
      const query = k % 5
      expect(row.reduce((total, weight) => total + weight, 0)).toBeCloseTo(1, 3)
      expect(row.slice(query + 1).every(weight => weight === 0)).toBe(true)
    })
    expect(new Set(rows.filter((_, k) => k % 5 === 4).map(String)).size).toBeGreaterThan(heads > 1 ? heads : 0) // 各头不是一个样
  })
})

describe('问它', () => {
  test('写开头，条就变；一次写一个字，抽中的看得见', async () => {
    const page = await open(ask('v3', '春江'))
    await page.locator('.bars li').first().waitFor()
    const before = JSON.stringify(await bars(page))
    await page.getByLabel('开头').fill('明月')
    await expect.poll(async () => JSON.stringify(await bars(page))).not.toBe(before)
    expect((await bars(page)).length).toBe(20)
    expect(await page.locator('.bars .chosen').count()).toBe(0)

    await page.getByRole('button', { name: '写一个字' }).click()
    await expect.poll(() => paper(page)).toHaveLength(3)
    const chosen = page.locator('.bars .chosen')
    expect(await chosen.getAttribute('data-char')).toBe((await paper(page)).at(-1))
    expect(await page.locator('.draw figcaption').textContent()).toContain('随机数')
  })

  test('点另一个字，改走那一条路；点纸上的字，看它当时的选择', async () => {
    const page = await open(ask('v3', '春江'))
    await page.getByRole('button', { name: '写一个字' }).click()
    await expect.poll(() => paper(page)).toHaveLength(3)
    await page.getByRole('button', { name: '写一个字' }).click()
    await expect.poll(() => paper(page)).toHaveLength(4)
    await page.locator('.ask .strip [role=button]').nth(2).click()
    const other = page.locator('.bars li:not(.chosen)').nth(6)
    await expect.poll(() => page.locator('.bars .chosen').getAttribute('data-char')).toBe((await paper(page))[2])
    const char = await other.getAttribute('data-char')
    await other.getByRole('button').click()
    await expect.poll(() => paper(page)).toBe(`春江${char}`)
    await expect.poll(() => page.locator('.bars .chosen').getAttribute('data-char')).toBe(char)
    expect(await page.getByLabel('开头').inputValue()).toBe(`春江${char}`)
  })

  test('一直写、停；温度、top-k 改了抽签的概率', async () => {
    const page = await open(ask('v3', '春江'))
    const first = page.locator('.bars li').first().locator('.bar-value')
    const share = async () => parseFloat((await first.textContent())!)
    const usual = await share()
    await page.getByRole('button', { name: '一直写' }).click()
    await expect.poll(async () => (await paper(page)).length).toBeGreaterThan(5)
    await page.getByRole('button', { name: '停' }).click()
    const stopped = await paper(page)
    await page.waitForTimeout(300)
    expect(await paper(page)).toBe(stopped)

    await page.getByRole('button', { name: '擦掉' }).click()
    await expect.poll(() => paper(page)).toBe('春江')
    await expect.poll(share).toBe(usual) // 条比纸晚一步：等它也回到开头的
    await page.getByLabel('top-k').selectOption('3')
    await expect.poll(share).toBeGreaterThan(usual)
    await expect.poll(() => page.locator('.bars .bar-value').nth(3).textContent()).toBe('0')
    await page.getByLabel('top-k').selectOption('0')
    await page.getByLabel('温度').fill('0.3')
    await expect.poll(share).toBeGreaterThan(usual)
  })

  test('链接：版本、开头、温度、top-k、种子都在里面，写出来的也一样', async () => {
    const write = async (page: Page) => {
      await page.getByRole('button', { name: '一直写' }).click()
      await expect.poll(async () => (await paper(page)).length).toBeGreaterThan(12)
      await page.getByRole('button', { name: '停' }).click()
      return (await paper(page)).slice(0, 12)
    }
    const page = await open('#/ask')
    await page.getByLabel('问哪一版').selectOption('v5')
    await page.getByLabel('开头').fill('往事 几\n多')
    await page.getByLabel('温度').fill('0.8')
    await page.getByLabel('top-k').selectOption('50')
    await page.getByLabel('种子').fill('7')
    await page.getByLabel('种子').blur()
    await page.locator('.bars li').first().waitFor()
    const text = await write(page)
    await expect.poll(() => page.url()).toContain('seed=7')

    const again = await open(new URL(page.url()).hash)
    expect(await again.getByLabel('问哪一版').inputValue()).toBe('v5')
    expect(await again.getByLabel('开头').inputValue()).toBe('往事 几\n多')
    expect(await again.getByLabel('温度').inputValue()).toBe('0.8')
    expect(await again.getByLabel('top-k').inputValue()).toBe('50')
    expect(await again.getByLabel('种子').inputValue()).toBe('7')
    await again.locator('.bars li').first().waitFor()
    expect(await write(again)).toBe(text)

    await again.getByLabel('种子').fill('8')
    await again.getByLabel('种子').blur()
    await expect.poll(async () => (await paper(again)).length).toBe(6)
    expect(await write(again)).not.toBe(text)
  })

  test('不认得的字：一句话，别的照常', async () => {
    const page = await open(ask('v3', '春😀A江'))
    await page.locator('.bars li').first().waitFor()
    expect(await page.locator('.notice').first().textContent()).toContain('😀A')
    expect(await paper(page)).toBe('春江')
    const skipped = await bars(page)
    await page.getByLabel('开头').fill('春江')
    await expect.poll(() => page.locator('.notice').count()).toBe(0)
    expect(await bars(page)).toEqual(skipped)
  })

  test('打分：一个字一个 loss，能停', async () => {
    const page = await open(ask('v3', '春江'))
    const box = page.getByLabel('文字')
    await box.fill('春江花月夜')
    await page.getByRole('button', { name: '打分', exact: true }).click()
    await expect.poll(() => page.locator('.scoring .strip [role=button]').count()).toBe(5)
    const labels = await page.locator('.scoring .strip [role=button]').evaluateAll(buttons => buttons.map(button => button.ariaLabel))
    expect(labels[0]).toBe('春，开头，没有可猜的')
    expect(labels.slice(1).every(label => /loss \d+\.\d\d$/.test(label!))).toBe(true)

    // 和条上的概率对得上：春江之后的头一名，接在后面打分
    const [{ char, raw }] = await bars(page) as [{ char: string; raw: number }]
    await box.fill(`春江${char}`)
    await page.getByRole('button', { name: '打分', exact: true }).click()
    await expect.poll(() => page.locator('.scoring .strip [role=button]').count()).toBe(3)
    expect(Number(/loss ([\d.]+)/.exec((await page.locator('.scoring .strip [role=button]').last().getAttribute('aria-label'))!)![1])).toBeCloseTo(-Math.log(raw), 1)
  })

  test('贴五千个字：说清只算多少，不卡；字再多，也没有五千个按钮', async () => {
    const page = await open(ask('v3', '春江'))
    await page.locator('.bars li').first().waitFor()
    await page.getByLabel('文字').fill('春江花月夜往事知多少'.repeat(500))
    expect(await page.locator('.scoring .notice').textContent()).toContain('5,000')
    await page.getByRole('button', { name: '打分', exact: true }).click()
    const waits = await page.evaluate(async () => { // 主线程每次歇多久才轮得到
      const found: number[] = []
      for (let n = 0; n < 40; n++) {
        const start = performance.now()
        await new Promise(resolve => setTimeout(resolve, 10))
        found.push(performance.now() - start)
      }
      return found
    })
    expect(Math.max(...waits)).toBeLessThan(500)
    await expect.poll(() => page.locator('.scoring .strip [role=button]').count()).toBe(1000)
    await page.locator('textarea').first().fill('春江花月夜往事知多少'.repeat(500))
    await expect.poll(async () => (await page.locator('.ask .strip').textContent())!.length).toBe(5000)
    expect(await page.locator('.ask .strip [role=button]').count()).toBeLessThanOrEqual(1000)
  })

  test('打分：两版一起打，差在哪个字看得见；长过窗口的也算得完', async () => {
    const page = await open(ask('v3', '春江'))
    await page.getByLabel('文字').fill('春江花月夜，往事知多少。'.repeat(8)) // v3 只看得见 32 个字
    await page.getByLabel('和谁比').selectOption('v11')
    await page.getByRole('button', { name: '打分', exact: true }).click()
    await expect.poll(() => page.locator('.scoring .strip [role=button]').count()).toBe(96)
    const last = (await page.locator('.scoring .strip [role=button]').last().getAttribute('aria-label'))!
    const [mine, theirs] = /loss ([\d.]+)，v11 的 ([\d.]+)/.exec(last)!.slice(1).map(Number) as [number, number]
    expect(await page.locator('.scoring .strip [role=button]').last().getAttribute('class')).toBe(theirs > mine ? 'won' : 'lost')
    expect(await page.locator('.scoring [role=status]').last().textContent()).toMatch(/v3 平均每个字 .*；v11 平均每个字/)
  })

  test('只用键盘：走到开头、写字、选字', async () => {
    const page = await open(ask('v3', '春江'))
    await page.locator('.bars li').first().waitFor()
    await page.getByRole('button', { name: '写一个字' }).focus()
    await page.keyboard.press('Enter')
    await expect.poll(() => paper(page)).toHaveLength(3)
    await page.locator('.ask .strip [role=button][tabindex="0"]').focus()
    await page.keyboard.press('Home')
    await expect.poll(() => page.locator('.bars .chosen').getAttribute('data-char')).toBe('春')
    await page.keyboard.press('ArrowRight')
    await expect.poll(() => page.locator('.bars .chosen').getAttribute('data-char')).toBe('江')
  })
})

describe('模型取不到', () => {
  const file = models.find(version => version.id === 'v3')!.model!.file

  test('没有这个文件：一句话，别的照常，修好了再试就行', async () => {
    allow(/404/)
    const page = await blank()
    await page.route(`**/${file}`, route => route.fulfill({ status: 404 }))
    await page.goto(base + ask('v3', '春江'))
    expect(await page.locator('.fault').textContent()).toContain('v3 的模型没取到（404）')
    await page.unroute(`**/${file}`)
    await page.getByRole('button', { name: '再试一次' }).click()
    await page.locator('.bars li').first().waitFor()
    await page.getByLabel('问哪一版').selectOption('v4')
    await expect.poll(() => page.locator('.fault').count()).toBe(0)
    await page.locator('.bars li').first().waitFor()
  })

  test.each([
    ['只有一半', (body: Buffer) => body.subarray(0, body.length / 2), '不完整'],
    ['一样长，内容坏了', (body: Buffer) => Buffer.alloc(body.length, 7), '坏了'],
  ])('%s：一句话', async (_, tear, sentence) => {
    const page = await blank()
    await page.route(`**/${file}`, async route => {
      const response = await route.fetch()
      await route.fulfill({ status: 200, body: tear(await response.body()) })
    })
    await page.goto(base + ask('v3', '春江'))
    await expect.poll(() => page.locator('.fault').textContent()).toContain(sentence)
    await page.getByRole('link', { name: '路' }).click()
    await page.locator('.road li').first().waitFor()
  })

  test.each([
    ['没有 WebAssembly', 'delete globalThis.WebAssembly', '不支持 WebAssembly'],
    ['内存不够', 'WebAssembly.Memory = class { constructor() { throw new RangeError("could not allocate memory") } }', '内存不够'],
    ['线程起不来', 'throw new Error("坏了")', '后台线程停了'],
  ])('%s：一句话', async (_, spoil, sentence) => {
    allow(/memory|坏了/)
    const page = await blank()
    await page.route('**/worker-*.js', async route => {
      const response = await route.fetch()
      await route.fulfill({ response, body: `${spoil};${await response.text()}` })
    })
    await page.goto(base + ask('v3', '春江'))
    await expect.poll(() => page.locator('.fault').textContent()).toContain(sentence)
  })

  test('没有数据：一句话', async () => {
    allow(/404/)
    const page = await blank()
    await page.route('**/course.json', route => route.fulfill({ status: 404 }))
    await page.goto(base)
    await expect.poll(() => page.locator('.fault').textContent()).toContain('course.json 没取到')
  })
})

describe('别的页', () => {
  test('路：每版都在，点开是那一版；模型一个也没下载', async () => {
    const page = await blank()
    let bytes = 0
    const models: string[] = []
    page.on('response', async response => {
      if (/\.(onnx|wasm)$/.test(response.url())) models.push(response.url())
      bytes += (await response.body().catch(() => Buffer.alloc(0))).length
    })
    await page.goto(base)
    await page.locator('.road li').first().waitFor()
    await expect.poll(() => page.locator('.road li').count()).toBe(course.versions.filter(version => version.part !== 'baseline').length)
    await page.getByRole('link', { name: /^v3 / }).click()
    await page.locator('.code span[style]').first().waitFor()
    expect(await page.locator('h1').textContent()).toContain('自注意力')
    expect(models).toEqual([])
    expect(bytes).toBeLessThan(1e6)
  })

  test('一版：说明、和前一版的差别、收起的能打开、全文、样文', async () => {
    const page = await open('#/v4')
    const code = page.locator('table.code')
    await code.locator('tr.added').first().waitFor()
    expect(await page.locator('.doc').textContent()).toContain('自测')
    expect(await code.locator('tr.added').allTextContents()).toEqual(expect.arrayContaining([expect.stringContaining('class MultiHeadAttention')]))
    expect(await code.locator('tr.removed').allTextContents()).toEqual(expect.arrayContaining([expect.stringContaining('self.attention = Head(n_embed)')]))
    const rows = await code.locator('tr').count()
    await code.getByRole('button', { name: '没变' }).first().click()
    expect(await code.locator('tr').count()).toBeGreaterThan(rows + 5)
    await page.getByRole('button', { name: '并排看' }).click()
    expect(await code.locator('td.half.added').count()).toBeGreaterThan(5)
    await page.getByRole('button', { name: '全文' }).click()
    expect(await code.textContent()).toContain('def generate')
    expect(await code.locator('tr.added').count()).toBe(0)
    expect(await page.locator('.curves canvas').count()).toBe(1)
    expect(await page.locator('.samples blockquote').count()).toBeGreaterThan(0)
  })

  test('曲线：考同一份题的才画在一起；底座之后各考各的，只画自己的', async () => {
    const drawn = async (id: string) => {
      const page = await open(`#/${id}`)
      await page.locator('.curves canvas').waitFor()
      await page.waitForLoadState('networkidle') // 邻居的曲线晚一步到
      return (await page.locator('.curves .key').allTextContents()).map(key => key.trim().split(' ')[0])
    }
    expect(await drawn('v16')).toEqual(['v16', 'v15', 'v17'])
    const after = course.versions.filter(version => version.part === 'after' && version.val_loss !== null)
    expect(after).not.toHaveLength(0)
    for (const { id } of after) expect(await drawn(id)).toEqual([id])
  })

  test('每一版都打得开', async () => {
    const page = await open('')
    for (const { id, title } of course.versions) {
      await page.evaluate(hash => void (location.hash = hash), `#/${id}`)
      await page.locator('h1', { hasText: title }).waitFor()
      await page.locator('table.code').waitFor()
      expect(await page.locator('.fault').count(), id).toBe(0)
    }
  })

  test('它看哪里：v1 说为什么没有，遮住的看得见', async () => {
    const page = await open('#/see/v=v1&text=春江花月夜')
    expect(await page.locator('.notice').textContent()).toContain('v1 只拿当前这一个字')
    await page.getByLabel('看哪一版').selectOption('v3')
    await page.locator('.heads canvas').first().waitFor()
    await page.locator('.strip [role=button]').nth(1).click()
    await expect.poll(() => page.locator('.strip .masked').count()).toBe(3)
  })

  test('并排：同一版，写得一模一样；两版，随机数一样', async () => {
    const side = (page: Page, which: number) => page.locator(`[data-side="${which}"]`).textContent()
    const page = await open('#/pair/a=v3&b=v3&text=春江')
    await page.getByRole('button', { name: '各写一个字' }).click()
    await page.getByRole('button', { name: '各写一个字' }).click()
    await expect.poll(async () => (await side(page, 0))?.length).toBe(4)
    expect(await side(page, 0)).toBe(await side(page, 1))

    await page.getByRole('combobox', { name: '右边' }).selectOption('v11')
    await page.locator('.pair .bars li').first().waitFor()
    await page.getByRole('button', { name: '一直写' }).click()
    await expect.poll(async () => (await side(page, 1))?.length).toBeGreaterThan(10)
    await page.getByRole('button', { name: '停' }).click()
    expect(await side(page, 0)).not.toBe(await side(page, 1))
    const numbers = await page.locator('.pair h3').allTextContents()
    expect(/[\d.]+/.exec(numbers[0]!)![0]).toBe(/[\d.]+/.exec(numbers[1]!)![0])
  })

  test('近邻：几版并排，点一个换过去', async () => {
    const page = await open('#/near/c=月')
    await page.locator('.near li').first().waitFor()
    expect(await page.locator('.near').count()).toBe(Object.keys(neighbours).length)
    expect(await page.locator('.near').first().locator('li').count()).toBe(10)
    await page.locator('.grid').getByRole('button', { name: '花', exact: true }).click()
    expect(await page.getByLabel('哪个字').inputValue()).toBe('花')
    await page.getByLabel('哪个字').fill('囧')
    expect(await page.locator('.notice').textContent()).toContain('囧')
  })

  test('格律：几个模型各写一首，每个字都有记号', async () => {
    const able = models.map(version => version.id).filter(id => course.rungs.includes(id)).slice(0, 4) // 最多四个
    const page = await open(`#/form/models=${able.join()}&heads=春江`)
    const write = page.getByRole('button', { name: '各写一首' })
    await write.waitFor()
    await write.click()
    await expect.poll(() => page.locator('.poems .card').first().locator('.mark').count(), { timeout: 20_000 }).toBeGreaterThan(5)
    expect(await page.locator('.poems .card').count()).toBe(able.length)
    expect(await page.locator('.poems .summary').first().textContent()).toContain('句长')
    expect(await page.locator('.poems .card').last().textContent()).toContain('藏头春江')
  })

  test('深浅：跟着系统，按一下换过来，下次还记得', async () => {
    const background = (page: Page) => page.evaluate(() => getComputedStyle(document.body).backgroundColor)
    const page = await open('', { colorScheme: 'dark' })
    const dark = await background(page)
    await page.getByRole('button', { name: '换成浅色' }).click()
    const light = await background(page)
    expect(light).not.toBe(dark)
    await page.reload()
    expect(await background(page)).toBe(light)
    expect(await background(await open('', { colorScheme: 'light' }))).toBe(light)
  })
})

describe('每一页', () => {
  test.each(VIEWS)('%s：360 像素宽不用左右拖；深浅两种，axe 都挑不出大毛病', async (_, hash, ready) => {
    const page = await open(hash, { viewport: { width: 360, height: 740 } })
    await page.locator(ready).first().waitFor()
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360)
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme })
      const axe = new AxeBuilder({ page })
      const { violations } = await (colorScheme === 'dark' ? axe.withRules('color-contrast') : axe).analyze() // 深浅只差颜色
      const serious = violations.filter(violation => violation.impact === 'serious' || violation.impact === 'critical')
      expect(serious.map(violation => `${colorScheme} ${violation.id}：${violation.nodes.map(node => node.html).slice(0, 3).join(' ')}`)).toEqual([])
    }
  })
})
