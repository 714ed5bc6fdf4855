/** Compares texts the same way everywhere, whatever the language of the machine. */
export function byCodePoint(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
