import { latencyBoundsMs, type PipelineStats } from './pipeline-stats.ts'

/**
 * Counts how long events took, in the buckets of {@link latencyBoundsMs}. Recording allocates
 * nothing: it happens once for every result.
 */
export class LatencyHistogram {
  readonly #counts: number[] = Array.from({ length: latencyBoundsMs.length + 1 }, () => 0)
  #sumMs = 0

  /** @param ms - What is negative, as after a step of the clock, counts as nothing. */
  record(ms: number): void {
    const duration = ms > 0 ? ms : 0
    const bucket = bucketOf(duration)
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1
    this.#sumMs += duration
  }

  /** A copy of what was counted so far. */
  snapshot(): PipelineStats['latency'] {
    return { counts: this.#counts.slice(), sumMs: this.#sumMs }
  }
}

/** The first bucket whose bound is not below `ms`; the one after the last bound when none is. */
function bucketOf(ms: number): number {
  let low = 0
  let high = latencyBoundsMs.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (ms <= (latencyBoundsMs[middle] ?? Infinity)) high = middle
    else low = middle + 1
  }
  return low
}

/**
 * The time within which a share of the events was done, estimated by assuming that the events of
 * a bucket lie evenly between its bounds.
 *
 * @param counts - As in `PipelineStats.latency`.
 * @param q - Share in [0, 1]: 0.99 for p99.
 * @returns Milliseconds; `undefined` when nothing was counted. For what lies beyond the last
 * bound, that bound: the truth is longer.
 */
export function quantileMs(counts: readonly number[], q: number): number | undefined {
  const total = counts.reduce((sum, count) => sum + count, 0)
  if (total === 0) return undefined
  const rank = Math.min(Math.max(q, 0), 1) * total
  let below = 0
  for (const [bucket, count] of counts.entries()) {
    if (count === 0 || below + count < rank) {
      below += count
      continue
    }
    const upper = latencyBoundsMs[bucket]
    if (upper === undefined) break
    const lower = latencyBoundsMs[bucket - 1] ?? 0
    return lower + (upper - lower) * ((rank - below) / count)
  }
  return latencyBoundsMs.at(-1)
}
