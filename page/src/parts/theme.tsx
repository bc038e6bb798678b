import { useEffect, useState } from 'preact/hooks'

const media = matchMedia('(prefers-color-scheme: dark)')

const current = () => document.documentElement.dataset.theme ?? (media.matches ? 'dark' : 'light')

/** 眼下是深是浅；变了就重画（画布不会自己变色）。 */
export function useTheme(): string {
  const [theme, setTheme] = useState(current)
  useEffect(() => {
    const update = () => setTheme(current())
    const follow = ({ key, newValue }: StorageEvent) => { // 别的标签页换了
      if (key === 'theme' && newValue) document.documentElement.dataset.theme = newValue
    }
    media.addEventListener('change', update)
    addEventListener('storage', follow)
    const watcher = new MutationObserver(update)
    watcher.observe(document.documentElement, { attributeFilter: ['data-theme'] })
    return () => {
      media.removeEventListener('change', update)
      removeEventListener('storage', follow)
      watcher.disconnect()
    }
  }, [])
  return theme
}

export function ThemeToggle() {
  const theme = useTheme()
  const other = theme === 'dark' ? 'light' : 'dark'
  const toggle = () => {
    document.documentElement.dataset.theme = other
    try {
      localStorage.setItem('theme', other)
    } catch {} // 不让存，就只管这一次
  }
  return <button type="button" class="quiet theme" aria-label={theme === 'dark' ? '换成浅色' : '换成深色'} onClick={toggle}>{theme === 'dark' ? '浅' : '深'}</button>
}
