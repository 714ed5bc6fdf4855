import type { Clock } from '../../core/clock.ts'

/**
 * Stamps before this (2020) were made by a machine without a battery that did not know the time
 * yet. Their age is not known, so it is no reason to give a result up.
 */
export const clockSetSince = Date.UTC(2020, 0, 1)

/**
 * Time as a spool counts it, in milliseconds since 1970: the wall clock when the spool was opened,
 * and from then on the monotonic one. A wall clock that is set while it runs makes nothing older,
 * and one that was ahead when the newest record was written makes nothing younger.
 */
export class SpoolClock {
  readonly #clock: Clock
  readonly #offset: number

  /** @param newest - Stamp of the newest record on the disk. */
  constructor(clock: Clock, newest: number | undefined) {
    this.#clock = clock
    this.#offset = Math.max(clock.now(), newest ?? 0) - clock.monotonic()
  }

  now(): number {
    return this.#clock.monotonic() + this.#offset
  }

  /** The stamp of what began at a time of the monotonic clock. */
  stampOf(monotonic: number): number {
    return monotonic + this.#offset
  }

  /** Whether a record is older than `ageMs`. */
  isOlder(created: number, ageMs: number): boolean {
    return created >= clockSetSince && created < this.now() - ageMs
  }
}
