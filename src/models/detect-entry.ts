import { join } from 'node:path'
import { EdgebootError } from '../core/errors.ts'
import { possibleKinds } from '../core/model-kinds.ts'
import { listed, manifestError, namesIn } from './detection/entry-errors.ts'
import { findEntry, isGraphModel, refined, type FoundEntry } from './detection/find-entry.ts'
import type { ModelManifest } from './model-manifest.ts'
import type { ModelPackage } from './model-package.ts'
import { pathKind } from './path-kind.ts'

/** How a model is loaded. */
export type DetectedEntry = Pick<
  ModelPackage,
  'runtime' | 'format' | 'folder' | 'entryFile' | 'functionName' | 'manifest'
>

/** Reads a `model.yaml`: `readManifest` of `src/config/manifest`, which only layers above know. */
export type ReadManifest = (file: string) => Promise<ModelManifest>

/** Names of a manifest, in the order in which they are looked for. */
const manifestNames = ['model.yaml', 'model.yml']

/**
 * Finds what a model is started with: what its `model.yaml` names, else `index.py`, `index.ts`,
 * `.mts`, `.mjs` or `.js`, else the one model file at the root of the package. Nothing of the model
 * is loaded.
 *
 * @param folder - Absolute root of the package.
 * @param model - For the message.
 * @throws `MODEL_NO_ENTRY` with what was looked for and what is there, `MODEL_ENTRY_AMBIGUOUS`,
 * `MODEL_MANIFEST_INVALID`.
 */
export async function detectEntry(
  folder: string,
  model: string,
  readManifest: ReadManifest,
): Promise<DetectedEntry> {
  const manifest = await findManifest(folder, readManifest)
  const entry =
    manifest?.entry === undefined
      ? await findEntry({ folder, model, manifest })
      : await namedEntry(folder, model, manifest, manifest.entry)
  return { ...entry, folder, ...(manifest === undefined ? {} : { manifest }) }
}

async function findManifest(
  folder: string,
  readManifest: ReadManifest,
): Promise<ModelManifest | undefined> {
  for (const name of manifestNames) {
    const file = join(folder, name)
    if ((await pathKind(file)) !== 'file') continue
    try {
      return await readManifest(file)
    } catch (thrown) {
      if (await belongsToCode(folder, thrown)) return undefined
      throw thrown
    }
  }
  return undefined
}

/**
 * Many Python projects have a `model.yaml` of their own, with layers of a network, say. Beside an
 * `index.py` or `index.js`, one without any key of ours is such a file, and none of our business.
 */
async function belongsToCode(folder: string, thrown: unknown): Promise<boolean> {
  if (!(thrown instanceof EdgebootError) || thrown.details['foreign'] !== true) return false
  return (await namesIn(folder)).some((name) => /^index\.(?:py|ts|mts|mjs|js)$/.test(name))
}

/** What `entry` of a manifest leads to. */
async function namedEntry(
  folder: string,
  model: string,
  manifest: ModelManifest,
  entry: string,
): Promise<FoundEntry> {
  const path = join(folder, ...entry.split('/'))
  const there = await pathKind(path)
  if (there === undefined) {
    const has = listed(await namesIn(folder)) || 'nothing else'
    throw manifestError(
      manifest,
      'entry',
      `there is no file "${entry}" in the package, which has ${has}`,
    )
  }
  const entryFile = there === 'folder' ? await fileOfFolder(path, manifest, entry) : path
  const kinds = possibleKinds({ ...manifest, entry: entryFile })
  const [kind] = kinds
  if (kind === undefined) {
    const message = `${entry} is not what runtime and format say`
    throw manifestError(manifest, 'entry', message)
  }
  const formats = new Set(kinds.map(({ format }) => (format === 'extism' ? 'wasm' : format)))
  if (formats.size > 1 || kinds.some(({ runtime }) => runtime !== kind.runtime)) {
    const key = manifest.runtime === undefined ? 'runtime' : 'format'
    const choices = [...new Set(kinds.map((one) => one[key]))].join(', ')
    const message = `the name ${entry} does not tell what it is: add ${key}, one of ${choices}`
    throw manifestError(manifest, 'entry', message)
  }
  if (kind.format === 'tfjs' && !(await isGraphModel(entryFile, model))) {
    throw manifestError(manifest, 'entry', `${entry} is no model of TensorFlow.js`)
  }
  return await refined({ ...kind, entryFile }, manifest)
}

/** A model that is a folder, by what lies in it. */
async function fileOfFolder(
  folder: string,
  manifest: ModelManifest,
  entry: string,
): Promise<string> {
  for (const name of ['saved_model.pb', 'model.json']) {
    const file = join(folder, name)
    const fits = possibleKinds({ ...manifest, entry: file }).length > 0
    if (fits && (await pathKind(file)) === 'file') return file
  }
  const message = `${entry} is a folder without saved_model.pb or model.json of TensorFlow in it`
  throw manifestError(manifest, 'entry', message)
}
