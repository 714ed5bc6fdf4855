/** The files of a TensorFlow.js model: what must be right of them before it is given to TensorFlow.js. */
import { readFile, stat } from 'node:fs/promises'
import { dirname, join, normalize, sep } from 'node:path'
import { ModelLoadError } from '../model-module.ts'
import type { TfjsNode } from './tfjs-graph.ts'

/** A `model.json`. That of a network with thousands of layers has a few MB. */
const jsonBytesMax = 64 * 1024 * 1024

/** All weights of a model together. */
const weightBytesMax = 1024 * 1024 * 1024

/** Bytes of an element as it lies in a file; texts have a length of their own. */
const elementBytes: Readonly<Record<string, number>> = {
  float32: 4,
  float16: 2,
  int32: 4,
  bool: 1,
  uint8: 1,
  uint16: 2,
  complex64: 8,
}

/** A weight as `model.json` describes it. */
interface WeightSpec {
  readonly name: string
  readonly dtype: string
  readonly shape: readonly number[]
  readonly quantization?: { readonly dtype?: string }
}

/** A tensor of a signature, as `model.json` describes it. */
export interface SignatureTensor {
  readonly name: string
  readonly dtype: string
  readonly tensorShape?: {
    readonly dim?: readonly { readonly size?: string | number }[]
    readonly unknownRank?: boolean
  }
}

/** A graph model as it lies on the disk. */
export interface TfjsFiles {
  readonly topology: {
    readonly node: TfjsNode[]
    readonly library?: { readonly function?: readonly { readonly nodeDef?: TfjsNode[] }[] }
  }
  readonly signature?: {
    readonly inputs?: Readonly<Record<string, SignatureTensor>>
    readonly outputs?: Readonly<Record<string, SignatureTensor>>
  }
  readonly weightSpecs: readonly WeightSpec[]
  readonly weights: ArrayBuffer
  /** All of `model.json`, for what TensorFlow.js reads besides. */
  readonly json: Readonly<Record<string, unknown>>
}

/**
 * Reads a graph model: `model.json` and the files with weights that it names.
 *
 * @throws ModelLoadError that names the file and what is wrong with it: absent, not JSON, a model of
 * layers, weights that are outside of the package, too short or too long.
 */
export async function readTfjsFiles(entryFile: string): Promise<TfjsFiles> {
  const json = await readJson(entryFile)
  if (json['format'] === 'layers-model' || isLayers(json)) {
    throw invalid(
      entryFile,
      'it is a model of layers, and only graph models are run. Convert it: tensorflowjs_converter --input_format=tfjs_layers_model --output_format=tfjs_graph_model model.json FOLDER',
    )
  }
  const { modelTopology, weightsManifest, signature } = json
  if (!isTopology(modelTopology)) throw invalid(entryFile, 'it has no modelTopology with nodes')
  if (!isManifest(weightsManifest)) {
    throw invalid(entryFile, 'its weightsManifest does not list paths and weights')
  }
  const parts: Uint8Array[] = []
  let left = weightBytesMax
  for (const group of weightsManifest) {
    const data = await readGroup(entryFile, group.paths, left)
    checkLength(entryFile, group, data.length)
    left -= data.length
    parts.push(data)
  }
  const weights = Buffer.concat(parts)
  return {
    topology: modelTopology,
    ...(isSignature(signature) ? { signature } : {}),
    weightSpecs: weightsManifest.flatMap((group) => group.weights),
    weights: weights.buffer.slice(weights.byteOffset, weights.byteOffset + weights.length),
    json,
  }
}

interface WeightGroup {
  readonly paths: readonly string[]
  readonly weights: readonly WeightSpec[]
}

async function readJson(file: string): Promise<Record<string, unknown>> {
  const text = (await readBounded(file, jsonBytesMax)).toString()
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (thrown) {
    const reason = thrown instanceof Error ? thrown.message : String(thrown)
    throw invalid(file, `it is not JSON (${text.length} characters): ${reason}`)
  }
  if (!isRecord(json)) throw invalid(file, 'it is no JSON object')
  return json
}

async function readGroup(
  entryFile: string,
  paths: readonly string[],
  bytesMax: number,
): Promise<Buffer> {
  const parts: Buffer[] = []
  let left = bytesMax
  for (const path of paths) {
    const inside = normalize(path)
    if (inside.startsWith('..') || inside.startsWith(sep)) {
      throw invalid(entryFile, `its weights are in ${path}, outside of the package`)
    }
    const part = await readBounded(join(dirname(entryFile), inside), left, entryFile)
    left -= part.length
    parts.push(part)
  }
  return Buffer.concat(parts)
}

async function readBounded(file: string, bytesMax: number, namedBy?: string): Promise<Buffer> {
  try {
    const { size } = await stat(file)
    if (size > bytesMax) throw invalid(file, `it has ${size} bytes; at most ${bytesMax} are read`)
    return await readFile(file)
  } catch (thrown) {
    if (thrown instanceof ModelLoadError) throw thrown
    const reason = thrown instanceof Error ? thrown.message : String(thrown)
    const asked = namedBy === undefined ? '' : `, which ${namedBy} names`
    throw new ModelLoadError({
      kind: 'file',
      message: `${file}${asked}, cannot be read: ${reason}`,
      where: file,
    })
  }
}

/** Weights lie one after the other: a file that is cut short would give the last ones other values. */
function checkLength(entryFile: string, { paths, weights }: WeightGroup, length: number): void {
  let expected = 0
  for (const { name, dtype, shape, quantization } of weights) {
    if (dtype === 'string') return
    const stored = quantization?.dtype ?? dtype
    const bytes = elementBytes[stored]
    if (bytes === undefined) {
      throw invalid(entryFile, `its weight "${name}" is of the type ${stored}, which is not known`)
    }
    expected += bytes * shape.reduce((product, size) => product * size, 1)
  }
  if (length === expected) return
  const folder = dirname(entryFile)
  const files = paths.map((path) => join(folder, path)).join(', ')
  const how = length < expected ? 'cut short' : 'of another model'
  throw new ModelLoadError({
    kind: 'file',
    message: `${files} has ${length} bytes where ${entryFile} describes weights of ${expected}: it is ${how}`,
    where: join(folder, paths[0] ?? ''),
  })
}

function isLayers({ modelTopology }: Record<string, unknown>): boolean {
  return isRecord(modelTopology) && ('model_config' in modelTopology || 'config' in modelTopology)
}

function isTopology(value: unknown): value is TfjsFiles['topology'] {
  return isRecord(value) && Array.isArray(value['node']) && value['node'].every(isNode)
}

function isNode(value: unknown): value is TfjsNode {
  return isRecord(value) && typeof value['name'] === 'string' && typeof value['op'] === 'string'
}

function isManifest(value: unknown): value is WeightGroup[] {
  return Array.isArray(value) && value.every(isGroup)
}

function isGroup(value: unknown): value is WeightGroup {
  if (!isRecord(value)) return false
  const { paths, weights } = value
  const isPaths = Array.isArray(paths) && paths.every((path) => typeof path === 'string')
  return isPaths && Array.isArray(weights) && weights.every(isSpec)
}

function isSpec(value: unknown): value is WeightSpec {
  if (!isRecord(value)) return false
  const { name, dtype, shape } = value
  return typeof name === 'string' && typeof dtype === 'string' && Array.isArray(shape)
}

function isSignature(value: unknown): value is NonNullable<TfjsFiles['signature']> {
  return isRecord(value)
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function invalid(file: string, complaint: string): ModelLoadError {
  const message = `${file} cannot be used: ${complaint}`
  return new ModelLoadError({ kind: 'file', message, where: file })
}
