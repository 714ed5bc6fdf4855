import type { PipelineStats } from '../pipeline/pipeline-stats.ts'
import { quantileMs } from '../pipeline/latency-histogram.ts'
import type { PipelineStatus } from '../host/system-view.ts'
import { characterWidth, displayWidth } from './display-width.ts'

/** One pipeline at one moment. */
export interface TableRow {
  readonly status: PipelineStatus
  readonly stats: PipelineStats
  /** Results per second since the row before. */
  readonly perSecond: number
}

const headings = ['PIPELINE', 'STATE', 'IN', 'OUT', 'PER S', 'P50', 'P99', 'QUEUES', 'DROPPED']
/** Columns with words; numbers stand to the right. */
const wordColumns = new Set([0, 1, 8])

/**
 * The table of what flows: one line per pipeline, with the reason under one that is not READY.
 * Pure: what is shown is what was given.
 *
 * @param columns - Width of the terminal; longer lines are cut.
 */
export function renderTable(rows: readonly TableRow[], columns: number): string[] {
  const cells = rows.map(({ status, stats, perSecond }) => [
    status.name,
    status.state,
    count(stats.received),
    count(stats.published),
    count(Math.round(perSecond)),
    milliseconds(quantileMs(stats.latency.counts, 0.5)),
    milliseconds(quantileMs(stats.latency.counts, 0.99)),
    `${stats.preQueue}/${stats.inRunners}/${stats.postQueue}`,
    droppedBy(stats),
  ])
  const widths = headings.map((heading, column) =>
    Math.max(displayWidth(heading), ...cells.map((row) => displayWidth(row[column] ?? ''))),
  )
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) => pad(cell, widths[column] ?? 0, wordColumns.has(column)))
      .join('  ')
      .trimEnd()
  const lines = [line(headings)]
  for (const [index, row] of cells.entries()) {
    lines.push(line(row))
    const status = rows[index]?.status
    if (status !== undefined && status.reason !== '') lines.push(`  └ ${status.reason}`)
  }
  return lines.map((text) => cut(text, columns))
}

/** What did not become a result, by reason; `empty` is a model that had nothing to say. */
function droppedBy(stats: PipelineStats): string {
  const parts = Object.entries(stats.dropped)
    .filter(([, events]) => events > 0)
    .map(([reason, events]) => `${reason} ${count(events)}`)
  return parts.join(', ')
}

function count(value: number): string {
  return value.toLocaleString('en-US')
}

function milliseconds(value: number | undefined): string {
  if (value === undefined) return '-'
  return value < 10 ? `${value.toFixed(1)} ms` : `${Math.round(value)} ms`
}

function pad(cell: string, width: number, left: boolean): string {
  const space = ' '.repeat(Math.max(width - displayWidth(cell), 0))
  return left ? cell + space : space + cell
}

function cut(text: string, columns: number): string {
  if (displayWidth(text) <= columns) return text
  let kept = ''
  let width = 0
  for (const character of text) {
    width += characterWidth(character)
    if (width > columns - 1) break
    kept += character
  }
  return `${kept}…`
}
