import { backoffDelayMs, type BackoffPolicy } from '../../core/backoff.ts'
import type { Clock } from '../../core/clock.ts'
import { errorClause, type EdgebootError } from '../../core/errors.ts'
import type { Logger } from '../../core/log.ts'

const retryBackoff: BackoffPolicy = { firstMs: 1000, ceilingMs: 30_000 }
const logEveryMs = 60_000

/** Keeps count of a disk that does not take anything: when to try again, and what to say of it. */
export class SpoolTrouble {
  readonly #clock: Clock
  readonly #log: Logger
  readonly #random: () => number
  #error: EdgebootError | undefined
  #since = 0
  #failures = 0
  #retryAt = 0
  #loggedAt = 0

  constructor(clock: Clock, log: Logger, random: () => number) {
    this.#clock = clock
    this.#log = log
    this.#random = random
  }

  /** What is wrong; `undefined` when nothing is. */
  get error(): EdgebootError | undefined {
    return this.#error
  }

  /** Whether the disk may be tried now. */
  get mayTry(): boolean {
    return this.#error === undefined || this.#clock.monotonic() >= this.#retryAt
  }

  /** Lets the next attempt be made at once. */
  retryNow(): void {
    this.#retryAt = 0
  }

  /** @param waiting - Results that wait for the disk. */
  failed(error: EdgebootError, waiting: number): void {
    const now = this.#clock.monotonic()
    const isNew = this.#error?.code !== error.code
    if (this.#error === undefined) this.#since = now
    this.#error = error
    this.#failures += 1
    this.#retryAt = now + backoffDelayMs(this.#failures, retryBackoff, this.#random)
    if (!isNew && now - this.#loggedAt < logEveryMs) return
    this.#loggedAt = now
    const { code, fix } = error
    this.#log.error('spool.unavailable', { code, error: errorClause(error), fix, waiting })
  }

  worked(): void {
    if (this.#error === undefined) return
    const afterMs = Math.round(this.#clock.monotonic() - this.#since)
    this.#log.info('spool.available', { afterMs, failures: this.#failures })
    this.forget()
  }

  forget(): void {
    this.#error = undefined
    this.#failures = 0
  }
}
