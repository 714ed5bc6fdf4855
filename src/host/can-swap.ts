import { isDeepStrictEqual } from 'node:util'
import { sharesHost } from '../models/model-package.ts'
import { effectiveSettings } from './effective-settings.ts'
import type { LoadedTarget } from './replacement.ts'

/**
 * Whether a host can go over from one model to the other by itself, while messages flow: the two
 * differ in nothing but what each runner has for itself. Else the host is replaced. Not where the
 * model runs in the host's own event loop (`workers: 0`), nor from a kind that may take the host
 * along to one that cannot, or back: what is on record of messages under way depends on that. Nor
 * where nothing differs: then somebody wants the host to be restarted.
 */
export function canSwap(from: LoadedTarget, to: LoadedTarget): boolean {
  return (
    from.pipeline.workers > 0 &&
    from.model.name === to.model.name &&
    sharesHost(from.model) === sharesHost(to.model) &&
    !(isDeepStrictEqual(from.model, to.model) && isDeepStrictEqual(from.pipeline, to.pipeline)) &&
    isDeepStrictEqual(hostSettings(from), hostSettings(to))
  )
}

/** What the pipeline in the host is made with. */
function hostSettings({ pipeline, model }: LoadedTarget): object {
  const settings = effectiveSettings(pipeline, model)
  const { model: _model, params: _params, env: _env, ...rest } = settings
  const { python: _python, memoryBytesMax: _memoryBytesMax, ...fixed } = rest
  return fixed
}
