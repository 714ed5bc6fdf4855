import type { Clock } from '../core/clock.ts'
import type { Logger } from '../core/log.ts'
import type { PipelineState } from './system-view.ts'

/** What a record of states needs. */
export interface StateRecordParts {
  readonly clock: Clock
  readonly log: Logger
  /** State or reason changed. */
  readonly changed: () => void
}

/** The state of a pipeline, since when and why; every change of it is logged. */
export class StateRecord {
  readonly #parts: StateRecordParts
  #state: PipelineState = 'NEW'
  #reason = 'not started yet'
  #since: number

  constructor(parts: StateRecordParts) {
    this.#parts = parts
    this.#since = parts.clock.now()
  }

  /** As a status has it. */
  get view(): { readonly state: PipelineState; readonly since: number; readonly reason: string } {
    return { state: this.#state, since: this.#since, reason: this.#reason }
  }

  become(state: PipelineState, reason: string): void {
    const was = this.#state
    if (state === was && reason === this.#reason) return
    this.#state = state
    this.#reason = reason
    const { clock, log, changed } = this.#parts
    changed()
    if (state === was) return
    this.#since = clock.now()
    const level = state === 'BROKEN' ? 'error' : 'info'
    log.log(level, 'pipeline.state', { state, was, reason })
  }

  /** One that is broken stays so to the end: why is worth more than that it was stopped. */
  leave(reason: string): void {
    if (this.#state !== 'BROKEN') this.become('DRAINING', reason)
  }
}
