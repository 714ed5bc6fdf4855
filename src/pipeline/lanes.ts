import { Deque } from '../core/deque.ts'

/** What {@link Lanes} needs to know of what it carries. */
export interface LaneItem {
  /** Items of one key go through in order; `undefined` asks for no order at all. */
  readonly key: string | undefined
  readonly bytes: number
  /** A suspect, which may have killed a runner: it travels with nobody but those of its group. */
  readonly company: Company | undefined
}

/** A group of suspects. */
export interface Company {
  /** Grows with every group that is made. */
  readonly number: number
}

/** Whom a batch is made of: those under no suspicion, or one group of suspects. */
export type Travellers = 'innocent' | 'suspect'

interface Lane<T> {
  /** The key that its items share; without one `undefined`, or the group of suspects. */
  readonly id: string | Company | undefined
  readonly waiting: Deque<T>
  /** A batch with items of this key is under way. */
  busy: boolean
  /** The queue in which it stands; an entry in any other queue is a left-over. */
  ready: Deque<Lane<T>> | undefined
}

/**
 * The queue in front of the runners: a lane per key, in order within a lane, in parallel across
 * lanes, one batch under way per key. Work-conserving: whatever waits in a free lane can be taken
 * at once. Lanes without items and without a batch are forgotten, so that the number of devices
 * costs nothing over time.
 *
 * Suspects head their lanes and keep their order there, so that a batch of one group can be made of
 * many lanes; the oldest group goes first. Without an order to keep, each group has a lane of its own.
 *
 * A pure state machine: no clock, no callbacks. Every item pushed leaves by `take`, `dropOldest`
 * or `clear`, exactly once for every time it went in by `push` or `putBack`.
 */
export class Lanes<T extends LaneItem> {
  readonly #lanes = new Map<string | Company | undefined, Lane<T>>()
  /** Free lanes headed by an item under no suspicion. */
  #ready = new Deque<Lane<T>>()
  /** Free lanes headed by a suspect, by its group. */
  readonly #suspected = new Map<Company, Deque<Lane<T>>>()
  /** Items that wait, by arrival: a Set keeps its order and deletes in constant time. */
  readonly #arrivals = new Set<T>()
  #bytes = 0
  #suspects = 0

  /** Items that wait. */
  get size(): number {
    return this.#arrivals.size
  }

  /** Those of them that are suspects. */
  get suspects(): number {
    return this.#suspects
  }

  /** Bytes of the items that wait. */
  get bytes(): number {
    return this.#bytes
  }

  push(item: T): void {
    const lane = this.#laneOf(item)
    lane.waiting.push(item)
    this.#came(item)
    this.#offer(lane)
  }

  /**
   * The next batch: items of free lanes, whose lanes are then busy until `release`.
   *
   * @param itemsMax - At most this many items.
   * @param bytesMax - And this many bytes, but for a first item that is larger by itself.
   * @param who - `suspect` for those of the oldest group that has any.
   * @returns Empty when nothing of the kind can be taken.
   */
  take(itemsMax: number, bytesMax: number, who: Travellers = 'innocent'): T[] {
    const batch: T[] = []
    if (who === 'innocent') {
      this.#fill(batch, this.#ready, itemsMax, bytesMax)
      return batch
    }
    // What is left of a group is older than what its other half becomes: it is heard first.
    const groups = [...this.#suspected].toSorted(([one], [other]) => one.number - other.number)
    for (const [company, queue] of groups) {
      this.#fill(batch, queue, itemsMax, bytesMax)
      if (queue.length === 0) this.#suspected.delete(company)
      if (batch.length > 0) break
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
      const lane = this.#laneOf(item)
      lane.waiting.unshift(item)
      this.#came(item)
      this.#offer(lane)
    }
  }

  /** Takes out the item that has waited longest, or nothing when none waits. */
  dropOldest(): T | undefined {
    for (const item of this.#arrivals) {
      const lane = this.#lanes.get(laneId(item))
      // The oldest arrival heads its lane, unless retried items were put back before it.
      const oldest = lane?.waiting.shift()
      if (lane === undefined || oldest === undefined) return undefined
      this.#left(oldest)
      this.#offer(lane)
      this.#forgetIfIdle(lane)
      if (this.#suspects === 0) this.#disband()
      return oldest
    }
    return undefined
  }

  /** Takes out everything that waits. Lanes with a batch under way stay busy. */
  clear(): T[] {
    const items = [...this.#arrivals]
    this.#arrivals.clear()
    this.#bytes = 0
    this.#suspects = 0
    this.#ready = new Deque()
    this.#suspected.clear()
    for (const lane of this.#lanes.values()) {
      while (lane.waiting.shift() !== undefined) {
        // Emptied: the items are in the list above.
      }
      lane.ready = undefined
      this.#forgetIfIdle(lane)
    }
    return items
  }

  /** Lanes that are remembered; for tests of growth. */
  get laneCount(): number {
    return this.#lanes.size
  }

  /** Moves items from the heads of the lanes in `queue` into a batch of one kind. */
  #fill(batch: T[], queue: Deque<Lane<T>>, itemsMax: number, bytesMax: number): void {
    let bytes = 0
    // Each ready lane is looked at once; one that cannot be emptied goes back to the end.
    for (let looks = queue.length; looks > 0 && batch.length < itemsMax; looks--) {
      const lane = queue.shift()
      if (lane === undefined) break
      if (lane.ready !== queue) continue
      lane.ready = undefined
      const head = lane.waiting.peek()
      const before = batch.length
      for (let item = head; item?.company === head?.company; item = lane.waiting.peek()) {
        if (item === undefined || batch.length >= itemsMax) break
        if (batch.length > 0 && bytes + item.bytes > bytesMax) break
        lane.waiting.shift()
        this.#left(item)
        bytes += item.bytes
        batch.push(item)
      }
      if (batch.length > before && typeof lane.id === 'string') lane.busy = true
      this.#offer(lane)
      this.#forgetIfIdle(lane)
    }
  }

  #laneOf(item: T): Lane<T> {
    const id = laneId(item)
    let lane = this.#lanes.get(id)
    if (lane === undefined) {
      lane = { id, waiting: new Deque<T>(), busy: false, ready: undefined }
      this.#lanes.set(id, lane)
    }
    return lane
  }

  /** Puts a free lane into the queue of whoever heads it. */
  #offer(lane: Lane<T>): void {
    const head = lane.waiting.peek()
    if (lane.busy || head === undefined) return
    const queue = head.company === undefined ? this.#ready : this.#queueOf(head.company)
    if (lane.ready === queue) return
    lane.ready = queue
    queue.push(lane)
  }

  #queueOf(company: Company): Deque<Lane<T>> {
    let queue = this.#suspected.get(company)
    if (queue === undefined) {
      queue = new Deque()
      this.#suspected.set(company, queue)
    }
    return queue
  }

  #came(item: T): void {
    this.#arrivals.add(item)
    this.#bytes += item.bytes
    if (item.company !== undefined) this.#suspects += 1
  }

  #left(item: T): void {
    this.#arrivals.delete(item)
    this.#bytes -= item.bytes
    if (item.company !== undefined) this.#suspects -= 1
  }

  /** The last suspect was dropped: lanes that it left behind find their place. */
  #disband(): void {
    for (const queue of this.#suspected.values()) {
      for (const lane of queue) {
        if (lane.ready !== queue) continue
        lane.ready = undefined
        this.#forgetIfIdle(lane)
      }
    }
    this.#suspected.clear()
  }

  #forgetIfIdle(lane: Lane<T>): void {
    // A ready lane that was emptied by dropOldest is forgotten when `take` comes across it.
    if (lane.busy || lane.ready !== undefined || lane.waiting.length > 0) return
    if (this.#lanes.get(lane.id) === lane) this.#lanes.delete(lane.id)
  }
}

function laneId(item: LaneItem): string | Company | undefined {
  return item.key ?? item.company
}
