import type { EffectiveSettings, PipelineSettings } from '../config/settings.ts'
import type { Clock } from '../core/clock.ts'
import type { Logger } from '../core/log.ts'
import { childMark, markVariable } from '../core/process-mark.ts'
import type { ModelPackage } from '../models/model-package.ts'
import { readSamples } from '../models/read-samples.ts'
import type { ModelRelease } from '../pipeline/model-release.ts'
import { createRunner } from '../runtime/create-runner.ts'
import { GatedRunner } from '../runtime/gated-runner.ts'
import type { RunnerSpec } from '../runtime/runner.ts'
import { endAllOf } from './orphan-sweep.ts'

/** What of a pipeline's settings is a matter of its runners alone, and no secret of the pipeline. */
export type RunnerSettings = Pick<PipelineSettings, 'params' | 'env' | 'python' | 'memoryBytesMax'>

/** A version of the model that is to be loaded. */
export interface ReleaseOrder {
  readonly model: ModelPackage
  readonly runners: RunnerSettings
  /** Its samples decide whether it may serve; else they only warm it up. */
  readonly judge: boolean
}

/** What releases need from around them. */
export interface ModelReleasesParts {
  /** The whole environment of the model, but for what the settings add. */
  readonly runnerEnvironment: Readonly<Record<string, string>>
  /** Of this host, to mark what its runners start; without it they are not swept up after. */
  readonly mark: string | undefined
  readonly clock: Clock
  readonly log: Logger
}

/** Makes releases of a pipeline's model, each of whose runners passes the gate before it serves. */
export class ModelReleases {
  readonly #settings: EffectiveSettings
  readonly #parts: ModelReleasesParts
  #marks = 0

  constructor(settings: EffectiveSettings, parts: ModelReleasesParts) {
    this.#settings = settings
    this.#parts = parts
  }

  /** Runners that are started after one of them has passed are only warmed up. */
  release(order: ReleaseOrder): ModelRelease {
    const { model, runners } = order
    const { timeoutMs, name, rule, workers } = this.#settings
    const { clock, log, mark, runnerEnvironment } = this.#parts
    const { params, env, python, memoryBytesMax } = runners
    const spec: RunnerSpec = {
      pipeline: name,
      rule,
      model,
      params,
      env: { ...runnerEnvironment, ...env },
      ...(python === undefined ? {} : { python }),
      ...(memoryBytesMax === undefined ? {} : { memoryBytesMax }),
    }
    const inline = workers === 0
    let mustPass = order.judge
    return {
      version: model.version,
      create: (_index, listener) => {
        // One in the host itself shares the mark of the host.
        const own = mark === undefined || inline ? undefined : childMark(mark, (this.#marks += 1))
        const inner =
          own === undefined
            ? createRunner(spec, listener, { inline, clock })
            : createRunner({ ...spec, env: { ...spec.env, [markVariable]: own } }, listener, {
                inline,
                clock,
                ended: () => void endAllOf(own),
              })
        return new GatedRunner(inner, listener, {
          model,
          samples: () => readSamples(model),
          judges: () => mustPass,
          passed: () => (mustPass = false),
          timeoutMs,
          clock,
          log,
        })
      },
    }
  }
}
