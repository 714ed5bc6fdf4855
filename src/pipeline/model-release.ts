import type { Runner, RunnerListener } from '../runtime/runner.ts'

/**
 * One version of a model, as a pool runs it. It is known by its identity: two versions of a folder
 * may have the same name.
 */
export interface ModelRelease {
  /** For results, dead letters and log lines. */
  readonly version: string
  /** Makes a runner of it, which is to be started. */
  readonly create: (index: number, listener: RunnerListener) => Runner
}
