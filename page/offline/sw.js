/* global FILES, VERSION */
// 看过的都留着：再来不用网络，也不再下载。FILES（路径 → sha256）和 VERSION 由 files.ts 写在前面。
// 一次发布一个缓存，里面的都对过 sha256：新发布的等旧的页面都关了（或者只剩一个，刷新了）才接手，新旧不混。
const CACHE = `page-${VERSION}`
const ROOT = new URL('./', location).href
const LARGE = /\.(onnx|wasm)$/ // 用到了才下

/** 这次发布里的文件；别的是 undefined。 */
function known(url) {
  const path = url.startsWith(ROOT) ? new URL(url).pathname.slice(new URL(ROOT).pathname.length) || 'index.html' : ''
  return Object.hasOwn(FILES, path) ? { path, url: ROOT + path, integrity: `sha256-${FILES[path]}` } : undefined
}

// 浏览器自己的缓存里可能是上一次发布的
const download = ({ url, integrity }) => fetch(url, { integrity }).catch(() => fetch(url, { integrity, cache: 'reload' }))

async function keep(file) {
  const cache = await caches.open(CACHE)
  if (!await cache.match(file.url)) await cache.put(file.url, await download(file))
}

/** 以前的发布留下的：[缓存, 请求]。 */
async function old() {
  const names = (await caches.keys()).filter(name => name.startsWith('page-') && name !== CACHE)
  const found = await Promise.all(names.map(async name => {
    const cache = await caches.open(name)
    return (await cache.keys()).map(request => ({ cache, request }))
  }))
  return { names, found: found.flat() }
}

/** 看过的那些，换成新的；名字里的散列不算。 */
async function install() {
  const name = path => path.replace(/-[\w-]{8}(?=\.\w+$)/, '')
  const seen = new Set((await old()).found.map(({ request }) => name(request.url)))
  const wanted = Object.keys(FILES).filter(path => path === 'index.html' || (!LARGE.test(path) && seen.has(name(ROOT + path))))
  await Promise.all(wanted.map(path => keep(known(ROOT + path))))
}

/** 没变的模型接着用。 */
async function activate() {
  const { names, found } = await old()
  const kept = await caches.open(CACHE)
  for (const { cache, request } of found) {
    const file = known(request.url)
    if (!file || await kept.match(request)) continue
    const response = await cache.match(request)
    const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', await response.clone().arrayBuffer()))
    if (btoa(String.fromCharCode(...digest)) === FILES[file.path]) await kept.put(request, response)
  }
  await Promise.all(names.map(name => caches.delete(name)))
}

async function respond(request, file) {
  if (request.mode === 'navigate' && registration.waiting && (await clients.matchAll()).length < 2) {
    registration.waiting.postMessage('take over')
    return new Response('<link rel="icon" href="data:,"><script>location.reload()</script>', { headers: { 'Content-Type': 'text/html' } })
  }
  const kept = await (await caches.open(CACHE)).match(file.url)
  return kept ?? (LARGE.test(file.path) ? fetch(request) : download(file)) // 大的要一边下一边报进度，不能等对过再给
}

addEventListener('install', event => event.waitUntil(install()))
addEventListener('activate', event => event.waitUntil(activate()))
addEventListener('fetch', event => {
  const file = event.request.method === 'GET' ? known(event.request.url) : undefined
  if (file) event.respondWith(respond(event.request, file))
})
addEventListener('message', event => {
  if (event.data === 'take over') skipWaiting()
  else event.waitUntil(Promise.allSettled(event.data.map(known).filter(Boolean).map(keep)))
})
