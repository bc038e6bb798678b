/** dist/ 造好了，数一遍里面的文件，写成 dist/sw.js。 */
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, relative, sep } from 'node:path'

const sha256 = (content: string | Uint8Array) => createHash('sha256').update(content).digest('base64')

export function writeServiceWorker(dist: string) {
  const paths = readdirSync(dist, { recursive: true, withFileTypes: true })
    .filter(one => one.isFile()).map(one => relative(dist, join(one.parentPath, one.name)).split(sep).join('/'))
    .filter(path => path !== 'sw.js').sort()
  const files = JSON.stringify(Object.fromEntries(paths.map(path => [path, sha256(readFileSync(join(dist, path)))])))
  const source = readFileSync(new URL('./sw.js', import.meta.url), 'utf8')
  writeFileSync(join(dist, 'sw.js'), `const FILES = ${files}\nconst VERSION = '${sha256(files + source)}'\n${source}`)
}
