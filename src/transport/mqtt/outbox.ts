import type { WhenFull } from '../../config/settings.ts'
import { Deque } from '../../core/deque.ts'
import type { UnsettledResult } from '../transport.ts'

/** A result that waits for the broker, and who wants to know what became of it. */
export interface OutboxEntry extends UnsettledResult {
  /** Grows with every result of a sink. */
  readonly sequence: number
  /** When it is given up, on the monotonic clock; `Infinity` for never. */
  readonly deadlineAt: number
  /** It was sent on a connection that broke before the PUBACK. */
  mayHaveArrived: boolean
}

/** How much may wait, and what happens then. */
export interface OutboxBounds {
  readonly itemsMax: number
  readonly bytesMax: number
  readonly whenFull: WhenFull
}

/**
 * Results that wait for the broker, oldest first, bounded in number and bytes.
 *
 * Pure: it settles nothing itself but hands back what has to be given up. A single result larger
 * than all the room waits alone, so that its size is a matter for the broker to judge.
 */
export class Outbox {
  readonly #bounds: OutboxBounds
  readonly #entries = new Deque<OutboxEntry>()
  #bytes = 0

  constructor(bounds: OutboxBounds) {
    this.#bounds = bounds
  }

  get length(): number {
    return this.#entries.length
  }

  get oldest(): OutboxEntry | undefined {
    return this.#entries.peek()
  }

  /**
   * Takes a result in.
   *
   * @returns Those given up for want of room: the oldest ones with `drop-oldest`, else the new one.
   */
  push(entry: OutboxEntry): readonly OutboxEntry[] {
    const bytes = entryBytes(entry)
    if (this.#fits(bytes)) {
      this.#add(entry)
      return []
    }
    if (this.#bounds.whenFull !== 'drop-oldest') return [entry]
    const dropped: OutboxEntry[] = []
    while (!this.#fits(bytes)) {
      const oldest = this.shift()
      if (oldest === undefined) break
      dropped.push(oldest)
    }
    this.#add(entry)
    return dropped
  }

  shift(): OutboxEntry | undefined {
    const entry = this.#entries.shift()
    if (entry !== undefined) this.#bytes -= entryBytes(entry)
    return entry
  }

  /**
   * Takes results back to their place at the front, even above the bounds: they had room once.
   *
   * @param entries - In the order of their sequence.
   */
  putBack(entries: readonly OutboxEntry[]): void {
    const newest = entries.at(-1)
    if (newest === undefined) return
    // Older ones may be back already.
    const front = [...entries]
    while ((this.oldest?.sequence ?? newest.sequence) < newest.sequence) {
      const older = this.shift()
      if (older !== undefined) front.push(older)
    }
    for (const entry of front.sort((a, b) => b.sequence - a.sequence)) {
      this.#entries.unshift(entry)
      this.#bytes += entryBytes(entry)
    }
  }

  /** Takes all out, oldest first. */
  takeAll(): readonly OutboxEntry[] {
    return this.expired(Number.POSITIVE_INFINITY)
  }

  /** Takes out those whose deadline has come. */
  expired(now: number): readonly OutboxEntry[] {
    const expired: OutboxEntry[] = []
    for (;;) {
      const oldest = this.#entries.peek()
      if (oldest === undefined || oldest.deadlineAt > now) return expired
      this.shift()
      expired.push(oldest)
    }
  }

  #add(entry: OutboxEntry): void {
    this.#entries.push(entry)
    this.#bytes += entryBytes(entry)
  }

  #fits(bytes: number): boolean {
    if (this.#entries.length === 0) return true
    const { itemsMax, bytesMax } = this.#bounds
    return this.#entries.length < itemsMax && this.#bytes + bytes <= bytesMax
  }
}

function entryBytes(entry: OutboxEntry): number {
  return entry.message.payload.length
}
