import type { Clock } from '../core/clock.ts'
import { withDeadline } from '../core/deadline.ts'
import type { Logger } from '../core/log.ts'
import type { SystemView } from '../host/system-view.ts'
import { emptyStats } from '../pipeline/ledger.ts'
import type { PipelineStats } from '../pipeline/pipeline-stats.ts'

/** The system view promises an answer within a second; a request waits no longer than this. */
const statsWaitMs = 2000

/** Counts of a pipeline that nobody knows anything of yet. */
export const noStats = emptyStats()

/** The counts of all pipelines by name; {@link noStats} stands in for those not in it. */
export type StatsByPipeline = ReadonlyMap<string, PipelineStats>

/**
 * Asks for the counts on behalf of the routes: requests that come together share one question,
 * and when the answer is late or fails they get the last one, with one warning in the log.
 */
export class StatsReader {
  readonly #view: SystemView
  readonly #clock: Clock
  readonly #log: Logger
  #asking: Promise<StatsByPipeline> | undefined
  #last: StatsByPipeline = new Map()
  #isLate = false

  constructor(view: SystemView, clock: Clock, log: Logger) {
    this.#view = view
    this.#clock = clock
    this.#log = log
  }

  /** Never rejects, and answers within two seconds. */
  async read(): Promise<StatsByPipeline> {
    const asking = (this.#asking ??= this.#ask())
    try {
      this.#last = await withDeadline(
        asking,
        statsWaitMs,
        this.#clock,
        () => new Error(`no answer within ${statsWaitMs} ms`),
      )
      this.#isLate = false
    } catch (error) {
      if (!this.#isLate) this.#log.warn('web.stats.late', { error: (error as Error).message })
      this.#isLate = true
    }
    if (this.#asking === asking) this.#asking = undefined
    return this.#last
  }

  async #ask(): Promise<StatsByPipeline> {
    return this.#view.stats()
  }
}
