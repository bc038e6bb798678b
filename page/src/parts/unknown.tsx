import type { Characters } from '../engine'

/** 有模型不认得的字，就说一句。 */
export function Unknown({ characters, text }: { characters: Characters; text: string }) {
  const unknown = characters.unknown(text)
  if (!unknown.length) return null
  const shown = unknown.slice(0, 10).join('') + (unknown.length > 10 ? '……' : '')
  return <p class="notice" role="status">它没学过“{shown}”：学的宋词里没有这样的字（要用简体），这里先跳过，别的照常。</p>
}
