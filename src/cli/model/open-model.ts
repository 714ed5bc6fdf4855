import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { readManifest } from '../../config/manifest/read-manifest.ts'
import type { ModelsSettings } from '../../config/settings.ts'
import { systemClock } from '../../core/clock.ts'
import { EdgebootError } from '../../core/errors.ts'
import type { Logger } from '../../core/log.ts'
import { modelNameFault } from '../../core/model-name.ts'
import { PythonEnvironments } from '../../models/environments/python-environments.ts'
import { isZipFile } from '../../models/inspect/inspect-package.ts'
import type { ModelPackage } from '../../models/model-package.ts'
import { ModelStore } from '../../models/model-store.ts'
import { pathKind } from '../../models/path-kind.ts'

/** Of removing a folder into which something that was interrupted still writes. */
const maxRetries = 5

/** A model that is ready to be loaded, until it is disposed of. */
export interface OpenedModel extends AsyncDisposable {
  readonly model: ModelPackage
}

/** What a model is opened with, besides its path. */
export interface OpenModelOptions {
  /** The models folder, where a Python model finds its siblings, and the limits. */
  readonly models: ModelsSettings
  /** Interpreter that is wanted for a Python model, over that of its manifest. */
  readonly python?: string
  /** Of this process. */
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly log: Logger
  /** Hears a line for each step of what takes long. */
  readonly onStep: (line: string) => void
  readonly signal: AbortSignal
}

/**
 * Makes a model out of a folder or a zip, with all checks that it would meet in a pipeline but those
 * of who signed it. A zip goes into a store of its own, which is gone when the model is disposed of.
 * The environment that a `requirements.txt` takes is kept in the models folder, where pipelines find
 * it too; without such a folder it goes with the rest.
 *
 * @param path - Absolute.
 * @throws `MODEL_…`, `RUNNER_INTERPRETER_MISSING`, the reason of `signal`.
 */
export async function openModel(path: string, options: OpenModelOptions): Promise<OpenedModel> {
  const { models, python, environment, log, onStep, signal } = options

  const kind = await pathKind(path)
  if (kind === undefined) {
    throw new EdgebootError('MODEL_NOT_FOUND', `there is no ${path}`, {
      fix: 'Name a folder, a zip, or a model of the models folder.',
    })
  }
  if (kind === 'file' && !(await isZipFile(path))) {
    const text = `${path} is one file of a model and no package`
    throw new EdgebootError('CLI_USAGE', text, { fix: `Name its folder: ${dirname(path)}` })
  }
  const folder = await mkdtemp(join(tmpdir(), 'edgeboot-run-'))
  const dispose = (): Promise<void> => rm(folder, { recursive: true, force: true, maxRetries })
  try {
    const isKept = (await pathKind(models.folder)) === 'folder'
    const environments = PythonEnvironments.of(isKept ? models : { ...models, folder }, {
      environment,
      clock: systemClock,
      log,
    })
    const store = new ModelStore({
      settings: { ...models, folder, download: 'missing', require: 'none' },
      clock: systemClock,
      log,
      readManifest,
      ...(environments === undefined ? {} : { environments }),
    })
    const name = basename(path).replace(/\.zip$/i, '')
    const source = {
      name: modelNameFault(name) === undefined ? name : 'model',
      address: path,
      ...(python === undefined ? {} : { python }),
    }
    const onState = (_state: string, line: string): void => {
      if (line !== path) onStep(line.replace(/^what it requires: /, ''))
    }
    const model = await store.resolve(source, { signal, onState })
    return {
      model: { ...model, modelsFolder: models.folder },
      [Symbol.asyncDispose]: dispose,
    }
  } catch (thrown) {
    await dispose()
    throw thrown
  }
}
