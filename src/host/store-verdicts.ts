import { asEdgebootError } from '../core/errors.ts'
import type { Logger } from '../core/log.ts'
import type { ModelPackage } from '../models/model-package.ts'
import type { ModelStore } from '../models/model-store.ts'
import type { ModelVerdicts } from './model-updates.ts'

/**
 * Keeps verdicts in the store of models. A folder that was put there by hand has no versions: nothing
 * is kept of it. A disk that takes no record is logged; what serves goes on, and only the next start
 * knows less.
 */
export function storeVerdicts(store: ModelStore, log: Logger): ModelVerdicts {
  const { versions } = store
  const kept = (work: Promise<unknown>, { name, version }: ModelPackage): void => {
    work.catch((thrown: unknown) => {
      const { code, message, fix } = asEdgebootError(thrown)
      log.warn('model.verdict-unrecorded', {
        model: name,
        modelVersion: version,
        code,
        error: message,
        fix,
      })
    })
  }
  return {
    tookOver: (model) => void versions.confirm(model),
    async standingOf({ name, sha256 }) {
      if (sha256 === undefined) return 'new'
      const { proven, active, history } = await versions.read(name)
      if (proven === sha256) return 'proven'
      const hasServed = [...(active === undefined ? [] : [active]), ...history]
      return hasServed.some((one) => one.sha256 === sha256) ? 'served' : 'new'
    },
    proved(model) {
      if (model.sha256 !== undefined) kept(versions.prove(model.name, model.sha256), model)
    },
    held(model, reason, by) {
      if (model.sha256 !== undefined) {
        kept(versions.hold(model.name, model.sha256, reason, by), model)
      }
    },
    predecessor: (source, model) => store.predecessor(source, model),
  }
}
