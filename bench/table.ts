import type { Row, Spread, Verdict } from './summary.ts'

const titles = [
  'contestant',
  'CPU µs/message',
  'over its qos0',
  'main µs',
  'broker µs',
  'results/s',
  'p50 ms',
  'p99 ms',
]

/** The figures of one rate as text, with the runs that do not count and the budgets below. */
export function renderTable(
  rate: number,
  rows: readonly Row[],
  verdicts: readonly Verdict[],
): string {
  const cells = rows.map((row) => [
    row.contestant,
    spreadText(row.cpuUs, 1),
    spreadText(row.ratio, 2),
    numberText(row.mainUs, 1),
    numberText(row.brokerUs, 1),
    numberText(row.delivered, 0),
    numberText(row.p50Ms, 0),
    numberText(row.p99Ms, 0),
  ])
  const refused = rows.flatMap((row) =>
    row.refused.map((reason) => `  refused: ${row.contestant}, ${reason}`),
  )
  const budgets = verdicts.map(
    ({ budget, ratio, limit, met }) =>
      `  ${met ? 'met' : 'NOT MET'}: ${budget} = ${ratio.toFixed(2)}, budget ${limit}`,
  )
  return [
    `${rate} messages a second`,
    ...alignColumns([titles, ...cells]),
    ...refused,
    ...budgets,
    '',
  ].join('\n')
}

/** Rows as lines of text: the first column to the left, all others to the right. */
export function alignColumns(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)))
  return rows.map((row) =>
    row
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
      .join('  '),
  )
}

/** The median, and in brackets the lowest and the highest. */
export function spreadText(spread: Spread | undefined, digits: number): string {
  if (spread === undefined) return '-'
  const { median, min, max } = spread
  return `${median.toFixed(digits)} [${min.toFixed(digits)}–${max.toFixed(digits)}]`
}

function numberText(value: number | undefined, digits: number): string {
  return value === undefined ? '-' : value.toFixed(digits)
}
