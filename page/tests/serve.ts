/** 像 GitHub Pages 那样，在一个子路径下供应 dist/，压缩过；地址给各个测试用。 */
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import sirv from 'sirv'
import type { TestProject } from 'vitest/node'

export const SUB_PATH = '/buildyourownllm/'
export const DIST = fileURLToPath(new URL('../dist', import.meta.url))

declare module 'vitest' {
  interface ProvidedContext {
    base: string
  }
}

/** dist 的一份副本，GitHub Pages 会压缩的也压缩好。change 可以先改改它。 */
export function published(change: (folder: string) => void = () => {}) {
  const folder = mkdtempSync(join(tmpdir(), 'dist-'))
  cpSync(DIST, folder, { recursive: true })
  change(folder)
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' }))
    if (/\.(html|js|css|json|wasm|svg)$/.test(name)) writeFileSync(join(folder, `${name}.gz`), gzipSync(readFileSync(join(folder, name))))
  return { files: sirv(folder, { gzip: true }), remove: () => rmSync(folder, { recursive: true }) }
}

/** 供应 site()；每个请求都先过 asked。 */
export async function serve(site: () => ReturnType<typeof sirv>, asked: (path: string) => void = () => {}) {
  const server = createServer((request, response) => {
    const missing = () => void response.writeHead(404).end()
    if (!request.url?.startsWith(SUB_PATH)) return missing()
    request.url = request.url.slice(SUB_PATH.length - 1)
    asked(request.url)
    response.setHeader('Cache-Control', 'max-age=600')
    site()(request, response, missing)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const close = () => new Promise(resolve => {
    server.close(resolve)
    server.closeAllConnections()
  })
  return { base: `http://127.0.0.1:${(server.address() as AddressInfo).port}${SUB_PATH}`, close }
}

export default async function ({ provide }: TestProject) {
  if (!existsSync(`${DIST}/course.json`)) throw new Error('dist 里没有数据：先运行 python tools/export_page.py，再 npm run build。')
  const { files, remove } = published()
  const { base, close } = await serve(() => files)
  provide('base', base)
  return async () => {
    await close()
    remove()
  }
}
