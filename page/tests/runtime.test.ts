import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { full, reduce } from '../runtime/reduce.ts'
import { marked, ran, reduced } from '../runtime/wasm.ts'
import { allow, bars, base, blank, open } from './browser'
import { feeds, files, OPTIONS, start } from './ort'

const MOST = 1_500_000

test('裁小的程序：小得多，各版算的和完整的一模一样', async () => {
  const small = reduce()
  expect(gzipSync(small, { level: 9 }).length).toBeLessThan(MOST)
  const runtimes = [await start(full), await start(small)]
  for (const [file, block] of files()) {
    const weights = readFileSync(file)
    const [ours, theirs] = await Promise.all(runtimes.map(async ({ ort }) => {
      const session = await ort.InferenceSession.create(weights, OPTIONS)
      const found = []
      for (const length of [1, 2, Math.ceil(block / 2), block])
        for (const { data } of Object.values(await session.run(feeds(ort, session, length))))
          found.push(createHash('sha256').update(data as Float32Array).digest('hex'))
      await session.release()
      return found
    }))
    expect(ours, basename(file)).toEqual(theirs)
  }
})

test('一个模型要算的，裁不得', async () => {
  const { ort } = await start(reduced(full, () => false))
  await expect(ort.InferenceSession.create(readFileSync(files()[0]![0]), OPTIONS)).rejects.toThrow(/unreachable/)
})

/** 打开 v11 之后才用得到的函数。 */
async function onlyWhenRunning() {
  const { ort, instance } = await start(marked(full))
  const [file] = files().find(([one]) => basename(one) === 'v11.onnx')!
  const session = await ort.InferenceSession.create(readFileSync(file), OPTIONS)
  const opened = ran(instance())
  await session.run(feeds(ort, session, 2))
  return ran(instance()).map((one, k) => one && !opened[k])
}

/** 长度不变：网页要核对。 */
function padded(wasm: Uint8Array, length: number) {
  const size = length - wasm.length - 6 // 一个自定义的段：编号 1 字节，长度写成 5 字节
  const header = [0, ...[0, 7, 14, 21].map(shift => ((size >> shift) & 127) | 128), size >> 28]
  return Buffer.concat([wasm, Uint8Array.from(header), new Uint8Array(size)])
}

test.for(['打开', '算'])('%s的时候碰上裁掉的函数：换成完整的，照样答', async when => {
  const late = when === '算' ? await onlyWhenRunning() : []
  allow(/unreachable/)
  const hash = '#/ask/v=v11&text=春江'
  const usual = await open(hash)
  await usual.locator('.bars li').first().waitFor()

  const broken = padded(reduced(reduce(), k => when === '算' && !late[k]), reduce().length)
  const page = await blank()
  const asked: string[] = []
  page.on('request', request => asked.push(...request.url().match(/(?<=\/)[^/-]+(?=[^/]*\.wasm$)/) ?? []))
  await page.route(/\/reduced-.*\.wasm$/, route => route.fulfill({ body: broken, contentType: 'application/wasm' }))
  await page.goto(base + hash)
  await page.locator('.bars li').first().waitFor()
  expect(asked).toEqual(['reduced', 'ort'])
  expect(await bars(page)).toEqual(await bars(usual))
})
