import { LatencyHistogram } from './latency-histogram.ts'
import { bookedTotals } from './books.ts'
import { dropReasons, type DropReason, type PipelineStats } from './pipeline-stats.ts'
import type { RecordableCounts } from './recorder.ts'

/** Counts that are not the ledger's own: read when a snapshot is taken. */
export interface LiveCounts {
  readonly preQueue: number
  readonly inRunners: number
  readonly postQueue: number
  readonly unacknowledged: number
  readonly deadLettersWaiting: number
  readonly runnerRestarts: number
  readonly runnerRecycles: number
  readonly reconnects: number
}

/**
 * The books of one pipeline. Counting costs no allocation. Every event that comes in leaves by
 * `published`, `dropped` or `spooled`, and what is on the disk, from now or from before, leaves by
 * `forwarded` or `discarded`: so the sum that {@link PipelineStats} promises holds at every step.
 */
export class Ledger implements RecordableCounts {
  #received = 0
  #receivedBytes = 0
  #fannedOut = 0
  #recovered = 0
  #redelivered = 0
  #sessionsLost = 0
  #spooled = 0
  #published = 0
  #publishedBytes = 0
  #droppedSum = 0
  #deadLettered = 0
  #deadLettersDiscarded = 0
  #copies = 0
  #replayed = 0
  #retried = 0
  readonly #dropped: Record<DropReason, number> = noDrops()
  readonly #latency = new LatencyHistogram()

  /** @param again - The broker says that it may have sent it before. */
  received(bytes: number, again: boolean): void {
    this.#received += 1
    this.#receivedBytes += bytes
    if (again) this.#redelivered += 1
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
    this.#drop(reason, 1)
  }

  /** An event became a result on the disk. */
  spooled(): void {
    this.#spooled += 1
  }

  /** @param results - On the disk from an earlier run. */
  recovered(results: number): void {
    this.#recovered += results
    this.#spooled += results
  }

  /** A result on the disk was published. When it was received is not known any more. */
  forwarded(bytes: number): void {
    this.#spooled -= 1
    this.#published += 1
    this.#publishedBytes += bytes
  }

  /** Results on the disk were given up. */
  discarded(reason: DropReason, results: number): void {
    this.#spooled -= results
    this.#drop(reason, results)
  }

  /** An event that is `dropped` is kept as a dead letter. */
  deadLettered(): void {
    this.#deadLettered += 1
  }

  /** @param letters - Of the oldest, which made room. */
  deadLettersDiscarded(letters: number): void {
    this.#deadLettersDiscarded += letters
  }

  /** A copy of a dead letter is on its way: from here on it is counted like a result. */
  copying(): void {
    this.#copies += 1
  }

  /** A copy was published. It says nothing of latency. */
  copied(bytes: number): void {
    this.#published += 1
    this.#publishedBytes += bytes
  }

  /** A dead letter is an event again. */
  replayed(): void {
    this.#replayed += 1
  }

  sessionLost(): void {
    this.#sessionsLost += 1
  }

  get sessionsLost(): number {
    return this.#sessionsLost
  }

  retried(events: number): void {
    this.#retried += events
  }

  /** Events that are somewhere in the pipeline, the disk left out. */
  get inMotion(): number {
    const came = this.#received + this.#fannedOut + this.#recovered + this.#replayed + this.#copies
    return came - this.#published - this.#droppedSum - this.#spooled
  }

  #drop(reason: DropReason, events: number): void {
    this.#dropped[reason] += events
    this.#droppedSum += events
  }

  fillBooks(values: Float64Array): void {
    values[0] = this.#received
    values[1] = this.#receivedBytes
    values[2] = this.#fannedOut
    values[3] = this.#recovered
    values[4] = this.#redelivered
    values[5] = this.#sessionsLost
    values[6] = this.#spooled
    values[7] = this.#published
    values[8] = this.#publishedBytes
    values[9] = this.#retried
    values[10] = this.#deadLettered
    values[11] = this.#deadLettersDiscarded
    values[12] = this.#copies
    values[13] = this.#replayed
    let place = bookedTotals.length
    for (const reason of dropReasons) values[place++] = this.#dropped[reason]
  }

  snapshot(live: LiveCounts): PipelineStats {
    return {
      received: this.#received,
      receivedBytes: this.#receivedBytes,
      fannedOut: this.#fannedOut,
      recovered: this.#recovered,
      redelivered: this.#redelivered,
      sessionsLost: this.#sessionsLost,
      spooled: this.#spooled,
      published: this.#published,
      publishedBytes: this.#publishedBytes,
      dropped: { ...this.#dropped },
      deadLettered: this.#deadLettered,
      deadLettersDiscarded: this.#deadLettersDiscarded,
      deadLetterCopies: this.#copies,
      replayed: this.#replayed,
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
    unacknowledged: 0,
    deadLettersWaiting: 0,
    runnerRestarts: 0,
    runnerRecycles: 0,
    reconnects: 0,
  })
}

/**
 * The counts of a pipeline over several hosts: totals are added, what is live is `now`'s. The
 * books of `before` are closed. What it left on the disk `now` has recovered, or will: it is taken
 * off there, so that it counts once.
 */
export function addStats(before: PipelineStats, now: PipelineStats): PipelineStats {
  const dropped = noDrops()
  for (const reason of dropReasons) dropped[reason] = before.dropped[reason] + now.dropped[reason]
  return {
    ...now,
    received: before.received + now.received,
    receivedBytes: before.receivedBytes + now.receivedBytes,
    fannedOut: before.fannedOut + now.fannedOut,
    recovered: before.recovered + now.recovered - before.spooled,
    redelivered: before.redelivered + now.redelivered,
    sessionsLost: before.sessionsLost + now.sessionsLost,
    published: before.published + now.published,
    publishedBytes: before.publishedBytes + now.publishedBytes,
    dropped,
    deadLettered: before.deadLettered + now.deadLettered,
    deadLettersDiscarded: before.deadLettersDiscarded + now.deadLettersDiscarded,
    deadLetterCopies: before.deadLetterCopies + now.deadLetterCopies,
    replayed: before.replayed + now.replayed,
    retried: before.retried + now.retried,
    runnerRestarts: before.runnerRestarts + now.runnerRestarts,
    runnerRecycles: before.runnerRecycles + now.runnerRecycles,
    reconnects: before.reconnects + now.reconnects,
    latency: {
      counts: now.latency.counts.map((count, i) => count + (before.latency.counts[i] ?? 0)),
      sumMs: before.latency.sumMs + now.latency.sumMs,
    },
  }
}

/**
 * The last word on a host that is gone: what was in motion, as far as it had told of it, is counted
 * under `reason`, so that the books balance. What it had on the disk stays there for the next.
 */
export function closeBooks(
  stats: PipelineStats,
  reason: 'crash' | 'unacknowledged',
): PipelineStats {
  const dropped = { ...stats.dropped, [reason]: stats.dropped[reason] + stats.inMotion }
  const nothing = {
    preQueue: 0,
    inRunners: 0,
    postQueue: 0,
    deadLettersWaiting: 0,
    inMotion: 0,
    unacknowledged: 0,
  }
  return { ...stats, ...nothing, dropped }
}
