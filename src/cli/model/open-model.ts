import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { readManifest } from '../../config/manifest/read-manifest.ts'
import type { ModelsSettings } from '../../config/settings.ts'
import { systemClock } from '../../core/clock.ts'
import { EdgebootError } from '../../core/errors.ts'
import { silentLogger } from '../../core/log.ts'
import { modelNameFault } from '../../core/model-name.ts'
import type { ModelPackage } from '../../models/model-package.ts'
import { ModelStore } from '../../models/model-store.ts'
import { pathKind } from '../../models/path-kind.ts'

/** A model that is ready to be loaded, until it is disposed of. */
export interface OpenedModel extends AsyncDisposable {
  readonly model: ModelPackage
}

/**
 * Makes a model out of a folder or a zip, with all checks that it would meet in a pipeline but those
 * of who signed it. A zip goes into a store of its own, which is gone when the model is disposed of.
 *
 * @param path - Absolute.
 * @param models - The models folder, where a Python model finds its siblings, and the limits.
 * @throws `MODEL_…`
 */
export async function openModel(path: string, models: ModelsSettings): Promise<OpenedModel> {
  if ((await pathKind(path)) === undefined) {
    throw new EdgebootError('MODEL_NOT_FOUND', `there is no ${path}`, {
      fix: 'Name a folder, a zip, or a model of the models folder.',
    })
  }
  const folder = await mkdtemp(join(tmpdir(), 'edgeboot-run-'))
  const dispose = (): Promise<void> => rm(folder, { recursive: true, force: true })
  try {
    const store = new ModelStore({
      settings: { ...models, folder, download: 'missing', require: 'none' },
      clock: systemClock,
      log: silentLogger,
      readManifest,
    })
    const name = basename(path).replace(/\.zip$/i, '')
    const model = await store.resolve({
      name: modelNameFault(name) === undefined ? name : 'model',
      address: path,
    })
    return {
      model: { ...model, modelsFolder: models.folder },
      [Symbol.asyncDispose]: dispose,
    }
  } catch (thrown) {
    await dispose()
    throw thrown
  }
}
