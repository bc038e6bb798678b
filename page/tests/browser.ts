/** 一个浏览器，一个测试一个干净的页面；跑完看看有没有报错、有没有去别处要东西。 */
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, expect, inject } from 'vitest'

const ARGUMENTS = [
  '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync',
]

export const base = inject('base')

let browser: Browser
let pages: Page[] = []
let faults: string[] = []
let allowed: RegExp | undefined

beforeAll(async () => {
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ARGUMENTS })
})
afterAll(() => browser.close())

afterEach(async () => {
  await Promise.all(pages.map(page => page.context().close()))
  const unexpected = faults.filter(fault => !allowed?.test(fault))
  pages = []
  faults = []
  allowed = undefined
  expect(unexpected).toEqual([])
})

/** 这个测试里，控制台可以报这样的错。 */
export const allow = (pattern: RegExp) => void (allowed = pattern)

/** site：这一页是从哪儿来的。 */
export async function blank(options: BrowserContextOptions = {}, site = base): Promise<Page> {
  const context = await browser.newContext({ viewport: { width: 1200, height: 800 }, reducedMotion: 'reduce', serviceWorkers: 'block', ...options })
  const page = await context.newPage()
  page.setDefaultTimeout(Number(process.env.PAGE_TIMEOUT ?? 60_000) / 2)
  pages.push(page)
  page.on('console', message => message.type() === 'error' && faults.push(`控制台：${message.text()}`))
  page.on('pageerror', error => faults.push(`没接住的错：${error.message}`))
  page.on('request', request => {
    const { origin, protocol } = new URL(request.url())
    if (protocol.startsWith('http') && origin !== new URL(site).origin) faults.push(`去别处要了 ${request.url()}`)
  })
  return page
}

export async function open(hash: string, options: BrowserContextOptions = {}): Promise<Page> {
  const page = await blank(options)
  await page.goto(base + hash)
  await page.locator('main h1').first().waitFor()
  return page
}

export interface Bar {
  char: string
  raw: number
}

/** 问它那一页的条：字和概率，从大到小。 */
export const bars = (page: Page): Promise<Bar[]> =>
  page.locator('.ask .bars li').evaluateAll(items => items.map(item => {
    const { char, raw } = (item as HTMLElement).dataset
    return { char: char!, raw: Number(raw) }
  }))

/** 看不见的字，换回它自己。 */
export const plain = (shown: string) => ({ '↵': '\n', '␣': ' ' })[shown] ?? shown

/** 纸上的字。 */
export const paper = async (page: Page): Promise<string> =>
  (await page.locator('.ask .strip [role=button]').allTextContents()).map(plain).join('')
