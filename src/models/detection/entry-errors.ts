import { readdir } from 'node:fs/promises'
import { EdgebootError } from '../../core/errors.ts'
import type { ModelManifest } from '../model-manifest.ts'

/** How many names of a folder an error shows. */
const shownNamesMax = 8

/** `MODEL_NO_ENTRY` with what was looked for and what is there. */
export async function noEntryError(
  model: string,
  folder: string,
  lookedFor: string,
): Promise<EdgebootError> {
  const names = await namesIn(folder)
  const there = names.length === 0 ? 'the folder is empty' : `the folder has ${listed(names)}`
  const message = `model '${model}' has nothing to start with: ${lookedFor}; ${there}`
  return new EdgebootError('MODEL_NO_ENTRY', message, { details: { where: folder, model } })
}

/** `MODEL_NO_ENTRY` for something that is there and cannot be started as it is. */
export function unfitEntryError(
  model: string,
  where: string,
  reason: string,
  fix: string,
): EdgebootError {
  const message = `model '${model}' has nothing to start with: ${reason}`
  return new EdgebootError('MODEL_NO_ENTRY', message, { details: { where, model }, fix })
}

/** `MODEL_ENTRY_AMBIGUOUS`: edgeboot does not guess. */
export function ambiguousEntryError(
  model: string,
  folder: string,
  names: readonly string[],
): EdgebootError {
  const message = `model '${model}' may start with any of ${listed(names)}`
  return new EdgebootError('MODEL_ENTRY_AMBIGUOUS', message, {
    details: { where: folder, model },
    fix: `Put a model.yaml beside them that names one, such as: entry: ${names[0] ?? ''}.`,
  })
}

/**
 * `MODEL_MANIFEST_INVALID` for what only a look at the package tells.
 *
 * @param field - Such as `entry`.
 */
export function manifestError(
  manifest: ModelManifest,
  field: string,
  message: string,
): EdgebootError {
  const at = manifest.places?.[field]
  const where = at === undefined ? manifest.file : `${manifest.file}:${at}`
  return new EdgebootError('MODEL_MANIFEST_INVALID', `${where}: ${message}`, { details: { where } })
}

/** Folders end with `/`; sorted. */
export async function namesIn(folder: string): Promise<string[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true })
    return entries.map((entry) => (entry.isDirectory() ? `${entry.name}/` : entry.name)).sort()
  } catch {
    return []
  }
}

/** The first of some names, and how many there are more. */
export function listed(names: readonly string[]): string {
  const shown = names.slice(0, shownNamesMax).join(', ')
  return names.length > shownNamesMax ? `${shown} and ${names.length - shownNamesMax} more` : shown
}
