/// <reference types="vitest/config" />
import { readFileSync, statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { defineConfig } from 'vite'

const timeout = Number(process.env.PAGE_TIMEOUT ?? 60_000) // 机器忙，就放宽

const runtime = fileURLToPath(import.meta.resolve('onnxruntime-web/ort-wasm-simd-threaded.wasm'))

export default defineConfig(({ mode }) => ({
  base: './', // 放在哪个子路径下都行
  publicDir: process.env.PAGE_DATA ?? 'public',
  define: { // 服务器压缩过的，响应里没有真的大小
    __RUNTIME_BYTES__: statSync(runtime).size,
    __RUNTIME_TRAVELS__: gzipSync(readFileSync(runtime)).length, // 压缩过，真的要下载多少
  },
  worker: { format: 'es' },
  test: {
    include: [['speed', 'picture'].includes(mode) ? `tests/${mode}.ts` : 'tests/*.test.ts'],
    globalSetup: 'tests/serve.ts',
    testTimeout: timeout,
    hookTimeout: timeout,
    expect: { poll: { timeout: timeout / 2 } },
  },
}))
