import { backoffDelayMs, type BackoffPolicy } from '../../core/backoff.ts'
import type { Clock, Timer } from '../../core/clock.ts'
import type { OutboxEntry } from './outbox.ts'

/** Wait before a result that a broker has no room for is sent again. */
const refusedBackoff: BackoffPolicy = { firstMs: 500, ceilingMs: 30_000 }

/**
 * Holds sending back while a broker refuses results for now, such as for a quota.
 *
 * After a refusal nothing is sent until a jittered wait is over; then one result goes out alone,
 * and only when the broker has answered it for good the others follow. So a broker in need is not
 * hammered, and order suffers only towards results that were on their way when the refusal came.
 */
export class RefusalBackoff {
  readonly #clock: Clock
  readonly #random: () => number
  readonly #ready: () => void
  #refusals = 0
  /** Nothing is sent before it fires. */
  #timer: Timer | undefined
  #isProbing = false
  #probe: OutboxEntry | undefined

  /** @param ready - Called when results may be sent again. */
  constructor(clock: Clock, random: () => number, ready: () => void) {
    this.#clock = clock
    this.#random = random
    this.#ready = ready
  }

  /** Whether a result may be sent now. */
  get maySend(): boolean {
    return this.#timer === undefined && this.#probe === undefined
  }

  sent(entry: OutboxEntry): void {
    if (this.#isProbing) this.#probe = entry
  }

  /** The broker took the result, or will never take it. */
  answered(entry: OutboxEntry): void {
    if (this.#timer !== undefined) return
    if (!this.#isProbing) {
      this.#refusals = 0
      return
    }
    if (entry !== this.#probe) return
    this.#isProbing = false
    this.#probe = undefined
    this.#refusals = 0
    this.#ready()
  }

  /** The broker will not take the result now. */
  refused(): void {
    // Of several on their way at once, the first decides.
    if (this.#timer !== undefined) return
    this.#refusals += 1
    this.#probe = undefined
    this.#isProbing = true
    const delayMs = backoffDelayMs(this.#refusals, refusedBackoff, this.#random)
    this.#timer = this.#clock.after(delayMs, () => {
      this.#timer = undefined
      this.#ready()
    })
  }

  /** The connection is gone, and with it whatever it was waiting for. */
  reset(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#probe = undefined
    this.#isProbing = false
  }
}
