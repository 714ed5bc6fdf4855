import { asEdgebootError } from '../core/errors.ts'
import type { Logger } from '../core/log.ts'
import { findVersion } from '../models/find-version.ts'
import type { ModelVersions } from '../models/model-versions.ts'
import type { StoreListing } from '../models/store-listing.ts'
import type { VersionName } from '../models/version-record.ts'

/** What came of a request to let another version of a model serve. */
export type VersionAnswer =
  /** It is recorded, and these pipelines are being seen to. */
  | {
      readonly kind: 'accepted'
      /** What is meant now; absent when the configuration decides, or nothing is left. */
      readonly version?: VersionName
      /** Names of the pipelines that use the model. */
      readonly pipelines: readonly string[]
    }
  | {
      readonly kind: 'refused'
      readonly code: string
      readonly reason: string
      readonly fix: string
    }

/** What can be asked of the versions of models while they run. Never rejects. */
export interface ModelControl {
  /** Pins a version, by its name or the first digits of its digest. */
  activate(model: string, version: string): Promise<VersionAnswer>
  /** Leaves the choice to the configuration again. */
  unpin(model: string): Promise<VersionAnswer>
  /** Goes back to the version before, and holds the other one back. */
  rollback(model: string, reason: string | undefined): Promise<VersionAnswer>
}

/** What {@link StoreControl} needs from around it. */
export interface StoreControlOptions {
  /** What the store holds. */
  readonly listing: () => Promise<StoreListing>
  readonly versions: ModelVersions
  /** Has the pipelines of a model look at it again, and names them. */
  readonly lookAtModel: (model: string) => readonly string[]
  readonly log: Logger
}

/** The versions of models in the store of a running instance: what is recorded takes effect at once. */
export class StoreControl implements ModelControl {
  readonly #options: StoreControlOptions

  constructor(options: StoreControlOptions) {
    this.#options = options
  }

  activate(model: string, text: string): Promise<VersionAnswer> {
    return this.#change(model, async ({ versions, listing }) => {
      const found = findVersion(await listing(), model, text)
      return (await versions.activate(model, found)).pinned
    })
  }

  unpin(model: string): Promise<VersionAnswer> {
    return this.#change(model, async ({ versions }) => {
      await versions.unpin(model)
      return undefined
    })
  }

  rollback(model: string, reason: string | undefined): Promise<VersionAnswer> {
    return this.#change(
      model,
      async ({ versions }) => (await versions.rollback(model, reason)).active,
    )
  }

  async #change(
    model: string,
    change: (options: StoreControlOptions) => Promise<VersionName | undefined>,
  ): Promise<VersionAnswer> {
    const { lookAtModel, log } = this.#options
    try {
      const version = await change(this.#options)
      const pipelines = lookAtModel(model)
      return { kind: 'accepted', ...(version !== undefined && { version }), pipelines }
    } catch (thrown) {
      const { code, message: reason, fix } = asEdgebootError(thrown)
      log.warn('model.request-refused', { model, code, reason })
      return { kind: 'refused', code, reason, fix }
    }
  }
}
