import { setImmediate } from 'node:timers/promises'
import type { Clock } from '../core/clock.ts'
import type { PipelineStats } from '../pipeline/pipeline-stats.ts'
import { explainRunning } from './explain-pipeline.ts'
import type { ExplainQuestion, PipelineExplanation } from './explanation.ts'
import { heartbeatIntervalMs } from './host-messages.ts'
import type { PipelineSupervisor } from './pipeline-supervisor.ts'
import type { PipelineStatus, SystemView } from './system-view.ts'

/** Silence of a host, or of our own event loop, that liveness no longer excuses. */
const silenceMsMax = 8 * heartbeatIntervalMs

/** All pipelines of an instance, and the view on them that the web and the terminal share. */
export class PipelineFleet implements SystemView {
  readonly version: string
  readonly startedAt: number
  readonly #supervisors: readonly PipelineSupervisor[]

  constructor(supervisors: readonly PipelineSupervisor[], version: string, clock: Clock) {
    this.#supervisors = supervisors
    this.version = version
    this.startedAt = clock.now()
  }

  /** Starts all at once. Resolves when every one has begun, ready or not. */
  async start(): Promise<void> {
    await Promise.all(this.#supervisors.map((supervisor) => supervisor.start()))
  }

  /** Stops all at once, each within the drain and a little more. Never rejects. */
  async stop(drainMs: number): Promise<void> {
    await Promise.all(this.#supervisors.map((supervisor) => supervisor.stop(drainMs)))
  }

  pipelines(): readonly PipelineStatus[] {
    return this.#supervisors.map((supervisor) => supervisor.status)
  }

  async stats(): Promise<ReadonlyMap<string, PipelineStats>> {
    const entries = this.#supervisors.map(
      async (supervisor) => [supervisor.status.name, await supervisor.stats()] as const,
    )
    return new Map(await Promise.all(entries))
  }

  async explain(question: ExplainQuestion): Promise<readonly PipelineExplanation[]> {
    let turn = Promise.resolve()
    const explanations = this.#supervisors.map((supervisor) => {
      // A turn of the event loop for each: a large message in many pipelines holds up nobody else.
      turn = turn.then(() => setImmediate())
      return turn.then(() => explainRunning(supervisor, question))
    })
    return Promise.all(explanations)
  }

  /** That this answers at all proves the main process; the hosts prove themselves by their heartbeats. */
  liveness(): { alive: boolean; reason: string } {
    for (const supervisor of this.#supervisors) {
      if (supervisor.silenceMs <= silenceMsMax) continue
      const seconds = Math.round(supervisor.silenceMs / 1000)
      const reason = `the host of ${supervisor.status.name} said nothing for ${seconds} s`
      return { alive: false, reason }
    }
    return { alive: true, reason: '' }
  }
}
