/** 看过的留着（offline/sw.js）：头一次来，它还没管着这一页，得告诉它都取了些什么。后台线程取的，也从这里转告。 */
const channel = new BroadcastChannel('fetched')

/** 这个线程取过的、要取的，一样一样报给 tell。 */
const watch = (tell: (urls: string[]) => void) =>
  new PerformanceObserver(list => tell(list.getEntries().map(({ name }) => name))).observe({ type: 'resource', buffered: true })

export const watchWorker = () => watch(urls => channel.postMessage([location.href, ...urls.filter(url => !url.endsWith('.onnx'))]))

/** 模型下到一半可能不要了：打开了才留。 */
export const keepModel = (url: string) => channel.postMessage([url])

export function startOffline() {
  if (!import.meta.env.PROD || !('serviceWorker' in navigator)) return
  const keep = async (urls: string[]) => (await navigator.serviceWorker.ready).active?.postMessage(urls)
  channel.addEventListener('message', ({ data }) => void keep(data))
  watch(keep)
  addEventListener('load', () => void navigator.serviceWorker.register('sw.js').catch(() => {})) // 留不下，就每次都取
}
