import type { Clock, Timer } from '../../core/clock.ts'

/** What keep-alive needs, and what it decides. */
export interface KeepAliveParts {
  readonly clock: Clock
  /** Runs a task once what waits in the kernel has been read. */
  defer(task: () => void): void
  /** Nothing can be heard, because we do not read. Then silence means nothing. */
  isDeaf(): boolean
  /** Sends PINGREQ. */
  ping(): void
  /** The broker is gone. At most once. */
  silent(): void
}

/**
 * Keeps a connection alive, and finds out when it no longer is (MQTT 5.0, 3.1.2.10).
 *
 * Pings when nothing was *sent* for the interval, because the broker may then cut us off, and also
 * when nothing was *received* for it: a publisher that sends without end would else never learn
 * that nobody is there. Any byte that comes counts as life, not PINGRESP alone, which may be far
 * behind other packets. After a ping and one and a half intervals without a byte it is `silent`.
 *
 * No timer is moved by traffic: it looks at two time stamps when it fires.
 */
export class KeepAlive {
  readonly #parts: KeepAliveParts
  #intervalMs = 0
  #sentAt = 0
  #heardAt = 0
  /** When the broker was asked, if nothing came since. */
  #askedAt: number | undefined
  #timer: Timer | undefined

  constructor(parts: KeepAliveParts) {
    this.#parts = parts
  }

  /** @param intervalSeconds - 0 turns it off. */
  start(intervalSeconds: number): void {
    this.#intervalMs = intervalSeconds * 1000
    if (this.#intervalMs === 0) return
    this.#sentAt = this.#parts.clock.monotonic()
    this.#heardAt = this.#sentAt
    this.#setTimer()
  }

  /** To be called for every write. */
  sent(): void {
    if (this.#timer !== undefined) this.#sentAt = this.#parts.clock.monotonic()
  }

  /**
   * To be called for every piece that comes, and when reading starts again: the broker has a whole
   * interval from now.
   */
  heard(): void {
    if (this.#timer === undefined) return
    this.#heardAt = this.#parts.clock.monotonic()
    this.#askedAt = undefined
  }

  stop(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #setTimer(): void {
    const { clock } = this.#parts
    const delayMs = Math.max(1, this.#dueAt() - clock.monotonic())
    this.#timer = clock.after(delayMs, () => this.#look())
  }

  #dueAt(): number {
    const sendAt = this.#sentAt + this.#intervalMs
    if (this.#parts.isDeaf()) return sendAt
    return Math.min(sendAt, this.#silentAt() ?? this.#heardAt + this.#intervalMs)
  }

  /** When the broker is given up, once it was asked. A ping that left late gets its time as well. */
  #silentAt(): number | undefined {
    if (this.#askedAt === undefined) return undefined
    const half = this.#intervalMs / 2
    return Math.max(this.#heardAt + this.#intervalMs + half, this.#askedAt + half)
  }

  #look(): void {
    const now = this.#parts.clock.monotonic()
    const isDeaf = this.#parts.isDeaf()
    const silentAt = isDeaf ? undefined : this.#silentAt()
    if (silentAt !== undefined && now >= silentAt) {
      // If this process stood still, the answer waits in the kernel, and timers come before it.
      const heardAt = this.#heardAt
      this.#parts.defer(() => this.#giveUpUnlessHeardSince(heardAt))
      return
    }
    const mustBeHeard = now >= this.#sentAt + this.#intervalMs
    const mustAsk =
      !isDeaf && this.#askedAt === undefined && now >= this.#heardAt + this.#intervalMs
    if (mustBeHeard || mustAsk) {
      this.#sentAt = now
      this.#askedAt ??= now
      this.#parts.ping()
    }
    this.#setTimer()
  }

  #giveUpUnlessHeardSince(heardAt: number): void {
    if (this.#timer === undefined) return
    if (this.#heardAt !== heardAt || this.#parts.isDeaf()) this.#setTimer()
    else this.#parts.silent()
  }
}
