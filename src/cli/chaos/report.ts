import type { PipelineAccount } from './ledger.ts'
import type { RecoveryTimes } from './recovery.ts'

/** What a chaos run came to. */
export interface ChaosReport {
  /** Repeats the run. */
  readonly seed: number
  readonly config: string
  /** Different messages that were sent. */
  readonly messages: number
  /** While they were sent and things broke. */
  readonly seconds: number
  /** How often each fault struck. */
  readonly faults: Readonly<Record<string, number>>
  readonly accounts: readonly PipelineAccount[]
  readonly lost: number
  readonly inversions: number
  readonly recovery: readonly RecoveryTimes[]
  /** From the end of the last fault until all was in. */
  readonly recoveredMs: number
  /** What must not be, besides losses: such as processes that outlived their parents. */
  readonly violations: readonly string[]
  /** What could not be done. */
  readonly skipped: readonly string[]
}

/** The report as a person reads it. Pure. */
export function renderReport(report: ChaosReport): string {
  const kills = Object.entries(report.faults).filter(([name]) => name.startsWith('kill'))
  const killed = kills.reduce((sum, [, times]) => sum + times, 0)
  const lines = [
    '',
    `${count(report.messages)} messages in ${report.seconds} s, ${killed} kills, seed ${report.seed}`,
    `faults: ${list(report.faults) || 'none'}`,
    '',
  ]
  for (const account of report.accounts) lines.push(...renderAccount(account), '')
  lines.push(...renderRecovery(report), '')
  for (const text of report.skipped) lines.push(`left out: ${text}`)
  for (const text of report.violations) lines.push(`✘ ${text}`)
  lines.push(verdict(report), '')
  return lines.join('\n')
}

/** Whether nothing was lost, out of order or otherwise as it must not be. */
export function isSound(report: ChaosReport): boolean {
  return report.lost + report.inversions + report.violations.length === 0
}

function renderAccount(account: PipelineAccount): string[] {
  const { sent, delivered, deadLettered, dropped, lost } = account
  const reasons = Object.entries(dropped).map(([reason, events]) => `${count(events)} ${reason}`)
  const sum = Object.values(dropped).reduce((total, events) => total + events, 0)
  const lines = [
    account.pipeline,
    `  sent ${count(sent)} = delivered ${count(delivered)} + dead-lettered ${count(deadLettered)}` +
      ` + dropped ${count(sum)}${reasons.length === 0 ? '' : ` (${reasons.join(', ')})`}` +
      ` + LOST ${count(lost)}`,
    `  ${count(account.duplicates)} duplicates, ${count(account.inversions.length)} out of order`,
  ]
  if (lost > 0) lines.push(`  lost, for example: ${account.lostExamples.join(', ')}`)
  if (account.inversions.length > 0) {
    lines.push(`  out of order, for example: ${account.inversions.slice(0, 5).join(', ')}`)
  }
  return lines
}

function renderRecovery({ recovery, recoveredMs }: ChaosReport): string[] {
  const width = Math.max(0, ...recovery.map(({ fault }) => fault.length))
  const lines = recovery.map(
    ({ fault, times, medianMs, worstMs }) =>
      `  after ${fault.padEnd(width)}  ${time(medianMs)} (median of ${times}, worst ${time(worstMs)})`,
  )
  return [
    'time until the pipelines answered again what was sent after the fault:',
    ...lines,
    `after the last fault all was in within ${time(recoveredMs)}`,
  ]
}

function verdict(report: ChaosReport): string {
  if (isSound(report)) return '✔ nothing lost, nothing out of order'
  const found = [
    ...(report.lost > 0 ? [`${count(report.lost)} lost`] : []),
    ...(report.inversions > 0 ? [`${count(report.inversions)} out of order`] : []),
    ...(report.violations.length > 0
      ? [`${report.violations.length} otherwise not as it must be`]
      : []),
  ]
  return `✘ ${found.join(', ')}`
}

function list(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .map(([name, times]) => `${name} ${times}`)
    .join(', ')
}

function count(value: number): string {
  return value.toLocaleString('en-US')
}

function time(ms: number): string {
  return ms < 1000 ? `${ms} ms` : `${(ms / 1000).toFixed(1)} s`
}
