import { createHash } from 'node:crypto'
import { readManifest } from '../../src/config/manifest/read-manifest.ts'
import type { ModelSource, ModelsSettings } from '../../src/config/settings.ts'
import type { ModelPackage } from '../../src/models/model-package.ts'
import { findGarbage, type Garbage, type GarbageOptions } from '../../src/models/collect-garbage.ts'
import { ModelStore } from '../../src/models/model-store.ts'
import type { ModelVersions } from '../../src/models/model-versions.ts'
import { PackageFolder } from '../../src/models/package-folder.ts'
import { FakeClock } from './fake-clock.ts'
import { RecordedLog } from './recorded-log.ts'
import { noProof, roomyLimits } from './roomy-limits.ts'
import { Scratch } from './scratch.ts'
import { pythonModel } from './zip-bytes.ts'

/**
 * A store of one model, `thr`, whose zip lies on the disk and is exchanged at will: versions are
 * named `1`, `2` and so on, as what they answer.
 */
export class VersionBench implements AsyncDisposable {
  readonly scratch: Scratch
  readonly clock = new FakeClock(Date.UTC(2026, 10, 1))
  readonly log = new RecordedLog()
  readonly settings: ModelsSettings
  store: ModelStore

  private constructor(scratch: Scratch) {
    this.scratch = scratch
    this.settings = {
      folder: scratch.path('models'),
      download: 'missing',
      ...noProof,
      limits: roomyLimits,
    }
    this.store = this.#open()
  }

  static async make(): Promise<VersionBench> {
    return new VersionBench(await Scratch.make())
  }

  get versions(): ModelVersions {
    return this.store.versions
  }

  /** A process that was killed, and the next one. */
  restart(): void {
    this.store = this.#open()
  }

  /** Puts this version where the configuration says. */
  async publish(version: string): Promise<void> {
    await this.scratch.write('thr.zip', await pythonModel(version))
  }

  async sha256Of(version: string): Promise<string> {
    return createHash('sha256')
      .update(await pythonModel(version))
      .digest('hex')
  }

  resolve(source: Partial<ModelSource> = {}): Promise<ModelPackage> {
    return this.store.resolve({ name: 'thr', address: this.scratch.path('thr.zip'), ...source })
  }

  /** What a pipeline does that gets a model, loads it and lets it take over. */
  async run(version: string): Promise<ModelPackage> {
    await this.publish(version)
    const model = await this.resolve()
    this.clock.advance(1000)
    await this.versions.confirm(model)
    return model
  }

  /** All that may be removed now. */
  garbage(options: Partial<GarbageOptions> = {}): Promise<Garbage[]> {
    return findGarbage({
      modelsFolder: this.settings.folder,
      versions: this.versions,
      packages: this.packages,
      sources: [{ name: 'thr', address: this.scratch.path('thr.zip') }],
      keep: 0,
      clock: this.clock,
      ...options,
    })
  }

  get packages(): PackageFolder {
    return new PackageFolder(this.settings.folder, this.clock, () => {})
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.scratch[Symbol.asyncDispose]()
  }

  #open(): ModelStore {
    const { settings, clock } = this
    return new ModelStore({ settings, clock, log: this.log.logger, readManifest })
  }
}
