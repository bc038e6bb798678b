import { expect, test } from 'vitest'
import { compare, docLines } from '../src/diff'
import { repository, sections, ticks } from '../src/parts/text'
import { clauses, judge, partOf, rhymeTone, type Template } from '../src/prosody'
import { answer, uniform } from '../src/sampling'
import { prosody } from './course'

test('源码里不写哪一版：都从 course.json 来', () => {
  const sources = import.meta.glob<string>('../src/**/*.{ts,tsx}', { query: '?raw', import: 'default', eager: true })
  expect(Object.keys(sources).length).toBeGreaterThan(20)
  expect(Object.entries(sources).flatMap(([path, text]) => (text.match(/\bv\d+\b/g) ?? []).map(id => `${path}：${id}`))).toEqual([])
})

test('抽签：从大到小排，随机数落在谁的一段就是谁；温度、top-k 只改抽签的概率', () => {
  const scores = Float32Array.from([0, Math.log(3), Math.log(6)]) // 概率 0.1、0.3、0.6
  const draw = (u: number, temperature = 1, topK = 0) => answer(scores, temperature, topK, u, 3)
  expect([0.59, 0.61, 0.89, 0.91].map(u => draw(u).chosen.id)).toEqual([2, 1, 1, 0])
  expect(draw(0).top.map(one => one.p.toFixed(3))).toEqual(['0.600', '0.300', '0.100'])
  expect(draw(0, 0.5).top.map(one => one.p.toFixed(3))).toEqual(['0.783', '0.196', '0.022'])
  const two = draw(0.999, 1, 2)
  expect(two.top.map(one => one.p.toFixed(3))).toEqual(['0.667', '0.333', '0.000'])
  expect(two.top.map(one => one.raw.toFixed(3))).toEqual(['0.600', '0.300', '0.100'])
  expect(two.chosen.id).toBe(1)
})

test('随机数：同一个种子、位置总一样，换一个就不一样，[0, 1) 上均匀', () => {
  expect(uniform(42, 7)).toBe(uniform(42, 7))
  const many = Array.from({ length: 20_000 }, (_, k) => uniform(k % 100, Math.floor(k / 100)))
  expect(new Set(many).size).toBeGreaterThan(19_900)
  const counts = Array<number>(10).fill(0)
  for (const u of many) counts[Math.floor(u * 10)]! += 1
  expect(Math.min(...counts)).toBeGreaterThan(1800)
  expect(Math.max(...counts)).toBeLessThan(2200)
})

const POEM = '一曲新词酒一杯。\n去年天气旧亭台。\n夕阳西下几时回。\n无可奈何花落去，似曾相识燕归来。\n小园香径独徘徊。\n'

test('格律：晏殊的浣溪沙全合；错一个平仄、换一个韵、多一个字，各看得出来', () => {
  const check = (body: string) => judge(body, prosody.templates['浣溪沙']!, prosody.readings)
  const right = check(POEM)
  expect(right).toMatchObject({ whole: true, off: false, hits: 5, ends: 5, right: right.fixed })
  expect(right.fixed).toBeGreaterThan(25)

  const tone = check(POEM.replace('年天气', '路天气')) // 第二句第二字该平
  expect(tone.right).toBe(right.right - 1)
  expect(tone.marks.find(mark => mark.char === '路')).toMatchObject({ tone: 'wrong', want: '平' })

  const rhyme = check(POEM.replace('亭台', '亭楼'))
  expect(rhyme).toMatchObject({ hits: 4, ends: 5 })
  expect(rhyme.marks.find(mark => mark.char === '楼')?.rhyme).toBe('miss')

  const long = check(POEM.replace('夕阳西下', '夕阳西下了'))
  expect(long).toMatchObject({ whole: false, off: true, ends: 2 })
  expect(long.marks.find(mark => mark.char === '夕')?.tone).toBe('off')
})

test('格律：没写完的，只看写了的', () => {
  const templates: Template[] = [
    { shape: [[3, 0], [5, 1]], count: 1, tones: '平平平仄仄仄仄平', rhymes: [[2, 7]] },
    { shape: [[4, 0], [4, 1]], count: 9, tones: '仄仄仄仄仄仄仄仄', rhymes: [[3, 7]] },
  ]
  expect(clauses('春江花\n夜')).toEqual([{ length: 3, row: 0, done: true }, { length: 1, row: 1, done: false }])
  const short = judge('春江花\n夜', templates, { 春: '平6', 江: '平2', 花: '平10', 夜: '去10' })
  expect(short).toMatchObject({ off: false, whole: false, right: 4, fixed: 4 })
  expect(judge('春江花', templates, {}).off).toBe(false)
})

test('格律：换韵的，一组一组地押', () => {
  const couplets: Template[] = [{ shape: [[2, 0], [2, 1], [2, 2], [2, 3]], count: 1, tones: '········', rhymes: [[1, 3], [5, 7]] }]
  const readings = { 江: '平2', 窗: '平2', 风: '平1', 东: '平1', 天: '平7' }
  expect(judge('春江\n春窗\n春风\n春东', couplets, readings)).toMatchObject({ hits: 4, ends: 4 })
  expect(judge('春江\n春窗\n春风\n春天', couplets, readings)).toMatchObject({ hits: 3, ends: 4 })
})

test('例字几部都有，取词人常押的：说是入声，了不押平声', () => {
  expect([...'说了听'].map(char => partOf(char, prosody.readings))).toEqual(['⑱', '⑧', '⑪'])
  expect(rhymeTone(prosody.templates['浣溪沙'])).toBe('平')
  expect(rhymeTone(prosody.templates['满江红'])).toBe('仄')
})

test('文档字符串：分节，缩进的接上，顶格的是代码', () => {
  const found = sections('v3：自注意力。看得见前面。\n\n改动：多了\n      Head。\n看什么：a b\n      c d\n自测：补上。\nx = 1\ny = 2')
  expect(found.lead).toBe('看得见前面。')
  expect(found.sections.map(section => section.name)).toEqual(['改动', '看什么', '自测'])
  expect(found.sections[0]!.paragraphs).toEqual([{ code: false, text: '多了Head。' }])
  expect(found.sections[1]!.paragraphs[0]!.text).toBe('a b c d')
  expect(found.sections[2]!.paragraphs).toEqual([{ code: false, text: '补上。' }, { code: true, text: 'x = 1\ny = 2' }])
})

test('轴上的数：隔得近，多写一位，没有两格一样', () => {
  expect(ticks([4, 4.2, 4.4])).toEqual(['4.0', '4.2', '4.4'])
  expect(ticks([3.2, 3.225, 3.25])).toEqual(['3.20', '3.23', '3.25'])
  expect(ticks([3.1, 3.2, 3.3])).toEqual(['3.1', '3.2', '3.3'])
})

test('仓库：放在 GitHub Pages 上，认得出来；放在别处，不瞎猜', () => {
  expect(repository({ hostname: 'someone.github.io', pathname: '/gpt/index.html' })).toBe('https://github.com/someone/gpt')
  expect(repository({ hostname: 'localhost', pathname: '/gpt/' })).toBeUndefined()
})

test('差别：开头的说明收起，没变的收起，改了的一行标出哪里', () => {
  const body = Array.from({ length: 30 }, (_, k) => `value = compute(${k})`)
  const before = ['"""旧', '"""', ...body].join('\n')
  const after = ['"""新', '多一行', '"""', ...body.with(15, 'value = compute(fifteen)')].join('\n')
  expect(docLines(after)).toBe(3)
  const groups = compare(before, after)
  expect(groups.map(group => group.folded)).toEqual(['doc', 'same', false, 'same'])
  const rows = groups[2]!.rows
  expect(rows.map(row => row.kind)).toEqual(['same', 'same', 'same', 'removed', 'added', 'same', 'same', 'same'])
  expect(rows[4]).toMatchObject({ right: 18, text: 'value = compute(fifteen)', changed: [[16, 23]] })
})
