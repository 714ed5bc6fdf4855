import { displayWidth } from './display-width.ts'

/**
 * Lines of a table whose columns are as wide as their widest cell.
 *
 * @param numbers - Columns that stand to the right.
 */
export function textTable(
  headings: readonly string[],
  rows: readonly (readonly string[])[],
  numbers: ReadonlySet<number> = new Set(),
): string[] {
  const all = [headings, ...rows]
  const widths = headings.map((_, column) =>
    Math.max(...all.map((row) => displayWidth(row[column] ?? ''))),
  )
  return all.map((row) =>
    row
      .map((cell, column) => {
        const room = ' '.repeat(Math.max((widths[column] ?? 0) - displayWidth(cell), 0))
        return numbers.has(column) ? room + cell : cell + room
      })
      .join('  ')
      .trimEnd(),
  )
}

const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']

/** A size as a person reads it: `845 B`, `1.5 KiB`, `120 MiB`. */
export function sizeText(bytes: number): string {
  let value = bytes
  let unit = 0
  while (value >= 1023.5 && unit < units.length - 1) {
    value /= 1024
    unit += 1
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : 1
  return `${value.toFixed(digits)} ${units[unit]}`
}
