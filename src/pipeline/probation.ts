import type { ProbationSettings } from '../config/settings.ts'
import type { Clock, Timer } from '../core/clock.ts'
import type { ModelRelease } from './model-release.ts'
import type { PipelineLimits, PipelineParts } from './pipeline-parts.ts'
import type { RunnerPool } from './runner-pool.ts'
import type { Task } from './task.ts'

/** Without a number of messages to come, a share of fewer than this says nothing before the end. */
const evidenceMin = 100
/** What p99 leaves for slower ones. */
const slowShare = 0.01

/** What became of a probation. */
export interface ProbationVerdict {
  readonly passed: boolean
  /** A clause with numbers. */
  readonly reason: string
}

/** What a probation needs. */
export interface ProbationParts {
  readonly limits: ProbationSettings
  readonly clock: Clock
  /** Once for every time that it began, unless it was ended before. */
  readonly decided: (verdict: ProbationVerdict) => void
}

/**
 * Watches the first messages of a version that took over. An error is what the model threw, and an
 * event that was given up with it (`deadline`, `crash`). Latency is counted from the arrival of a
 * message to the answer of the model, for what arrived after the take-over: the wait for a slow model
 * counts, the way to the output broker does not. The verdict falls as soon as it is certain: when
 * there are more errors, or more slow answers, than all messages together may have; without a number
 * of messages, than those so far, or 100 if they are fewer, may have. At the end what there is decides,
 * and nothing at all is no fault.
 */
export class Probation {
  readonly #parts: ProbationParts
  #release: ModelRelease | undefined
  #isExpected = false
  #beganAt = 0
  #timer: Timer | undefined
  #answers = 0
  #errors = 0
  /** Of which the latency counts. */
  #timed = 0
  #slow = 0

  constructor(parts: ProbationParts) {
    this.#parts = parts
  }

  /** The first release that is ready is on probation. */
  expect(): void {
    this.#isExpected = true
  }

  /** Runners came or went: the first that serves may be waited for, and none may be left. */
  poolChanged({ state, release }: Pick<RunnerPool, 'state' | 'release'>): void {
    if (state.status === 'ready' && this.#isExpected) this.tookOver(release, true)
    const isAway = state.status === 'backoff' || state.status === 'broken'
    if (isAway && this.#release === release) {
      this.#decide(false, `all of its runners were lost: ${state.reason}`)
    }
  }

  /** A release serves from now on: what was on probation before is so no more. */
  tookOver(release: ModelRelease, onProbation: boolean): void {
    this.end()
    if (!onProbation) return
    const { clock, limits } = this.#parts
    this.#release = release
    this.#beganAt = clock.monotonic()
    this.#answers = this.#errors = this.#timed = this.#slow = 0
    const { durationMs } = limits
    if (durationMs !== undefined) this.#timer = clock.after(durationMs, () => this.#conclude())
  }

  /** Ends without a verdict. */
  end(): void {
    this.#isExpected = false
    this.#timer?.cancel()
    this.#release = undefined
  }

  /** An event is through with the model. Costs a comparison when nothing is on probation. */
  answered(task: Task, isError: boolean): void {
    if (this.#release === undefined || task.release !== this.#release) return
    const { limits, clock } = this.#parts
    this.#answers += 1
    if (isError) this.#errors += 1
    const { receivedAtMs } = task.origin
    if (limits.p99MsMax !== undefined && receivedAtMs >= this.#beganAt) {
      this.#timed += 1
      if (clock.monotonic() - receivedAtMs > limits.p99MsMax) this.#slow += 1
    }
    this.#judge()
  }

  #judge(): void {
    const { messages } = this.#parts.limits
    const whole = (so: number): number => messages ?? Math.max(so, evidenceMin)
    const fault = this.#fault(whole(this.#answers), whole(this.#timed))
    if (fault !== undefined) this.#decide(false, fault)
    else if (messages !== undefined && this.#answers >= messages) this.#conclude()
  }

  #conclude(): void {
    const fault = this.#fault(this.#answers, this.#timed)
    const text = `${this.#errors} errors in ${this.#answers} messages`
    this.#decide(fault === undefined, fault ?? text)
  }

  /** @param answers - What the errors are a share of. @param timed - What the slow ones are. */
  #fault(answers: number, timed: number): string | undefined {
    const { errorRateMax, p99MsMax } = this.#parts.limits
    if (errorRateMax !== undefined && this.#errors > errorRateMax * answers) {
      return `${this.#errors} errors in ${this.#answers} messages, more than the error rate of ${errorRateMax} allows`
    }
    if (p99MsMax !== undefined && this.#slow > slowShare * timed) {
      return `${this.#slow} of ${this.#timed} answers took longer than ${p99MsMax} ms, so p99 does`
    }
    return undefined
  }

  #decide(passed: boolean, reason: string): void {
    this.end()
    this.#parts.decided({ passed, reason })
  }
}

/** The probation of a pipeline, if it has one. */
export function createProbation(
  parts: Pick<PipelineParts, 'clock' | 'probationDecided'>,
  { probation }: Pick<PipelineLimits, 'probation'>,
): Probation | undefined {
  if (probation === undefined) return undefined
  const { clock, probationDecided } = parts
  return new Probation({ limits: probation, clock, decided: probationDecided })
}
