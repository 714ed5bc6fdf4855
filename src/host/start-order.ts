import type { LogLevel } from '../core/log.ts'
import { effectiveSettings } from './effective-settings.ts'
import type { ToHost } from './host-messages.ts'
import type { PipelineTarget } from './replacement.ts'

/** What is the same for every host of a pipeline. */
export interface StartSurroundings {
  /** The whole environment of a model, but for what func and manifest add. */
  readonly runnerEnvironment: Readonly<Record<string, string>>
  readonly logLevel: LogLevel
}

/** What a host is told to begin with: a pipeline and its model, with nothing left open. */
export function startOrder(
  { pipeline, model }: Required<PipelineTarget>,
  { runnerEnvironment, logLevel }: StartSurroundings,
): ToHost & { type: 'start' } {
  const settings = effectiveSettings(pipeline, model)
  return { type: 'start', pipeline: settings, model, runnerEnvironment, logLevel }
}
