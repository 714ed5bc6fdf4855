import type { Clock, Timer } from '../../src/core/clock.ts'

interface Pending {
  readonly at: number
  readonly order: number
  readonly callback: () => void
}

/** A clock that stands still until told to move. Timers fire in the order of their time. */
export class FakeClock implements Clock {
  #now: number
  #elapsed = 0
  #order = 0
  readonly #pending = new Set<Pending>()

  constructor(now = 1_700_000_000_000) {
    this.#now = now
  }

  now(): number {
    return this.#now + this.#elapsed
  }

  monotonic(): number {
    return this.#elapsed
  }

  after(delayMs: number, callback: () => void): Timer {
    const pending = { at: this.#elapsed + delayMs, order: this.#order++, callback }
    this.#pending.add(pending)
    return { cancel: () => void this.#pending.delete(pending) }
  }

  /** How many timers are set. */
  get timers(): number {
    return this.#pending.size
  }

  /** Moves time on, firing what falls due, timers set on the way included. */
  advance(ms: number): void {
    const until = this.#elapsed + ms
    for (;;) {
      let next: Pending | undefined
      for (const pending of this.#pending) {
        if (pending.at > until) continue
        const earlier =
          next === undefined ||
          pending.at < next.at ||
          (pending.at === next.at && pending.order < next.order)
        if (earlier) next = pending
      }
      if (next === undefined) break
      this.#pending.delete(next)
      this.#elapsed = Math.max(this.#elapsed, next.at)
      next.callback()
    }
    this.#elapsed = until
  }
}
