import type { EffectiveSettings, PipelineSettings } from '../config/settings.ts'
import { limits } from '../core/limits.ts'
import type { ModelPackage } from '../models/model-package.ts'

/** What both a func and the manifest of its model may say of how the model runs. */
export type ModelWishes = Pick<
  PipelineSettings,
  'batch' | 'timeoutMs' | 'memoryBytesMax' | 'params' | 'env'
>

/**
 * Decides how a pipeline, or whoever else has wishes, runs with a model: what the func says wins over
 * the model's manifest, and that over the defaults. `params` and `env` are merged key by key, their
 * values never.
 *
 * Depends on the version of the model: another one may say otherwise in its manifest. Which
 * interpreter a Python model gets is decided where it is looked for, in the same order.
 */
export function effectiveSettings<Wishes extends ModelWishes>(
  wishes: Wishes,
  { manifest }: Pick<ModelPackage, 'manifest'>,
): Wishes & Pick<EffectiveSettings, keyof ModelWishes> {
  const { batch } = wishes
  const memoryBytesMax = wishes.memoryBytesMax ?? manifest?.memoryBytesMax
  return {
    ...wishes,
    batch: {
      size: batch.size ?? manifest?.batch?.size ?? limits.batchItemsDefault,
      delayMs: batch.delayMs ?? manifest?.batch?.delayMs ?? 0,
    },
    timeoutMs: wishes.timeoutMs ?? manifest?.timeoutMs ?? limits.eventMs,
    ...(memoryBytesMax === undefined ? {} : { memoryBytesMax }),
    params: { ...manifest?.params, ...wishes.params },
    env: { ...manifest?.env, ...wishes.env },
  }
}
