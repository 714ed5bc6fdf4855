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
  const widths = titles.map((title, i) =>
    Math.max(title.length, ...cells.map((row) => row[i]?.length ?? 0)),
  )
  const line = (row: readonly string[]): string =>
    row
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
      .join('  ')
  const refused = rows.flatMap((row) =>
    row.refused.map((reason) => `  refused: ${row.contestant}, ${reason}`),
  )
  const budgets = verdicts.map(
    ({ budget, ratio, limit, met }) =>
      `  ${met ? 'met' : 'NOT MET'}: ${budget} = ${ratio.toFixed(2)}, budget ${limit}`,
  )
  return [
    `${rate} messages a second`,
    line(titles),
    ...cells.map(line),
    ...refused,
    ...budgets,
    '',
  ].join('\n')
}

function spreadText(spread: Spread | undefined, digits: number): string {
  if (spread === undefined) return '-'
  const { median, min, max } = spread
  return `${median.toFixed(digits)} [${min.toFixed(digits)}–${max.toFixed(digits)}]`
}

function numberText(value: number | undefined, digits: number): string {
  return value === undefined ? '-' : value.toFixed(digits)
}
