/** Python 的颜色：用到才下载。 */
import type { ThemedToken } from 'shiki/core'

export type Tokens = ThemedToken[][]

let ready: Promise<(code: string) => Tokens> | undefined

async function prepare(): Promise<(code: string) => Tokens> {
  const [{ createHighlighterCore }, { createJavaScriptRegexEngine }, python, light, dark] = await Promise.all([
    import('shiki/core'), import('shiki/engine/javascript'), import('shiki/langs/python.mjs'),
    import('shiki/themes/github-light-high-contrast.mjs'), import('shiki/themes/github-dark-high-contrast.mjs'),
  ])
  const highlighter = await createHighlighterCore({ langs: [python.default], themes: [light.default, dark.default], engine: createJavaScriptRegexEngine() })
  const themes = { light: 'github-light-high-contrast', dark: 'github-dark-high-contrast' }
  const colorReplacements = { '#66707b': '#565e68' } // 注释落在红绿底上，也看得清
  return code => highlighter.codeToTokens(code, { lang: 'python', themes, defaultColor: 'light-dark()', colorReplacements }).tokens
}

/** 一份 Python 代码 → 各行的 token。 */
export async function highlight(code: string): Promise<Tokens> {
  ready ??= prepare().catch(error => {
    ready = undefined
    throw error
  })
  return (await ready)(code)
}
