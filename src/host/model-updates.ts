import type { ModelSource } from '../config/settings.ts'
import type { Clock } from '../core/clock.ts'
import type { EdgebootError } from '../core/errors.ts'
import type { Logger } from '../core/log.ts'
import type { ModelPackage } from '../models/model-package.ts'
import type { LoadedTarget } from './replacement.ts'
import type { UpdateStatus } from './system-view.ts'

/**
 * What is known of a version: nothing; that it took over once, and so passed its samples; that it
 * passed its probation as well.
 */
export type ModelStanding = 'new' | 'served' | 'proven'

/** Who keeps, over restarts, what is known of the versions of a model. None of these may throw. */
export interface ModelVerdicts {
  /** A package is loaded and serves. */
  tookOver(model: ModelPackage): void
  standingOf(model: ModelPackage): Promise<ModelStanding>
  /** It passed its samples, and its probation if it had one. */
  proved(model: ModelPackage): void
  /** It failed, and is not to be chosen again by itself. */
  held(model: ModelPackage, reason: string, by: 'samples' | 'probation'): void
  /** What served before and may serve again; `undefined` when there is nothing. */
  predecessor(source: ModelSource, model: ModelPackage): Promise<ModelPackage | undefined>
}

/** What updates need from around them. */
export interface ModelUpdatesParts {
  readonly verdicts: ModelVerdicts
  readonly clock: Clock
  readonly log: Logger
}

/** The versions of one pipeline's model as they come: what is on trial, and what came of the last. */
export class ModelUpdates {
  readonly #parts: ModelUpdatesParts
  #status: UpdateStatus | undefined
  /** What to go back to, while the one that serves is on probation. */
  #predecessor: LoadedTarget | undefined
  #onTrial: ModelPackage | undefined

  constructor(parts: ModelUpdatesParts) {
    this.#parts = parts
  }

  /** What is to be told of it; `undefined` when the last one is in effect. */
  get status(): UpdateStatus | undefined {
    return this.#status
  }

  /** It is being loaded beside the one that serves. */
  loading(model: ModelPackage): void {
    this.#note(model, 'loading', 'loading beside the version that serves')
  }

  /** It did not take over. */
  refused(model: ModelPackage, reason: string, error?: EdgebootError): void {
    const { code, fix } = error ?? {}
    this.#note(model, 'refused', reason)
    const meaning = 'the version before goes on'
    const fields = { modelVersion: model.version, code, reason, fix, meaning }
    this.#parts.log.error('model.refused', fields)
    if (code === 'MODEL_SAMPLE_FAILED') this.#parts.verdicts.held(model, reason, 'samples')
  }

  /**
   * It serves. Without a probation, or with one that it passed long ago, that is all.
   *
   * @param from - What served before.
   */
  tookOver(
    from: LoadedTarget | undefined,
    { pipeline, model }: LoadedTarget,
    standing: ModelStanding,
  ): void {
    const { verdicts } = this.#parts
    verdicts.tookOver(model)
    this.#predecessor = undefined
    this.#onTrial = undefined
    const isOver = this.#status?.state === 'loading' || this.#status?.state === 'probation'
    if (isOver) this.#status = undefined
    if (standing === 'proven') return
    if (pipeline.probation === undefined) {
      verdicts.proved(model)
      return
    }
    this.#onTrial = model
    // A folder that was changed where it lies has nothing left to go back to.
    if (from !== undefined && from.model.folder !== model.folder) this.#predecessor = from
    this.#note(model, 'probation', 'serves, and has to show that it is good')
  }

  /** The one on probation has shown that it is good. */
  passed(reason: string): void {
    const model = this.#onTrial
    if (model === undefined) return
    this.#onTrial = undefined
    this.#predecessor = undefined
    this.#status = undefined
    this.#parts.log.info('model.probation-passed', { modelVersion: model.version, reason })
    this.#parts.verdicts.proved(model)
  }

  /**
   * The one on probation has failed.
   *
   * @returns What to go back to; `undefined` when there is nothing: then it serves on.
   */
  failed(reason: string): LoadedTarget | undefined {
    const [model, back] = [this.#onTrial, this.#predecessor]
    if (model === undefined) return undefined
    const { log, verdicts } = this.#parts
    if (back === undefined) {
      const meaning = 'there is no version to go back to, so it serves on'
      log.warn('model.probation-failed', { modelVersion: model.version, reason, meaning })
      return undefined
    }
    this.#onTrial = undefined
    this.#predecessor = undefined
    this.#note(model, 'rolled-back', reason)
    const fields = { modelVersion: model.version, backTo: back.model.version, reason }
    log.error('model.rolled-back', fields)
    verdicts.held(model, `failed its probation: ${reason}`, 'probation')
    return back
  }

  #note({ version }: ModelPackage, state: UpdateStatus['state'], reason: string): void {
    this.#status = { version, state, reason, since: this.#parts.clock.now() }
  }
}
