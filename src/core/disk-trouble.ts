import { backoffDelayMs, type BackoffPolicy } from './backoff.ts'
import type { Clock } from './clock.ts'
import { errorClause, type EdgebootError } from './errors.ts'
import type { Logger } from './log.ts'

const retryBackoff: BackoffPolicy = { firstMs: 1000, ceilingMs: 30_000 }
const logEveryMs = 60_000

/** What a disk's trouble is told with. */
export interface DiskTroubleParts {
  readonly clock: Clock
  readonly log: Logger
  /** Source in [0, 1). */
  readonly random: () => number
  /** Names of the log lines. */
  readonly events: { readonly unavailable: string; readonly available: string }
}

/** Keeps count of a disk that does not take anything: when to try again, and what to say of it. */
export class DiskTrouble {
  readonly #parts: DiskTroubleParts
  #error: EdgebootError | undefined
  #since = 0
  #failures = 0
  #retryAt = 0
  #loggedAt = 0

  constructor(parts: DiskTroubleParts) {
    this.#parts = parts
  }

  /** What is wrong; `undefined` when nothing is. */
  get error(): EdgebootError | undefined {
    return this.#error
  }

  /** Whether the disk may be tried now. */
  get mayTry(): boolean {
    return this.retryInMs === 0
  }

  /** Milliseconds until the disk may be tried. */
  get retryInMs(): number {
    if (this.#error === undefined) return 0
    return Math.max(this.#retryAt - this.#parts.clock.monotonic(), 0)
  }

  /** Lets the next attempt be made at once. */
  retryNow(): void {
    this.#retryAt = 0
  }

  /** @param waiting - What waits for the disk, in number. */
  failed(error: EdgebootError, waiting: number): void {
    const { clock, random, log, events } = this.#parts
    const now = clock.monotonic()
    const isNew = this.#error?.code !== error.code
    if (this.#error === undefined) this.#since = now
    this.#error = error
    this.#failures += 1
    this.#retryAt = now + backoffDelayMs(this.#failures, retryBackoff, random)
    if (!isNew && now - this.#loggedAt < logEveryMs) return
    this.#loggedAt = now
    const { code, fix } = error
    log.error(events.unavailable, { code, error: errorClause(error), fix, waiting })
  }

  worked(): void {
    if (this.#error === undefined) return
    const { clock, log, events } = this.#parts
    const afterMs = Math.round(clock.monotonic() - this.#since)
    log.info(events.available, { afterMs, failures: this.#failures })
    this.forget()
  }

  forget(): void {
    this.#error = undefined
    this.#failures = 0
  }
}
