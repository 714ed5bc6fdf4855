import { basename, join } from 'node:path'
import { possibleKinds, type ModelKind } from '../../core/model-kinds.ts'
import type { ModelManifest } from '../model-manifest.ts'
import { pathKind } from '../path-kind.ts'
import { ambiguousEntryError, namesIn, noEntryError, unfitEntryError } from './entry-errors.ts'
import { tfjsForm } from './tfjs-model.ts'
import { isExtismPlugin } from './wasm-imports.ts'

/** A file that a model can be started with. */
export interface FoundEntry extends ModelKind {
  /** Absolute. */
  readonly entryFile: string
}

/** A kind of file that makes a folder a model. */
interface Candidate extends ModelKind {
  /** A name, or the end of one after `*`. */
  readonly pattern: string
}

/** In the order in which they are looked for. */
const candidates: readonly Candidate[] = [
  { pattern: 'index.py', runtime: 'python', format: 'module' },
  { pattern: 'index.ts', runtime: 'javascript', format: 'module' },
  { pattern: 'index.mts', runtime: 'javascript', format: 'module' },
  { pattern: 'index.mjs', runtime: 'javascript', format: 'module' },
  { pattern: 'index.js', runtime: 'javascript', format: 'module' },
  { pattern: '*.onnx', runtime: 'onnx', format: 'onnx' },
  { pattern: 'saved_model.pb', runtime: 'tensorflow', format: 'saved-model' },
  { pattern: '*.keras', runtime: 'tensorflow', format: 'keras' },
  { pattern: '*.tflite', runtime: 'tensorflow', format: 'tflite' },
  { pattern: 'model.json', runtime: 'tensorflow', format: 'tfjs' },
  { pattern: '*.wasm', runtime: 'wasm', format: 'wasm' },
]

/** Loaded by running whatever code is in them: only when a manifest says so. */
const pickleEndings = ['.joblib', '.pkl', '.pickle']

/** What is looked at. */
export interface Place {
  /** Absolute root of the package. */
  readonly folder: string
  /** Name of the model, for messages. */
  readonly model: string
  /** Without an entry. */
  readonly manifest: ModelManifest | undefined
}

/**
 * Finds what a folder is started with where nobody says it: the first candidate that is there and
 * that the manifest allows.
 *
 * @throws `MODEL_NO_ENTRY`, `MODEL_ENTRY_AMBIGUOUS`.
 */
export async function findEntry(place: Place): Promise<FoundEntry> {
  const { folder, model, manifest } = place
  const names = (await namesIn(folder)).filter((name) => !name.startsWith('.'))
  const wanted = possibleKinds(manifest ?? {})
  const allowed = candidates.filter((one) => wanted.some((kind) => isSame(kind, one)))
  for (const candidate of allowed) {
    const files = await filesOf(folder, matching(names, candidate.pattern))
    const entryFile = onlyOne(files, place)
    if (entryFile === undefined) continue
    if (candidate.format !== 'tfjs' || (await isGraphModel(entryFile, model))) {
      return await refined({ ...candidate, entryFile }, manifest)
    }
  }
  const pickles = await filesOf(folder, matching(names, ...pickleEndings.map((end) => `*${end}`)))
  const estimators = wanted.some(({ format }) => format === 'estimator')
  if (manifest !== undefined && estimators) {
    const entryFile = onlyOne(pickles, place)
    if (entryFile !== undefined) return { runtime: 'python', format: 'estimator', entryFile }
  }
  const [pickle] = pickles
  if (manifest === undefined && pickle !== undefined)
    throw bareEstimatorError(model, folder, pickle)
  const patterns = allowed.map(({ pattern }) => pattern)
  if (manifest !== undefined && estimators) {
    patterns.push(...pickleEndings.map((ending) => `*${ending}`))
  }
  throw await noEntryError(model, folder, `looked for ${patterns.join(', ')}`)
}

/** What a file is beyond its name. */
export async function refined(
  { runtime, format, entryFile }: FoundEntry,
  manifest: ModelManifest | undefined,
): Promise<FoundEntry> {
  const isOpen = format === 'wasm' && manifest?.format === undefined
  return isOpen && (await isExtismPlugin(entryFile))
    ? { runtime, format: 'extism', entryFile }
    : { runtime, format, entryFile }
}

/**
 * Whether a `model.json` holds a graph of TensorFlow.js.
 *
 * @throws `MODEL_NO_ENTRY` for the other form of such a file, with the way to convert it.
 */
export async function isGraphModel(file: string, model: string): Promise<boolean> {
  const form = await tfjsForm(file)
  if (form !== 'layers') return form === 'graph'
  throw unfitEntryError(
    model,
    file,
    'model.json is a layers model of TensorFlow.js, and only graph models are served',
    'Convert it: tensorflowjs_converter --input_format=tfjs_layers_model --output_format=tfjs_graph_model model.json OUT.',
  )
}

function isSame(a: ModelKind, b: ModelKind): boolean {
  // Whether a module is a plug-in for Extism is seen when it is looked at.
  const format = (kind: ModelKind): string => (kind.format === 'extism' ? 'wasm' : kind.format)
  return a.runtime === b.runtime && format(a) === format(b)
}

function matching(names: readonly string[], ...patterns: readonly string[]): string[] {
  return names.filter((name) =>
    patterns.some((pattern) =>
      pattern.startsWith('*') ? name.toLowerCase().endsWith(pattern.slice(1)) : name === pattern,
    ),
  )
}

/** Absolute paths of those that are files; a link to one counts. */
async function filesOf(folder: string, names: readonly string[]): Promise<string[]> {
  const files: string[] = []
  for (const name of names) {
    const file = join(folder, name)
    if ((await pathKind(file)) === 'file') files.push(file)
  }
  return files
}

function onlyOne(files: readonly string[], { folder, model }: Place): string | undefined {
  if (files.length > 1) {
    const names = files.map((file) => basename(file))
    throw ambiguousEntryError(model, folder, names)
  }
  return files[0]
}

function bareEstimatorError(model: string, folder: string, file: string): Error {
  const name = basename(file)
  return unfitEntryError(
    model,
    folder,
    `${name} is loaded by running whatever code is in it, and that is done only for a package that says so in a manifest`,
    `Put a model.yaml beside it, such as:\n${exampleManifest(name)}`,
  )
}

function exampleManifest(entry: string): string {
  return [
    'runtime: python',
    'format: estimator',
    `entry: ${entry}`,
    'inputs:',
    '  - { name: x, path: [telemetry.temperature, telemetry.pressure] }',
  ]
    .map((line) => `    ${line}`)
    .join('\n')
}
