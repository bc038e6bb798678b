/** 把一首词画成一张图，好发给别人：能分享就分享，不能就下载。 */
const [WIDTH, MARGIN, SIZE, LEADING] = [1080, 120, 56, 1.9]

export async function picture(title: string, body: string, foot: string): Promise<Blob> {
  const lines = body.trim().split('\n')
  const canvas = document.createElement('canvas')
  canvas.width = WIDTH
  canvas.height = Math.max(WIDTH, MARGIN * 2 + SIZE * LEADING * (lines.length + 3))
  const style = getComputedStyle(document.documentElement)
  const pen = canvas.getContext('2d')!
  const size = Math.min(SIZE, (WIDTH - 2 * MARGIN) / Math.max(...lines.map(line => [...line].length)))
  const text = (words: string, y: number, points: number, color: string) => {
    pen.fillStyle = color
    pen.font = `${points}px ${style.getPropertyValue('--serif')}`
    pen.fillText(words, MARGIN, y)
  }
  pen.fillStyle = '#faf8f3'
  pen.fillRect(0, 0, canvas.width, canvas.height)
  text(title, MARGIN + SIZE, SIZE * 0.8, '#a5301f')
  lines.forEach((line, k) => text(line, MARGIN + SIZE * LEADING * (k + 1.6), size, '#26221d'))
  text(foot, canvas.height - MARGIN * 0.6, 30, '#655e53')
  return new Promise(resolve => canvas.toBlob(blob => resolve(blob!), 'image/png'))
}

export async function share(blob: Blob, name: string) {
  const file = new File([blob], `${name}.png`, { type: blob.type })
  if (navigator.canShare?.({ files: [file] })) try {
      return await navigator.share({ files: [file] })
    } catch (error) {
      if ((error as Error).name === 'AbortError') return // 读者又不想发了
    }
  const anchor = document.createElement('a')
  anchor.href = URL.createObjectURL(file)
  anchor.download = file.name
  anchor.click()
  setTimeout(() => URL.revokeObjectURL(anchor.href), 10_000)
}
