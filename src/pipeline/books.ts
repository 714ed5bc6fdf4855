import { dropReasons, type DropReason, type PipelineStats } from './pipeline-stats.ts'

/** Totals that are recorded, in the order in which a ledger fills them in. */
export const bookedTotals = [
  'received',
  'receivedBytes',
  'fannedOut',
  'recovered',
  'redelivered',
  'sessionsLost',
  'spooled',
  'published',
  'publishedBytes',
  'retried',
  'deadLettered',
  'deadLettersDiscarded',
  'deadLetterCopies',
  'replayed',
] as const satisfies readonly (keyof PipelineStats)[]

const droppedPrefix = 'dropped.'

/** The name of each number that is recorded: the totals, then every reason for a drop. */
export const bookNames: readonly string[] = [
  ...bookedTotals,
  ...dropReasons.map((reason) => droppedPrefix + reason),
]

/** What is known of a pipeline by its records alone. */
export type BookedStats = Pick<
  PipelineStats,
  (typeof bookedTotals)[number] | 'dropped' | 'inMotion'
>

/**
 * Reads recorded numbers by their names: another version may know other ones. What is missing is
 * 0, and what was counted under a name that is gone counts as in motion, so that the sum holds.
 */
export function readBooks(numbers: ReadonlyMap<string, number>): BookedStats {
  const totals = Object.fromEntries(bookedTotals.map((name) => [name, numbers.get(name) ?? 0]))
  const dropped = Object.fromEntries(
    dropReasons.map((reason) => [reason, numbers.get(droppedPrefix + reason) ?? 0]),
  ) as Record<DropReason, number>
  const stats = { ...totals, dropped, inMotion: 0 } as BookedStats
  const { received, fannedOut, recovered, replayed, deadLetterCopies } = stats
  const { published, spooled } = stats
  const droppedSum = Object.values(dropped).reduce((sum, count) => sum + count, 0)
  const came = received + fannedOut + recovered + replayed + deadLetterCopies
  const inMotion = came - published - spooled - droppedSum
  return { ...stats, inMotion }
}

/** The numbers of {@link readBooks}, to be recorded again. */
export function namedBooks(stats: BookedStats): [string, number][] {
  return [
    ...bookedTotals.map((name): [string, number] => [name, stats[name]]),
    ...dropReasons.map((reason): [string, number] => [
      droppedPrefix + reason,
      stats.dropped[reason],
    ]),
  ]
}
