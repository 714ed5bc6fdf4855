import type { PipelineSettings } from '../config/settings.ts'
import type { LogLevel } from '../core/log.ts'
import { effectiveSettings } from './effective-settings.ts'
import type { ToHost } from './host-messages.ts'
import type { ModelStanding } from './model-updates.ts'
import type { LoadedTarget } from './replacement.ts'

/** What is the same for every host of a pipeline. */
export interface StartSurroundings {
  /** The whole environment of a model, but for what func and manifest add. */
  readonly runnerEnvironment: Readonly<Record<string, string>>
  readonly logLevel: LogLevel
}

/** What a host is told to begin with: a pipeline and its model, with nothing left open. */
export function startOrder(
  { pipeline, model }: LoadedTarget,
  standing: ModelStanding,
  { runnerEnvironment, logLevel }: StartSurroundings,
): ToHost & { type: 'start' } {
  const settings = effectiveSettings(pipeline, model)
  const trial = trialOf(pipeline, standing)
  return { type: 'start', pipeline: settings, model, ...trial, runnerEnvironment, logLevel }
}

/** What a model has to go through that is loaded now. */
export function trialOf(
  { probation }: PipelineSettings,
  standing: ModelStanding,
): { readonly judge: boolean; readonly onProbation: boolean } {
  const onProbation = standing !== 'proven' && probation !== undefined
  return { judge: standing === 'new', onProbation }
}
