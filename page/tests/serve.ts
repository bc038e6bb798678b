/** 像 GitHub Pages 那样，在一个子路径下供应 dist/；地址给各个测试用。 */
import { existsSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import sirv from 'sirv'
import type { TestProject } from 'vitest/node'

export const SUB_PATH = '/buildyourownllm/'

declare module 'vitest' {
  interface ProvidedContext {
    base: string
  }
}

export default async function ({ provide }: TestProject) {
  const dist = fileURLToPath(new URL('../dist', import.meta.url))
  if (!existsSync(`${dist}/course.json`)) throw new Error('dist 里没有数据：先运行 python tools/export_page.py，再 npm run build。')
  const files = sirv(dist)
  const server = createServer((request, response) => {
    const missing = () => void response.writeHead(404).end()
    if (!request.url?.startsWith(SUB_PATH)) return missing()
    request.url = request.url.slice(SUB_PATH.length - 1)
    files(request, response, missing)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  provide('base', `http://127.0.0.1:${(server.address() as AddressInfo).port}${SUB_PATH}`)
  return () => server.close()
}
