/// <reference types="vitest/config" />
import { gzipSync } from 'node:zlib'
import { defineConfig } from 'vite'
import { writeServiceWorker } from './offline/files.ts'
import { full, reduce } from './runtime/reduce.ts'

const timeout = Number(process.env.PAGE_TIMEOUT ?? 60_000) // 机器忙，就放宽

const reduced = (mode: string) => mode === 'runtime' ? new Uint8Array() : reduce() // 正在量，旧的可能过时了

export default defineConfig(({ mode }) => ({
  base: './', // 放在哪个子路径下都行
  publicDir: process.env.PAGE_DATA ?? 'public',
  define: { // 服务器压缩过的，响应里没有真的大小
    __RUNTIME_BYTES__: reduced(mode).length,
    __RUNTIME_TRAVELS__: gzipSync(reduced(mode)).length, // 压缩过，真的要下载多少
    __FULL_RUNTIME_BYTES__: full.length,
  },
  plugins: [{ name: 'offline', apply: 'build', writeBundle: ({ dir }) => writeServiceWorker(dir!) }],
  worker: { format: 'es' },
  test: {
    include: [['speed', 'picture', 'runtime'].includes(mode) ? `tests/${mode}.ts` : 'tests/*.test.ts'],
    globalSetup: mode === 'runtime' ? [] : 'tests/serve.ts',
    testTimeout: timeout,
    hookTimeout: timeout,
    expect: { poll: { timeout: timeout / 2 } },
  },
}))
