/** Which values of an event become which tensor: decided once, when a model is loaded. */
import type { DType } from '../../core/dtype.ts'
import type {
  EventPath,
  ManifestInput,
  MissingPolicy,
  ModelManifest,
} from '../../models/model-manifest.ts'
import { ModelLoadError } from '../model-module.ts'
import { createElementWriter, verdicts } from './element-writer.ts'
import { mismatch, pathText, shapeText, signatureText, typeText } from './model-signature.ts'
import type { ModelSignature } from './model-signature.ts'
import type { TensorInfo } from './tensor.ts'

/** Sizes of one event; `null` is given by the event. */
export type EventShape = readonly (number | null)[]

/** An input of a model, and where its values are. */
export interface InputBinding {
  readonly name: string
  readonly dtype: DType
  /**
   * `first`: the first of the paths that leads to something has the whole value. `each`: every path
   * has one element.
   */
  readonly take: 'first' | 'each'
  readonly paths: readonly EventPath[]
  /** Of one event; absent where only the event knows. */
  readonly shape?: EventShape
  /** The events of a batch that the model takes: `any` number, a fixed one, or `none` has a place. */
  readonly batch: 'any' | 'none' | number
  readonly missing: MissingPolicy
}

/**
 * Binds every input of a model. Without inputs in the manifest, each is looked up by its name, in
 * the event and then under `telemetry`.
 *
 * @throws ModelLoadError for a manifest that does not fit the model.
 */
export function bindInputs(
  model: ModelSignature,
  manifest: ModelManifest | undefined,
): InputBinding[] {
  const named = new Map((manifest?.inputs ?? []).map((input, at) => [input.name, { input, at }]))
  if (manifest === undefined || named.size === 0) return model.inputs.map(bindByName)
  for (const [name, { at }] of named) {
    if (model.inputs.some((info) => info.name === name)) continue
    const complaint = `is "${name}", which the model has no input of`
    throw mismatch(manifest, { path: `inputs[${at}].name` }, complaint, model)
  }
  return model.inputs.map((info) => {
    const found = named.get(info.name)
    if (found !== undefined) return new Binder(model, manifest, found.input, found.at).bind(info)
    const complaint = `has nothing for the input "${info.name}"`
    throw mismatch(manifest, { path: 'inputs' }, complaint, model)
  })
}

/**
 * How many events the model takes in one run: any number, or exactly this many.
 *
 * @throws ModelLoadError when its inputs have room for different numbers of events.
 */
export function eventsPerRun(model: ModelSignature, bindings: readonly InputBinding[]): number {
  const sizes = new Set<number>()
  for (const { batch, shape } of bindings) {
    if (batch === 'none') return 1
    if (shape === undefined || shape.includes(null)) return 1 // each event has a shape of its own
    if (batch !== 'any') sizes.add(batch)
  }
  if (sizes.size === 0) return Infinity
  const [size = 1] = sizes
  if (sizes.size === 1) return size
  throw new ModelLoadError({
    kind: 'mismatch',
    message: `the inputs of the model begin with different sizes, so that it is not known which is the batch: say the shape of one event in inputs of a model.yaml. ${signatureText(model)}`,
  })
}

function bindByName(info: TensorInfo): InputBinding {
  const { name, dtype, shape } = info
  return {
    name,
    dtype,
    take: 'first',
    paths: [[name], ['telemetry', name]],
    ...(shape === undefined ? {} : { shape: shape.slice(1) }),
    batch: batchOf(shape),
    missing: { kind: 'reject' },
  }
}

function batchOf(shape: TensorInfo['shape']): InputBinding['batch'] {
  if (shape === undefined) return 'any'
  const [size] = shape
  return size === undefined ? 'none' : (size ?? 'any')
}

/** One input of a manifest against that of the model. */
class Binder {
  readonly #model: ModelSignature
  readonly #manifest: ModelManifest
  readonly #input: ManifestInput
  readonly #at: number

  constructor(model: ModelSignature, manifest: ModelManifest, input: ManifestInput, at: number) {
    this.#model = model
    this.#manifest = manifest
    this.#input = input
    this.#at = at
  }

  bind(info: TensorInfo): InputBinding {
    const { name, dtype, paths, missing } = this.#input
    if (dtype !== undefined && dtype !== info.dtype) {
      throw this.#mismatch('dtype', `is ${dtype}, but the model takes ${typeText(info)}`)
    }
    this.#checkMissing(info.dtype)
    const take = paths.length > 1 ? 'each' : 'first'
    return { name, dtype: info.dtype, take, paths, missing, ...this.#shape(info) }
  }

  #shape(info: TensorInfo): Pick<InputBinding, 'shape' | 'batch'> {
    const { shape: said, paths } = this.#input
    const wanted = said ?? (paths.length > 1 ? [paths.length] : undefined)
    if (said !== undefined && paths.length > 1 && elementsOf(said) !== paths.length) {
      const complaint = `is ${shapeText(said)}, which has not one element for each of ${paths.length} paths`
      throw this.#mismatch('shape', complaint)
    }
    if (info.shape === undefined) {
      return wanted === undefined ? { batch: 'any' } : { shape: wanted, batch: 'any' }
    }
    const ofEvent = info.shape.slice(1)
    const batch = batchOf(info.shape)
    if (wanted === undefined) return { shape: ofEvent, batch }
    const merged = merge(ofEvent, wanted, said !== undefined)
    if (batch !== 'none' && merged !== undefined) return { shape: merged, batch }
    // As many dimensions as the model itself: it has none for a batch.
    const whole = said && merge(info.shape, said, true)
    if (whole !== undefined) return { shape: whole, batch: 'none' }
    const field = said === undefined ? 'path' : 'shape'
    const is = said === undefined ? `names ${paths.length} values` : `is ${shapeText(said)}`
    const complaint = `${is}, but the model takes ${shapeText(ofEvent)} of one event: "${info.name}" is ${typeText(info)}`
    throw this.#mismatch(field, complaint)
  }

  #checkMissing(dtype: DType): void {
    const { missing } = this.#input
    if (missing.kind === 'nan' && !dtype.startsWith('float')) {
      throw this.#mismatch('missing', `is nan, which the type ${dtype} cannot hold`)
    }
    if (missing.kind !== 'fill') return
    const writer = createElementWriter(dtype)
    writer.reserve(1)
    if (writer.put(0, missing.value) === verdicts.taken) return
    const value = JSON.stringify(missing.value)
    throw this.#mismatch('missing', `is ${value}, which the type ${dtype} cannot hold`)
  }

  #mismatch(field: string, complaint: string): ModelLoadError {
    const { name, paths } = this.#input
    const shown = field === 'path' ? ` (${paths.slice(0, 3).map(pathText).join(', ')}, …)` : ''
    const place = { path: `inputs[${this.#at}].${field}`, of: `${shown} of "${name}"` }
    return mismatch(this.#manifest, place, complaint, this.#model)
  }
}

/** The shape that satisfies both, or `undefined`. */
function merge(
  model: EventShape,
  said: readonly number[],
  exactRank: boolean,
): EventShape | undefined {
  if (model.length === said.length) {
    const fits = model.every((size, at) => size === null || size === said[at])
    if (fits) return said
  }
  // A scalar may stand for `[1]`; several paths, one after the other, for any shape of that size.
  if (exactRank && said.length > 0) return undefined
  const sizes = model.map((size) => size ?? 1)
  return elementsOf(sizes) === elementsOf(said) ? sizes : undefined
}

/** Elements of a tensor of this shape. */
export function elementsOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1)
}
