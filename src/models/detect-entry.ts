import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { ModelSource } from '../config/settings.ts'
import { EdgebootError } from '../core/errors.ts'
import { isDottedPythonName } from '../core/python-name.ts'
import type { ModelPackage, RuntimeKind } from './model-package.ts'
import { pathKind } from './path-kind.ts'

/** Files that make a folder a model, in the order in which they are looked for. */
const entryFiles: readonly { readonly file: string; readonly runtime: RuntimeKind }[] = [
  { file: 'index.py', runtime: 'python' },
  { file: 'index.ts', runtime: 'javascript' },
  { file: 'index.mts', runtime: 'javascript' },
  { file: 'index.mjs', runtime: 'javascript' },
  { file: 'index.js', runtime: 'javascript' },
]

/** How many names of a folder an error shows. */
const shownNamesMax = 8

/** How a model is loaded. */
export type DetectedEntry = Pick<
  ModelPackage,
  'runtime' | 'format' | 'folder' | 'entryFile' | 'functionName' | 'manifest'
>

/**
 * Finds what a model is started with: `index.py`, else `index.ts`, `.mts`, `.mjs` or `.js`.
 *
 * @param folder - Absolute root of the package.
 * @param model - For the message.
 * @throws `MODEL_NO_ENTRY` with what was looked for and what is there, and, where the folder holds
 * a kind of model that this version does not serve, which one.
 */
export async function detectEntry(folder: string, model: string): Promise<DetectedEntry> {
  for (const { file, runtime } of entryFiles) {
    const entryFile = join(folder, file)
    if ((await pathKind(entryFile)) === 'file')
      return { runtime, format: 'module', folder, entryFile }
  }
  const wanted = entryFiles.map(({ file }) => file).join(', ')
  throw await noEntry(model, folder, `looked for ${wanted}`)
}

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
  throw await noEntry(
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

async function noEntry(model: string, folder: string, lookedFor: string): Promise<EdgebootError> {
  const names = await namesIn(folder)
  const shown = names.slice(0, shownNamesMax).join(', ')
  const more = names.length > shownNamesMax ? ` and ${names.length - shownNamesMax} more` : ''
  const there = names.length === 0 ? 'the folder is empty' : `the folder has ${shown}${more}`
  const kind = unservedKind(names)
  const message = `model '${model}' has nothing to start with: ${lookedFor}; ${there}`
  return new EdgebootError(
    'MODEL_NO_ENTRY',
    kind === undefined ? message : `${message}. ${kind} is not served by this version yet`,
    {
      details: { where: folder, model },
      ...(kind === undefined
        ? {}
        : { fix: 'Add an index.py that loads the model and defines handler(event, context).' }),
    },
  )
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true })
    return entries.map((entry) => (entry.isDirectory() ? `${entry.name}/` : entry.name)).sort()
  } catch {
    return []
  }
}

/** Kinds of model that are known and come with a later version (DESIGN section 8). */
function unservedKind(names: readonly string[]): string | undefined {
  const ends = (ending: string): string | undefined =>
    names.find((name) => name.toLowerCase().endsWith(ending))
  const manifest = names.find((name) => name === 'model.yaml' || name === 'model.yml')
  if (manifest !== undefined) return `A package with a manifest (${manifest})`
  const onnx = ends('.onnx')
  if (onnx !== undefined) return `An ONNX model (${onnx})`
  if (names.includes('saved_model.pb')) return 'A TensorFlow SavedModel (saved_model.pb)'
  const tflite = ends('.tflite')
  if (tflite !== undefined) return `A TensorFlow Lite model (${tflite})`
  if (names.includes('model.json')) return 'A TensorFlow.js model (model.json)'
  const wasm = ends('.wasm')
  return wasm === undefined ? undefined : `A WebAssembly model (${wasm})`
}
