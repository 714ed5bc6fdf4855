import type { OutboxEntry } from './outbox.ts'

/**
 * Results that the session has and that are not settled, in the order of their publishing, from
 * which any one can be taken in constant time: PUBACKs need not come in order.
 */
export class InFlight {
  /** A set is iterated in the order in which it was filled. */
  #entries = new Set<OutboxEntry>()
  #newest = -1

  get size(): number {
    return this.#entries.size
  }

  get oldest(): OutboxEntry | undefined {
    // Asked for seldom: with every message this would be too dear.
    for (const entry of this.#entries) return entry
    return undefined
  }

  add(entry: OutboxEntry): void {
    if (entry.sequence > this.#newest) {
      this.#newest = entry.sequence
      this.#entries.add(entry)
      return
    }
    // One that the broker refused for now: it overtakes those that went out while it waited.
    const sorted = [...this.#entries, entry].toSorted((a, b) => a.sequence - b.sequence)
    this.#entries = new Set(sorted)
  }

  /** Takes one out. @returns Whether it was there: an answer may come for one that was withdrawn. */
  delete(entry: OutboxEntry): boolean {
    const wasThere = this.#entries.delete(entry)
    if (this.#entries.size === 0) this.#newest = -1
    return wasThere
  }

  /** Takes all out, oldest first. */
  takeAll(): OutboxEntry[] {
    const entries = [...this.#entries]
    this.#entries = new Set()
    this.#newest = -1
    return entries
  }
}
