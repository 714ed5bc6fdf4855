import { flushAfterMs, flushBytes } from './batch-codec.ts'
import type { InferOutcome } from './runner.ts'

/**
 * The outcomes of a batch on their way out, for executors that may know them in another order than
 * that of the events. What leaves is in order and without gaps.
 */
export class OutcomeStretch {
  readonly #emit: (first: number, outcomes: readonly InferOutcome[]) => void
  readonly #outcomes: (InferOutcome | undefined)[]
  #first = 0
  #bytes = 0
  #emittedAt = performance.now()

  constructor(items: number, emit: (first: number, outcomes: readonly InferOutcome[]) => void) {
    this.#outcomes = Array.from({ length: items })
    this.#emit = emit
  }

  set(index: number, outcome: InferOutcome): void {
    this.#outcomes[index] = outcome
    if (outcome.kind === 'value') this.#bytes += outcome.payload.length
  }

  /** Sends what can be sent, if the last time is long ago, or if it has grown large. */
  flushIfDue(): void {
    const now = performance.now()
    if (now - this.#emittedAt <= flushAfterMs && this.#bytes <= flushBytes) return
    this.#emittedAt = now
    this.#bytes = 0
    this.#send()
  }

  /** Sends the rest: every event has its outcome by now. */
  end(): void {
    this.#send()
  }

  #send(): void {
    const ready: InferOutcome[] = []
    for (let at = this.#first; at < this.#outcomes.length; at++) {
      const outcome = this.#outcomes[at]
      if (outcome === undefined) break
      this.#outcomes[at] = undefined // sent: its payload need not be kept
      ready.push(outcome)
    }
    if (ready.length === 0) return
    const first = this.#first
    this.#first += ready.length
    this.#emit(first, ready)
  }
}
