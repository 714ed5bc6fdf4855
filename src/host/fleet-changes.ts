import { isDeepStrictEqual } from 'node:util'
import type { SettingsDiff } from '../config/compare-settings.ts'
import type { ModelSource, PipelineSettings } from '../config/settings.ts'
import { asEdgebootError, errorClause } from '../core/errors.ts'
import type { Logger } from '../core/log.ts'
import type { ModelPackage } from '../models/model-package.ts'
import { handoverGroups, type HandoverGroup } from './handover-groups.ts'
import type { FleetMember, PipelineFleet } from './pipeline-fleet.ts'

/** What changes of a fleet need from around them. */
export interface FleetChangesOptions {
  readonly fleet: PipelineFleet
  /** Gets a model onto the disk. */
  readonly resolveModel: (model: ModelSource) => Promise<ModelPackage>
  /** How long a pipeline that leaves may drain. */
  readonly drainMs: number
  readonly log: Logger
}

/** What came of it. Pipelines are named as their processes are. */
export interface ChangeOutcome {
  readonly unchanged: number
  readonly replaced: readonly string[]
  readonly added: readonly string[]
  readonly removed: readonly string[]
  readonly refused: readonly { readonly pipeline: string; readonly reason: string }[]
}

/** Why a pipeline is exchanged. */
type Cause = 'configuration' | 'model' | 'asked'

interface Tally {
  unchanged: number
  readonly replaced: string[]
  readonly added: string[]
  readonly removed: string[]
  readonly refused: { pipeline: string; reason: string }[]
}

/**
 * Brings a fleet from what runs to what is asked for, touching only the pipelines whose
 * configuration or model changed. All at once, but for those that need what another one still has.
 * What cannot be had or loaded is refused and leaves its pipeline as it was. Never rejects.
 */
export class FleetChanges {
  readonly #options: FleetChangesOptions

  constructor(options: FleetChangesOptions) {
    this.#options = options
  }

  /** Applies a changed configuration, and every model that changed under an unchanged one. */
  async apply(diff: SettingsDiff): Promise<ChangeOutcome> {
    const { fleet } = this.#options
    const tally: Tally = { unchanged: 0, replaced: [], added: [], removed: [], refused: [] }
    const { unchanged, changed, added, removed, postponed } = diff
    const running = fleet.members.map(({ settings }) => settings)
    const groups = handoverGroups({ running, removed, changed, added })
    await Promise.all([
      ...[...unchanged, ...postponed].map((pipeline) => this.#lookAtModel(pipeline, tally)),
      ...groups.map((group) => this.#handOver(group, tally)),
    ])
    return tally
  }

  /** Restarts one pipeline, with its model as it is now; one that does not serve begins anew. */
  async restart({ settings, supervisor }: FleetMember): Promise<ChangeOutcome> {
    const tally: Tally = { unchanged: 0, replaced: [], added: [], removed: [], refused: [] }
    if (supervisor.serves) await this.#exchange(settings, 'asked', tally)
    else await this.#replace(settings, undefined, 'asked', tally)
    return tally
  }

  /** Exchanges one pipeline if another version of its model is meant now. */
  async lookAtModel({ settings }: FleetMember): Promise<ChangeOutcome> {
    const tally: Tally = { unchanged: 0, replaced: [], added: [], removed: [], refused: [] }
    await this.#lookAtModel(settings, tally)
    return tally
  }

  /** The configuration is the same; the files of the model may not be. */
  async #lookAtModel(settings: PipelineSettings, tally: Tally): Promise<void> {
    const supervisor = this.#options.fleet.find(settings)?.supervisor
    // One that waits for a broker of a later start does not run at all.
    if (supervisor === undefined) return
    const had = supervisor.model
    if (had === undefined && supervisor.status.state !== 'BROKEN') {
      // It is still trying to get it, and goes on.
      tally.unchanged += 1
      return
    }
    const found = await this.#resolve(settings, tally, supervisor.serves)
    if (found === 'refused') return
    if (found === undefined || isDeepStrictEqual(found, had)) tally.unchanged += 1
    else await this.#replace(settings, found, 'model', tally)
  }

  async #handOver(group: HandoverGroup, tally: Tally): Promise<void> {
    const { fleet, drainMs, log } = this.#options
    const { removed, changed, added } = group
    const [only] = changed
    if (only !== undefined && changed.length + removed.length + added.length === 1) {
      await this.#exchange(only, 'configuration', tally)
      return
    }
    // Nobody may connect before all of them have let go.
    const halted = changed.map((pipeline) =>
      fleet.find(pipeline)?.supervisor.halt(drainMs, 'makes room for another pipeline'),
    )
    const gone = removed.map(async (pipeline) => {
      await fleet.remove(pipeline, drainMs)
      tally.removed.push(pipeline.name)
      log.info('reload.pipeline-removed', { pipeline: pipeline.name, rule: pipeline.rule })
    })
    await Promise.all([...halted, ...gone])
    for (const pipeline of changed) {
      fleet.begin(pipeline, undefined)
      tally.replaced.push(pipeline.name)
      log.info('reload.pipeline-replaced', { pipeline: pipeline.name, why: 'configuration' })
    }
    await Promise.all(
      added.map(async (pipeline) => {
        tally.added.push(pipeline.name)
        log.info('reload.pipeline-added', { pipeline: pipeline.name, rule: pipeline.rule })
        await fleet.add(pipeline)
      }),
    )
  }

  /** Gets the model first, while the old one serves. */
  async #exchange(settings: PipelineSettings, cause: Cause, tally: Tally): Promise<void> {
    const serves = this.#options.fleet.find(settings)?.supervisor.serves === true
    const found = await this.#resolve(settings, tally, serves)
    if (found !== 'refused') await this.#replace(settings, found, cause, tally)
  }

  /** @returns Nothing when it cannot be had and nothing is lost by that: the supervisor goes on trying. */
  async #resolve(
    settings: PipelineSettings,
    tally: Tally,
    serves: boolean,
  ): Promise<ModelPackage | 'refused' | undefined> {
    try {
      return await this.#options.resolveModel(settings.model)
    } catch (thrown) {
      if (!serves) return undefined
      const error = asEdgebootError(thrown)
      this.#refuse(settings.name, errorClause(error), tally, { code: error.code, fix: error.fix })
      return 'refused'
    }
  }

  async #replace(
    settings: PipelineSettings,
    model: ModelPackage | undefined,
    cause: Cause,
    tally: Tally,
  ): Promise<void> {
    const { fleet, drainMs, log } = this.#options
    const { name } = settings
    const replacement = await fleet.replace(settings, model, drainMs)
    if (replacement.kind === 'stopped') return
    if (replacement.kind === 'refused') {
      this.#refuse(name, replacement.reason, tally)
      return
    }
    tally.replaced.push(name)
    log.info('reload.pipeline-replaced', {
      pipeline: name,
      why: cause,
      ...(model !== undefined && { modelVersion: model.version }),
      ...(replacement.kind === 'replaced' && { gapMs: replacement.gapMs }),
      ...(replacement.kind === 'swapped' && { gapMs: 0 }),
    })
  }

  #refuse(pipeline: string, reason: string, tally: Tally, more: object = {}): void {
    tally.refused.push({ pipeline, reason })
    const meaning = 'the pipeline goes on as it was'
    this.#options.log.error('reload.pipeline-refused', { pipeline, reason, meaning, ...more })
  }
}
