/// <reference types="vitest/config" />
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { defineConfig } from 'vite'
import { writeServiceWorker } from './offline/files.ts'
import { full, reduce } from './runtime/reduce.ts'
import { NAMES } from './src/names.ts'

const timeout = Number(process.env.PAGE_TIMEOUT ?? 60_000) // 机器忙，就放宽

const [owner, name] = (process.env.GITHUB_REPOSITORY ?? '').split('/') // 在 GitHub 上造的，才知道放在哪里
const site = owner ? `https://${owner}.github.io/${name}/` : './'

const data = process.env.PAGE_DATA ?? 'public'

/** 最后一版写的：脚本还没跑，先看得见。 */
function poem(): string {
  const { opening, texts } = JSON.parse(readFileSync(join(data, 'first.json'), 'utf8'))
  return opening + `<span class="written">${texts.at(-1).text.replace(/[①-⑲]/g, '').trimEnd()}</span>`
}

const nav = Object.entries(NAMES).map(([view, name]) => `<a href="#/${view}"${view ? '' : ' aria-current="page"'}>${name}</a>`).join('')

export default defineConfig(({ mode }) => ({
  base: './', // 放在哪个子路径下都行
  publicDir: data,
  define: { // 服务器压缩过的，响应里没有真的大小
    ...(mode === 'runtime' ? {} : { __RUNTIME_BYTES__: reduce().length, __RUNTIME_TRAVELS__: gzipSync(reduce()).length }), // 压缩过，路上走多少
    __FULL_RUNTIME_BYTES__: full.length,
  },
  plugins: [
    { name: 'site', transformIndexHtml: html => html.replaceAll('%SITE%', site).replace('%NAV%', nav).replace('%POEM%', poem()) }, // 卡片的图要写全地址
    { name: 'offline', apply: 'build', writeBundle: ({ dir }) => writeServiceWorker(dir!) },
  ],
  worker: { format: 'es' },
  test: {
    include: [['speed', 'picture', 'runtime'].includes(mode) ? `tests/${mode}.ts` : 'tests/*.test.ts'],
    globalSetup: mode === 'runtime' ? [] : 'tests/serve.ts',
    testTimeout: timeout,
    hookTimeout: timeout,
    expect: { poll: { timeout: timeout / 2 } },
  },
}))
