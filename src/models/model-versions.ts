import { mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../core/clock.ts'
import { asEdgebootError, EdgebootError } from '../core/errors.ts'
import type { Logger } from '../core/log.ts'
import { assertModelName } from './model-name.ts'
import type { ModelPackage } from './model-package.ts'
import type { PackageFolder } from './package-folder.ts'
import { asStoreError } from './store-error.ts'
import { readVersionRecord, replaceRecord } from './store-records.ts'
import {
  fallbackOf,
  unknownModel,
  withHeld,
  withoutPin,
  withPin,
  withProof,
  withTakeover,
  type ActivatedBy,
  type HeldBy,
  type VersionName,
  type VersionRecord,
} from './version-record.ts'

/** What the versions of models are kept with. */
export interface ModelVersionsOptions {
  /** The models folder. */
  readonly folder: string
  readonly packages: PackageFolder
  readonly clock: Clock
  readonly log: Logger
}

/** A package that took over, as the store handed it out. */
export type ServingPackage = Pick<ModelPackage, 'name' | 'sha256' | 'version'>

/**
 * Which version of each model serves, which one served before, and which ones are held back. The
 * store hands out packages; whoever runs them says here what became of them. Changes of one model
 * come one after the other; on the disk each is one step, so that a crash leaves the old or the new.
 */
export class ModelVersions {
  readonly #options: ModelVersionsOptions
  readonly #turns = new Map<string, Promise<unknown>>()

  constructor(options: ModelVersionsOptions) {
    this.#options = options
  }

  /** What is known of a model; a record that cannot be read is as none, with a warning. */
  async read(model: string): Promise<VersionRecord> {
    assertModelName(model)
    const file = this.#file(model)
    const read = await readVersionRecord(file)
    if (read.kind === 'record') return read.record
    if (read.kind === 'unreadable') {
      this.#options.log.warn('model.record-unreadable', { file, reason: read.reason })
    }
    return unknownModel
  }

  /** All models that something is known of, by name. */
  async models(): Promise<string[]> {
    const names = await readdir(this.#folder).catch((thrown: unknown) => {
      if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return []
      throw asStoreError(thrown, 'list the models', this.#folder)
    })
    const models = names.filter((name) => name.endsWith('.json')).map((name) => name.slice(0, -5))
    return models.toSorted()
  }

  /**
   * Changes what is known of a model. Nothing is written when the change gives the same record back.
   *
   * @throws `MODEL_STORE_FAILED`
   */
  async change(
    model: string,
    change: (record: VersionRecord) => VersionRecord | Promise<VersionRecord>,
  ): Promise<VersionRecord> {
    const before = this.#turns.get(model) ?? Promise.resolve()
    const turn = before.catch(() => {}).then(() => this.#change(model, change))
    this.#turns.set(model, turn)
    try {
      return await turn
    } finally {
      if (this.#turns.get(model) === turn) this.#turns.delete(model)
    }
  }

  /**
   * A pipeline took a package over: it is active from now on, and what was active is the one to go
   * back to. Never rejects: the package serves, and only the next start will not know of it. A
   * folder that was put there by hand has no versions.
   *
   * @param by - Default: an operator if one pinned it, else the configuration.
   */
  async confirm(
    { name, sha256, version }: ServingPackage,
    by?: ActivatedBy,
    reason?: string,
  ): Promise<void> {
    if (sha256 === undefined) return
    const { log } = this.#options
    try {
      let former: string | undefined
      let changed = false
      let who: ActivatedBy = 'configuration'
      await this.change(name, (record) => {
        former = record.active?.sha256
        const isChosen = record.pinned?.sha256 === sha256
        who = by ?? (isChosen ? 'operator' : 'configuration')
        const next = withTakeover(record, { sha256, version }, this.#occasion(who, reason))
        changed = next !== record
        return next
      })
      if (changed) log.info('model.activated', { model: name, version, by: who, previous: former })
    } catch (thrown) {
      const error = asEdgebootError(thrown)
      log.warn('model.activation-unrecorded', { model: name, reason: error.message })
    }
  }

  /** A version passed its samples and its probation. @throws `MODEL_STORE_FAILED` */
  async prove(model: string, sha256: string): Promise<void> {
    await this.change(model, (record) => withProof(record, sha256))
  }

  /** Whether this was the last version that passed its samples and its probation. */
  async isProven(model: string, sha256: string): Promise<boolean> {
    return (await this.read(model)).proven === sha256
  }

  /**
   * A version was refused or failed: it is never chosen again for this model, until an operator
   * activates it or the configuration names another digest. If it was active, the one before is.
   *
   * @throws `MODEL_STORE_FAILED`
   */
  async hold(model: string, sha256: string, reason: string, by: HeldBy): Promise<VersionRecord> {
    const there = await this.#onDisk(model)
    const occasion = { ...this.#occasion(by, reason), reason }
    const after = await this.change(model, (record) =>
      withHeld(record, sha256, occasion, (other) => there.has(other)),
    )
    const active = after.active?.version
    const level = by === 'operator' ? 'info' : 'warn'
    const fields = { model, sha256: sha256.slice(0, 12), by, reason, active }
    this.#options.log.log(level, 'model.held', fields)
    return after
  }

  /**
   * An operator chose a version of the store: it is handed out from now on, whatever the address
   * has, unless the configuration names another digest.
   *
   * @throws `MODEL_VERSION_UNKNOWN` for one that is not in the store, `MODEL_STORE_FAILED`
   */
  async activate(model: string, { sha256, version }: VersionName): Promise<VersionRecord> {
    const { log, packages } = this.#options
    if ((await packages.find(sha256)) === undefined) {
      throw noSuchVersion(`model '${model}' has no version ${sha256.slice(0, 12)} in the store`)
    }
    const after = await this.change(model, (record) => withPin(record, { sha256, version }))
    log.info('model.pinned', { model, version, sha256: sha256.slice(0, 12) })
    return after
  }

  /** The configuration decides again which version is active. @throws `MODEL_STORE_FAILED` */
  async unpin(model: string): Promise<VersionRecord> {
    const after = await this.change(model, withoutPin)
    this.#options.log.info('model.unpinned', { model })
    return after
  }

  /**
   * An operator goes back to the version before; the one that was active is held back. One that was
   * chosen and has not taken over is only held back.
   *
   * @throws `MODEL_VERSION_UNKNOWN` when there is none to go back to, `MODEL_STORE_FAILED`
   */
  async rollback(model: string, reason = 'rolled back by hand'): Promise<VersionRecord> {
    const record = await this.read(model)
    const { active, pinned } = record
    if (pinned !== undefined && pinned.sha256 !== active?.sha256) {
      return await this.hold(model, pinned.sha256, reason, 'operator')
    }
    const there = await this.#onDisk(model)
    if (active === undefined || fallbackOf(record, (one) => there.has(one)) === undefined) {
      throw noSuchVersion(`model '${model}' has no version before to go back to`)
    }
    return await this.hold(model, active.sha256, reason, 'operator')
  }

  async #change(
    model: string,
    change: (record: VersionRecord) => VersionRecord | Promise<VersionRecord>,
  ): Promise<VersionRecord> {
    const record = await this.read(model)
    const next = await change(record)
    if (next === record) return record
    const file = this.#file(model)
    try {
      await mkdir(this.#folder, { recursive: true })
      await replaceRecord(file, await this.#options.packages.temporaryFile(), next)
    } catch (thrown) {
      throw asStoreError(thrown, `record the version of model '${model}'`, file)
    }
    return next
  }

  /** The versions that a model served with and that are still whole. */
  async #onDisk(model: string): Promise<ReadonlySet<string>> {
    const { previous, history } = await this.read(model)
    const known = [...(previous === undefined ? [] : [previous]), ...history]
    const there = new Set<string>()
    for (const { sha256 } of known) {
      if (!there.has(sha256) && (await this.#options.packages.find(sha256)) !== undefined) {
        there.add(sha256)
      }
    }
    return there
  }

  #occasion<By>(by: By, reason?: string): { at: string; by: By; reason?: string } {
    const at = new Date(this.#options.clock.now()).toISOString()
    return { at, by, ...(reason === undefined ? {} : { reason }) }
  }

  get #folder(): string {
    return join(this.#options.folder, '.edgeboot', 'active')
  }

  #file(model: string): string {
    return join(this.#folder, `${model}.json`)
  }
}

function noSuchVersion(message: string): EdgebootError {
  return new EdgebootError('MODEL_VERSION_UNKNOWN', message)
}
