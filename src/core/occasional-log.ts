import type { Clock } from './clock.ts'
import type { LogFields, Logger, LogLevel } from './log.ts'

/** Kinds that are told apart; beyond these, everything shares one. */
const kindsMax = 100

/**
 * Logs what may happen with every message once per kind and minute, with the number of times that
 * it happened since: a flood of bad payloads is one line a minute, and no line is missing.
 */
export class OccasionalLog {
  readonly #log: Logger
  readonly #clock: Clock
  readonly #intervalMs: number
  readonly #kinds = new Map<string, { loggedAt: number; since: number }>()

  constructor(log: Logger, clock: Clock, intervalMs = 60_000) {
    this.#log = log
    this.#clock = clock
    this.#intervalMs = intervalMs
  }

  /**
   * @param kind - What is counted together, such as `decode/not-json`.
   * @param fields - Made only when the line is written.
   */
  write(level: LogLevel, event: string, kind: string, fields: () => LogFields): void {
    const known = this.#kinds.has(kind) || this.#kinds.size < kindsMax
    const slot = known ? kind : 'other'
    const now = this.#clock.monotonic()
    const seen = this.#kinds.get(slot)
    if (seen !== undefined && now - seen.loggedAt < this.#intervalMs) {
      seen.since += 1
      return
    }
    const more = seen === undefined || seen.since === 0 ? {} : { moreSinceLast: seen.since }
    this.#kinds.set(slot, { loggedAt: now, since: 0 })
    this.#log.log(level, event, { ...fields(), ...more })
  }
}
