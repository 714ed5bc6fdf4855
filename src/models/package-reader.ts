import { join } from 'node:path'
import type { ModelsSettings, ModelSource } from '../config/settings.ts'
import type { LogFields, Logger } from '../core/log.ts'
import { detectEntry, type DetectedEntry, type ReadManifest } from './detect-entry.ts'
import { detectModule, findModule } from './detect-module.ts'
import { folderContents } from './folder-contents.ts'
import type { ModelPackage } from './model-package.ts'
import type { StoredPackage } from './package-folder.ts'
import { unproven } from './package-proof.ts'
import { pathKind } from './path-kind.ts'

/** Says of each model what there is to warn of once, until it is something else. */
export class Warnings {
  readonly #log: Logger
  readonly #said = new Set<string>()

  constructor(log: Logger) {
    this.#log = log
  }

  warn(event: string, model: string, fields: LogFields): void {
    const key = JSON.stringify([event, model, fields])
    if (this.#said.has(key)) return
    this.#said.add(key)
    this.#log.warn(event, { model, ...fields })
  }
}

/** What a reader works with. */
export interface PackageReaderOptions {
  readonly settings: ModelsSettings
  readonly readManifest: ReadManifest
  readonly warnings: Warnings
}

/**
 * Looks at the files of a package and says how it is started. Loads and fetches nothing.
 *
 * @throws `MODEL_NO_ENTRY`, and what the manifest has to say; each method.
 */
export class PackageReader {
  readonly #settings: ModelsSettings
  readonly #readManifest: ReadManifest
  readonly #warnings: Warnings

  constructor({ settings, readManifest, warnings }: PackageReaderOptions) {
    this.#settings = settings
    this.#readManifest = readManifest
    this.#warnings = warnings
  }

  /** A model that somebody put into the models folder by hand, pyboot's way. */
  async placed(source: ModelSource): Promise<DetectedEntry | undefined> {
    const folder = join(this.#settings.folder, source.name)
    if (source.module !== undefined) {
      return await findModule([this.#settings.folder, folder], source.module, source.name)
    }
    return (await pathKind(folder)) === 'folder'
      ? await detectEntry(folder, source.name, this.#readManifest)
      : undefined
  }

  /** A package of the store. */
  async fromStored(source: ModelSource, stored: StoredPackage): Promise<ModelPackage> {
    const folders = [stored.filesFolder, stored.rootFolder]
    const entry = await this.detect(
      source,
      source.module === undefined ? folders.slice(1) : folders,
    )
    return {
      name: source.name,
      version: this.#version(source, entry) ?? stored.sha256.slice(0, 12),
      ...entry,
      sha256: stored.sha256,
      modelsFolder: this.#settings.folder,
    }
  }

  /** A folder that is used where it lies. @throws Also `MODEL_UNPROVEN`. */
  async fromFolder(source: ModelSource, entry: DetectedEntry): Promise<ModelPackage> {
    if (this.#settings.require !== 'none') {
      throw unproven(source, this.#settings, `${entry.folder} is a folder`)
    }
    if (source.md5 !== undefined || source.sha256 !== undefined) {
      this.#warnings.warn('model.folder-digest-unchecked', source.name, {
        folder: entry.folder,
        reason: 'a digest belongs to a zip and cannot be checked on a folder',
      })
    }
    const { folder: modelsFolder } = this.#settings
    const { digest: contents } = await folderContents(entry.folder)
    const version = this.#version(source, entry) ?? 'folder'
    return { name: source.name, version, ...entry, contents, modelsFolder }
  }

  /** What the manifest calls it. A func may call a model otherwise than its author does. */
  #version({ name }: ModelSource, { manifest }: DetectedEntry): string | undefined {
    if (manifest?.name !== undefined && manifest.name !== name) {
      this.#warnings.warn('model.name-differs', name, {
        manifest: manifest.name,
        file: manifest.file,
      })
    }
    return manifest?.version
  }

  /** What there is to start in the first of these folders; a module may be in any of them. */
  async detect(source: ModelSource, folders: readonly string[]): Promise<DetectedEntry> {
    if (source.module !== undefined) return detectModule(folders, source.module, source.name)
    const folder = folders[0] ?? this.#settings.folder
    return await detectEntry(folder, source.name, this.#readManifest)
  }
}
