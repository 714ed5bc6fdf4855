import type { EffectiveSettings, PipelineSettings } from '../config/settings.ts'
import { limits } from '../core/limits.ts'
import type { ModelPackage } from '../models/model-package.ts'

/**
 * Decides how a pipeline runs with a model: what the func says wins over the model's manifest, and
 * that over the defaults. `params` and `env` are merged key by key, their values never.
 *
 * Depends on the version of the model: another one may say otherwise in its manifest. Which
 * interpreter a Python model gets is decided where it is looked for, in the same order.
 */
export function effectiveSettings(
  pipeline: PipelineSettings,
  { manifest }: Pick<ModelPackage, 'manifest'>,
): EffectiveSettings {
  const { batch } = pipeline
  const memoryBytesMax = pipeline.memoryBytesMax ?? manifest?.memoryBytesMax
  return {
    ...pipeline,
    batch: {
      size: batch.size ?? manifest?.batch?.size ?? limits.batchItemsDefault,
      delayMs: batch.delayMs ?? manifest?.batch?.delayMs ?? 0,
    },
    timeoutMs: pipeline.timeoutMs ?? manifest?.timeoutMs ?? limits.eventMs,
    ...(memoryBytesMax === undefined ? {} : { memoryBytesMax }),
    params: { ...manifest?.params, ...pipeline.params },
    env: { ...manifest?.env, ...pipeline.env },
  }
}
