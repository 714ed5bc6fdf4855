import type { ModelSource, PipelineSettings } from '../config/settings.ts'
import type { Clock } from '../core/clock.ts'
import type { Logger } from '../core/log.ts'
import type { ModelPackage } from '../models/model-package.ts'
import type { StartHostProcess } from './host-process.ts'
import type { ModelVerdicts } from './model-updates.ts'
import type { StartSurroundings } from './start-order.ts'
import type { ReadHostRecord } from './recorder/host-record.ts'

/** What a supervisor needs from around it. */
export interface PipelineSupervisorOptions extends StartSurroundings {
  readonly pipeline: PipelineSettings
  /** Gets a model onto the disk; called again when it failed for a reason that may pass. */
  readonly resolveModel: (
    model: ModelSource,
    onState: (state: 'FETCHING' | 'VERIFYING', detail: string) => void,
  ) => Promise<ModelPackage>
  readonly verdicts: ModelVerdicts
  readonly startHost: StartHostProcess
  readonly readHostRecord: ReadHostRecord
  readonly hostEnvironment: Readonly<Record<string, string>>
  readonly clock: Clock
  readonly random: () => number
  readonly log: Logger
}
