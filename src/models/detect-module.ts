import { join } from 'node:path'
import type { ModelSource } from '../config/settings.ts'
import { EdgebootError } from '../core/errors.ts'
import { isDottedPythonName } from '../core/python-name.ts'
import type { DetectedEntry } from './detect-entry.ts'
import { noEntryError } from './detection/entry-errors.ts'
import { pathKind } from './path-kind.ts'

/**
 * Finds v0's `edge_mode`: `industry.telemetry` is `industry/telemetry.py` or
 * `industry/telemetry/__init__.py` below one of the folders, which then is the model's folder, so
 * that its imports resolve as they did in pyboot.
 *
 * @param folders - Absolute, in the order in which they are tried.
 * @throws `CONFIG_INVALID` for what is not the name of a Python module, `MODEL_NO_ENTRY`.
 */
export async function detectModule(
  folders: readonly string[],
  module: NonNullable<ModelSource['module']>,
  model: string,
): Promise<DetectedEntry> {
  const found = await findModule(folders, module, model)
  if (found !== undefined) return found
  const path = module.name.replaceAll('.', '/')
  throw await noEntryError(
    model,
    folders[0] ?? '',
    `looked for ${path}.py and ${path}/__init__.py of the module ${module.name}`,
  )
}

/** As {@link detectModule}, but absence is an answer. */
export async function findModule(
  folders: readonly string[],
  module: NonNullable<ModelSource['module']>,
  model: string,
): Promise<DetectedEntry | undefined> {
  if (!isDottedPythonName(module.name)) {
    const shown = JSON.stringify(module.name)
    throw new EdgebootError('CONFIG_INVALID', `${shown} of model '${model}' is no Python module`, {
      fix: 'Write edge_mode as a dotted path, such as industry.telemetry.telm_temperature.',
    })
  }
  const parts = module.name.split('.')
  for (const folder of folders) {
    const path = join(folder, ...parts)
    for (const entryFile of [`${path}.py`, join(path, '__init__.py')]) {
      if ((await pathKind(entryFile)) === 'file') {
        return {
          runtime: 'python',
          format: 'module',
          folder,
          entryFile,
          functionName: module.function,
        }
      }
    }
  }
  return undefined
}
