import { Deque } from '../core/deque.ts'

/** What {@link Lanes} needs to know of what it carries. */
export interface LaneItem {
  /** Items of one key go through in order; `undefined` asks for no order at all. */
  readonly key: string | undefined
  readonly bytes: number
  /** Travels in a batch of its own: it may have killed a runner. */
  readonly alone: boolean
}

interface Lane<T> {
  readonly key: string | undefined
  readonly waiting: Deque<T>
  /** A batch with items of this key is under way. */
  busy: boolean
  /** It stands in the ready queue. */
  ready: boolean
}

/**
 * The queue in front of the runners: a lane per key, in order within a lane, in parallel across
 * lanes, one batch under way per key. Work-conserving: whatever waits in a free lane can be taken
 * at once. Lanes without items and without a batch are forgotten, so that the number of devices
 * costs nothing over time.
 *
 * A pure state machine: no clock, no callbacks. Every item pushed leaves by `take`, `dropOldest`
 * or `clear`, exactly once for every time it went in by `push` or `putBack`.
 */
export class Lanes<T extends LaneItem> {
  readonly #lanes = new Map<string | undefined, Lane<T>>()
  readonly #ready = new Deque<Lane<T>>()
  /** Items that wait, by arrival: a Set keeps its order and deletes in constant time. */
  readonly #arrivals = new Set<T>()
  #bytes = 0

  /** Items that wait. */
  get size(): number {
    return this.#arrivals.size
  }

  /** Bytes of the items that wait. */
  get bytes(): number {
    return this.#bytes
  }

  push(item: T): void {
    const lane = this.#laneOf(item.key)
    lane.waiting.push(item)
    this.#arrivals.add(item)
    this.#bytes += item.bytes
    this.#offer(lane)
  }

  /**
   * The next batch: items of free lanes, whose lanes are then busy until `release`.
   *
   * @param itemsMax - At most this many items.
   * @param bytesMax - And this many bytes, but for a first item that is larger by itself.
   * @returns Empty when nothing can be taken.
   */
  take(itemsMax: number, bytesMax: number): T[] {
    const batch: T[] = []
    let bytes = 0
    // Each ready lane is looked at once; one that cannot be emptied goes back to the end.
    for (let looks = this.#ready.length; looks > 0 && batch.length < itemsMax; looks--) {
      const lane = this.#ready.shift()
      if (lane === undefined) break
      lane.ready = false
      const before = batch.length
      for (let item = lane.waiting.peek(); item !== undefined; item = lane.waiting.peek()) {
        const fits = batch.length === 0 || (!item.alone && bytes + item.bytes <= bytesMax)
        if (batch.length >= itemsMax || batch[0]?.alone === true || !fits) break
        lane.waiting.shift()
        this.#arrivals.delete(item)
        this.#bytes -= item.bytes
        bytes += item.bytes
        batch.push(item)
      }
      if (batch.length > before && lane.key !== undefined) lane.busy = true
      this.#offer(lane)
      this.#forgetIfIdle(lane)
    }
    return batch
  }

  /** The batch is over: its lanes are free again. */
  release(batch: readonly T[]): void {
    for (const item of batch) {
      if (item.key === undefined) continue
      const lane = this.#lanes.get(item.key)
      if (lane === undefined || !lane.busy) continue
      lane.busy = false
      this.#offer(lane)
      this.#forgetIfIdle(lane)
    }
  }

  /** Puts items of a batch that was lost back to the heads of their lanes, in their order. Call before `release`. */
  putBack(items: readonly T[]): void {
    for (let i = items.length - 1; i >= 0; i--) {
      const item = items[i] as T
      const lane = this.#laneOf(item.key)
      lane.waiting.unshift(item)
      this.#arrivals.add(item)
      this.#bytes += item.bytes
      this.#offer(lane)
    }
  }

  /** Takes out the item that has waited longest, or nothing when none waits. */
  dropOldest(): T | undefined {
    for (const item of this.#arrivals) {
      const lane = this.#lanes.get(item.key)
      // The oldest arrival heads its lane, unless retried items were put back before it.
      const oldest = lane?.waiting.shift()
      if (lane === undefined || oldest === undefined) return undefined
      this.#arrivals.delete(oldest)
      this.#bytes -= oldest.bytes
      this.#forgetIfIdle(lane)
      return oldest
    }
    return undefined
  }

  /** Takes out everything that waits. Lanes with a batch under way stay busy. */
  clear(): T[] {
    const items = [...this.#arrivals]
    this.#arrivals.clear()
    this.#bytes = 0
    for (const lane of this.#lanes.values()) {
      while (lane.waiting.shift() !== undefined) {
        // Emptied: the items are in the list above.
      }
      this.#forgetIfIdle(lane)
    }
    return items
  }

  /** Lanes that are remembered; for tests of growth. */
  get laneCount(): number {
    return this.#lanes.size
  }

  #laneOf(key: string | undefined): Lane<T> {
    let lane = this.#lanes.get(key)
    if (lane === undefined) {
      lane = { key, waiting: new Deque<T>(), busy: false, ready: false }
      this.#lanes.set(key, lane)
    }
    return lane
  }

  #offer(lane: Lane<T>): void {
    if (lane.ready || lane.busy || lane.waiting.length === 0) return
    lane.ready = true
    this.#ready.push(lane)
  }

  #forgetIfIdle(lane: Lane<T>): void {
    // A ready lane that was emptied by dropOldest is forgotten when `take` comes across it.
    if (lane.busy || lane.ready || lane.waiting.length > 0) return
    if (this.#lanes.get(lane.key) === lane) this.#lanes.delete(lane.key)
  }
}
