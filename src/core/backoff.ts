import type { Clock } from './clock.ts'

/** How long to wait between attempts. */
export interface BackoffPolicy {
  /** Wait before the second attempt, milliseconds. */
  readonly firstMs: number
  /** No wait is longer than this, jitter included. */
  readonly ceilingMs: number
}

/** Restarts of runners and hosts (DESIGN section 9). */
export const restartBackoff: BackoffPolicy = { firstMs: 200, ceilingMs: 60_000 }

/** Connection attempts to a broker. */
export const reconnectBackoff: BackoffPolicy = { firstMs: 500, ceilingMs: 30_000 }

/**
 * Wait before the next attempt: doubles from `firstMs` up to `ceilingMs`, then takes off up to a
 * fifth, so that those who failed together (broker outage, bad deploy) do not return together.
 *
 * @param failures - Consecutive failures; 1 for the first.
 * @param random - Source in [0, 1); injected so that tests are exact.
 * @returns Milliseconds, never above `ceilingMs`.
 */
export function backoffDelayMs(
  failures: number,
  policy: BackoffPolicy,
  random: () => number,
): number {
  const doublings = Math.min(Math.max(failures, 1) - 1, 30)
  const delay = Math.min(policy.firstMs * 2 ** doublings, policy.ceilingMs)
  return Math.round(delay * (1 - 0.2 * random()))
}

/**
 * Wait before the first restart of something that served: its model is loaded in no time, and one
 * death says nothing about the next. Milliseconds; those that died together differ by a fifth.
 */
const quickRestart: BackoffPolicy = { firstMs: 50, ceilingMs: 50 }

/** Health that makes old failures forgotten, milliseconds. */
export const healthyAfterMs = 5 * 60_000
/** Span in which failures to start are counted, milliseconds. */
export const startFailuresWindowMs = 60 * 60_000
/** Failures to start within the window that make a thing broken. */
const startFailuresMax = 3

/** What to do after a failure. */
export type RestartDecision =
  | { readonly action: 'restart'; readonly delayMs: number; readonly failures: number }
  | { readonly action: 'give-up'; readonly failures: number }

/**
 * What a death says of the model, when messages are suspected of it:
 * - `first`: it may be ill, or have met a message that kills it. Nobody was suspected before.
 * - `more`: it died again, and nothing speaks for it.
 * - `trial`: it died of suspects, and nothing is decided yet, or it has answered others meanwhile.
 * - `message`: a message is to blame, and others were answered meanwhile.
 */
export type DeathKind = 'first' | 'more' | 'trial' | 'message'

/**
 * Decides what follows the death of something that should run: restart with growing delays, or
 * give up after {@link startFailuresMax} failures to *start* within an hour. The first restart of
 * one that served comes almost at once, then the delays of {@link restartBackoff}. One that stayed up
 * for {@link healthyAfterMs} begins anew. A model is not made to pay for a message: the search for it
 * does not lengthen the delays as long as other messages are answered, and when it is found they are
 * what they were before. Pure but for the clock and the random source.
 */
export class RestartPolicy {
  readonly #clock: Clock
  readonly #random: () => number
  #failures = 0
  /** What {@link acquit} goes back to. */
  #failuresBefore = 0
  #upSince: number | undefined
  #startFailures: number[] = []

  constructor(clock: Clock, random: () => number = Math.random) {
    this.#clock = clock
    this.#random = random
  }

  /** It serves. */
  started(): void {
    this.#upSince = this.#clock.monotonic()
  }

  /** It died after it had served. */
  died(kind: DeathKind = 'first'): RestartDecision {
    if (kind === 'first') this.suspectMessage()
    if (kind === 'message') this.acquit()
    return this.#next(kind === 'first' || kind === 'more')
  }

  /**
   * A death, of this or of one that shares its fate, may be the fault of a message: what follows is
   * forgotten if that turns out.
   */
  suspectMessage(): void {
    this.#forgetIfHealthy()
    this.#failuresBefore = this.#failures
  }

  /** A message was to blame for the deaths since {@link suspectMessage}. */
  acquit(): void {
    this.#failures = Math.min(this.#failures, this.#failuresBefore)
  }

  /**
   * It never came up.
   *
   * @param options.counts - False for failures that no change of the thing itself can mend, such
   * as a server that is away: they are retried for ever and never make it broken.
   */
  failedToStart(options: { counts: boolean } = { counts: true }): RestartDecision {
    if (options.counts) {
      const now = this.#clock.monotonic()
      this.#startFailures = this.#startFailures.filter((at) => now - at < startFailuresWindowMs)
      this.#startFailures.push(now)
      if (this.#startFailures.length >= startFailuresMax) {
        return { action: 'give-up', failures: this.#startFailures.length }
      }
    }
    return this.#next(true)
  }

  #next(climbs: boolean): RestartDecision {
    this.#forgetIfHealthy()
    const hasServed = this.#upSince !== undefined
    this.#upSince = undefined
    if (climbs) this.#failures += 1
    const failures = Math.max(this.#failures, 1)
    const step = hasServed ? failures - 1 : failures
    const policy = step === 0 ? quickRestart : restartBackoff
    return { action: 'restart', delayMs: backoffDelayMs(step, policy, this.#random), failures }
  }

  #forgetIfHealthy(): void {
    const up = this.#upSince
    if (up === undefined || this.#clock.monotonic() - up < healthyAfterMs) return
    this.#failures = 0
    this.#failuresBefore = 0
  }
}
