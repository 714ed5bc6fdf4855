import type { PipelineSettings } from '../config/settings.ts'
import type { Clock } from '../core/clock.ts'
import { EdgebootError, errorClause } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import type { ModelPackage } from '../models/model-package.ts'
import { canSwap } from './can-swap.ts'
import { effectiveSettings } from './effective-settings.ts'
import type { Successor } from './launch-host.ts'
import { trialOf } from './start-order.ts'
import type { RunnerSettings } from './model-releases.ts'
import type { ModelStanding, ModelUpdates, ModelVerdicts } from './model-updates.ts'
import type { LoadedTarget, PipelineTarget, Replacement } from './replacement.ts'
import type { SupervisedHost } from './supervised-host.ts'

/** What an exchange needs of the pipeline that it changes. */
export interface PipelineExchangeParts {
  readonly updates: ModelUpdates
  readonly verdicts: ModelVerdicts
  readonly clock: Clock
  readonly isStopping: () => boolean
  /** What serves, and in which host; `undefined` when it does not. */
  readonly serving: () => (LoadedTarget & { readonly host: SupervisedHost }) | undefined
  readonly halt: (drainMs: number, reason: string) => Promise<void>
  readonly begin: (target: PipelineTarget, standing: ModelStanding) => void
  /** Starts a host that loads its model and waits. */
  readonly standBy: (target: LoadedTarget, standing: ModelStanding) => Successor
  /** The host that stood by is not wanted any more. */
  readonly dismiss: (successor: Successor) => Promise<void>
  /** The host that stood by takes over from the one that is gone. */
  readonly adopt: (
    successor: Successor,
    target: LoadedTarget,
    standing: ModelStanding,
    from: LoadedTarget,
  ) => void
  /** The host that serves has gone over to another model. */
  readonly swapped: (target: LoadedTarget, standing: ModelStanding, from: LoadedTarget) => void
}

/**
 * How a pipeline changes over to other settings or another model, and back. One change after the
 * other.
 */
export class PipelineExchange {
  readonly #parts: PipelineExchangeParts
  #turn: Promise<unknown> = Promise.resolve()

  constructor(parts: PipelineExchangeParts) {
    this.#parts = parts
  }

  /** See `PipelineSupervisor.replace`. */
  forward(target: PipelineTarget, drainMs: number): Promise<Replacement> {
    return this.#inTurn(async () => {
      const { model } = target
      const { verdicts } = this.#parts
      const standing = model === undefined ? 'new' : await verdicts.standingOf(model)
      return await this.#change(target, standing, drainMs, true)
    })
  }

  /** Back to what served before, which has nothing to show any more. */
  back(target: LoadedTarget): void {
    void this.#inTurn(async () => {
      const { drainMs } = limits
      const { kind } = await this.#change(target, 'proven', drainMs, false)
      if (kind !== 'refused') return
      // What is good again by itself is worth a gap.
      await this.#parts.halt(drainMs, 'goes back to the version before')
      this.#parts.begin(target, 'proven')
    })
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(work)
    this.#turn = turn.catch(() => {})
    return turn
  }

  async #change(
    target: PipelineTarget,
    standing: ModelStanding,
    drainMs: number,
    isForward: boolean,
  ): Promise<Replacement> {
    const { isStopping, serving, updates, halt, begin } = this.#parts
    if (isStopping()) return { kind: 'stopped' }
    const { model, pipeline } = target
    const from = serving()
    if (from === undefined || model === undefined) {
      await halt(drainMs, 'makes room for a new start')
      begin(target, standing)
      return isStopping() ? { kind: 'stopped' } : { kind: 'begun' }
    }
    const to = { pipeline, model }
    if (isForward) updates.loading(model)
    const refused = (reason: string, error?: EdgebootError): Replacement => {
      if (isForward) updates.refused(model, reason, error)
      return { kind: 'refused', reason }
    }
    if (!canSwap(from, to)) return await this.#exchangeHosts(from, to, standing, drainMs, refused)
    const error = await this.#swap(from, to, standing)
    if (isStopping()) return { kind: 'stopped' }
    return error === undefined ? { kind: 'swapped' } : refused(errorClause(error), error)
  }

  /** The host loads the other model beside the one that serves, and lets it take over. */
  async #swap(
    from: LoadedTarget & { readonly host: SupervisedHost },
    to: LoadedTarget,
    standing: ModelStanding,
  ): Promise<EdgebootError | undefined> {
    const { pipeline, model } = to
    const runners = runnerSettings(effectiveSettings(pipeline, model))
    const error = await from.host.swap({ model, runners, ...trialOf(pipeline, standing) })
    if (error !== undefined) return error
    if (this.#parts.serving()?.host !== from.host) {
      return new EdgebootError('HOST_EXITED', 'the host is gone')
    }
    this.#parts.swapped(to, standing, from)
    return undefined
  }

  /** A new host loads its model beside the old one, and connects when that is gone. */
  async #exchangeHosts(
    from: LoadedTarget,
    to: LoadedTarget,
    standing: ModelStanding,
    drainMs: number,
    refused: (reason: string) => Replacement,
  ): Promise<Replacement> {
    const { isStopping, standBy, dismiss, halt, adopt, clock } = this.#parts
    const successor = standBy(to, standing)
    const reason = await successor.loaded
    if (isStopping()) return { kind: 'stopped' }
    if (reason !== undefined) {
      await dismiss(successor)
      return refused(reason)
    }
    const silentFrom = clock.monotonic()
    await halt(drainMs, 'hands over to its successor')
    if (isStopping()) return { kind: 'stopped' }
    adopt(successor, to, standing, from)
    return { kind: 'replaced', gapMs: Math.round(clock.monotonic() - silentFrom) }
  }
}

function runnerSettings({ params, env, python, memoryBytesMax }: PipelineSettings): RunnerSettings {
  return {
    params,
    env,
    ...(python === undefined ? {} : { python }),
    ...(memoryBytesMax === undefined ? {} : { memoryBytesMax }),
  }
}

/** What a pipeline begins with when it is started. */
export interface FirstModels {
  readonly model: ModelPackage
  readonly standing: ModelStanding
  /** What served before it, in an earlier run. */
  readonly before: ModelPackage | undefined
  /** What is to take over as soon as `model` serves. */
  readonly candidate: ModelPackage | undefined
}

/**
 * What to start with where `found` is asked for: a version that nothing is known of comes as every
 * other one does, beside what served before it, if that is still there.
 */
export async function firstModels(
  verdicts: ModelVerdicts,
  { model: source }: PipelineSettings,
  found: ModelPackage,
): Promise<FirstModels> {
  const standing = await verdicts.standingOf(found)
  const before = standing === 'proven' ? undefined : await verdicts.predecessor(source, found)
  return standing === 'new' && before !== undefined
    ? { model: before, standing: 'proven', before: undefined, candidate: found }
    : { model: found, standing, before, candidate: undefined }
}
