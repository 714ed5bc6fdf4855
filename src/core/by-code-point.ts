/**
 * Compares texts by their code points: the same way everywhere, whatever the language of the machine,
 * and as Python does. JavaScript's own `<` compares halves of what lies beyond U+FFFF.
 */
export function byCodePoint(a: string, b: string): number {
  const left = Array.from(a)
  const right = Array.from(b)
  for (let i = 0; i < Math.min(left.length, right.length); i++) {
    const difference = (left[i]?.codePointAt(0) ?? 0) - (right[i]?.codePointAt(0) ?? 0)
    if (difference !== 0) return difference
  }
  return left.length - right.length
}
