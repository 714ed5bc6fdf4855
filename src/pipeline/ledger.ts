import { LatencyHistogram } from './latency-histogram.ts'
import { dropReasons, type DropReason, type PipelineStats } from './pipeline-stats.ts'

/** Counts that are not the ledger's own: read when a snapshot is taken. */
export interface LiveCounts {
  readonly preQueue: number
  readonly inRunners: number
  readonly postQueue: number
  readonly runnerRestarts: number
  readonly reconnects: number
}

/**
 * The books of one pipeline. Counting costs no allocation; every event that comes in leaves by
 * `published` or by `dropped`, so that `received + fannedOut = published + dropped + inMotion`.
 */
export class Ledger {
  #received = 0
  #receivedBytes = 0
  #fannedOut = 0
  #published = 0
  #publishedBytes = 0
  #droppedSum = 0
  #retried = 0
  readonly #dropped: Record<DropReason, number> = noDrops()
  readonly #latency = new LatencyHistogram()

  received(bytes: number): void {
    this.#received += 1
    this.#receivedBytes += bytes
  }

  /** @param events - Events beyond the one that the message counts for. */
  fannedOut(events: number): void {
    this.#fannedOut += events
  }

  published(bytes: number, latencyMs: number): void {
    this.#published += 1
    this.#publishedBytes += bytes
    this.#latency.record(latencyMs)
  }

  dropped(reason: DropReason): void {
    this.#dropped[reason] += 1
    this.#droppedSum += 1
  }

  retried(events: number): void {
    this.#retried += events
  }

  /** Events that are somewhere in the pipeline. */
  get inMotion(): number {
    return this.#received + this.#fannedOut - this.#published - this.#droppedSum
  }

  snapshot(live: LiveCounts): PipelineStats {
    return {
      received: this.#received,
      receivedBytes: this.#receivedBytes,
      fannedOut: this.#fannedOut,
      published: this.#published,
      publishedBytes: this.#publishedBytes,
      dropped: { ...this.#dropped },
      inMotion: this.inMotion,
      retried: this.#retried,
      latency: this.#latency.snapshot(),
      ...live,
    }
  }
}

function noDrops(): Record<DropReason, number> {
  return Object.fromEntries(dropReasons.map((reason) => [reason, 0])) as Record<DropReason, number>
}

/** The counts of a pipeline that has not begun. */
export function emptyStats(): PipelineStats {
  return new Ledger().snapshot({
    preQueue: 0,
    inRunners: 0,
    postQueue: 0,
    runnerRestarts: 0,
    reconnects: 0,
  })
}

/**
 * The counts of a pipeline over several hosts: totals are added, what is live is `now`'s. What
 * was in motion when a host died was in no total yet, and stays uncounted at QoS 0.
 */
export function addStats(before: PipelineStats, now: PipelineStats): PipelineStats {
  const dropped = noDrops()
  for (const reason of dropReasons) dropped[reason] = before.dropped[reason] + now.dropped[reason]
  return {
    ...now,
    received: before.received + now.received,
    receivedBytes: before.receivedBytes + now.receivedBytes,
    fannedOut: before.fannedOut + now.fannedOut,
    published: before.published + now.published,
    publishedBytes: before.publishedBytes + now.publishedBytes,
    dropped,
    retried: before.retried + now.retried,
    runnerRestarts: before.runnerRestarts + now.runnerRestarts,
    reconnects: before.reconnects + now.reconnects,
    latency: {
      counts: now.latency.counts.map((count, i) => count + (before.latency.counts[i] ?? 0)),
      sumMs: before.latency.sumMs + now.latency.sumMs,
    },
  }
}
