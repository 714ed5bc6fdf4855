/** Which tensors of a model become which part of its result: decided once, when it is loaded. */
import type { EventPath, ManifestOutput, ModelManifest } from '../../models/model-manifest.ts'
import { mismatch, pathText, shapeText, typeText, type ModelSignature } from './model-signature.ts'
import type { TensorInfo } from './tensor.ts'

/** An output of a model, and where in the result it goes. */
export interface OutputBinding {
  readonly name: string
  readonly path: EventPath
  readonly keys?: readonly (string | number | bigint)[]
  /** Whether its first dimension is known not to be the batch. */
  readonly isUnbatched: boolean
}

/**
 * Binds the outputs that a manifest names, or all, each under its own name.
 *
 * @param events - How many the model takes in a run.
 * @throws ModelLoadError for a manifest that does not fit the model.
 */
export function bindOutputs(
  model: ModelSignature,
  manifest: ModelManifest | undefined,
  events: number,
): OutputBinding[] {
  if (manifest === undefined || manifest.outputs.length === 0) {
    return model.outputs.map((info) => bind(info, [info.name], events))
  }
  const bindings: OutputBinding[] = []
  for (const [at, output] of manifest.outputs.entries()) {
    const info = model.outputs.find(({ name }) => name === output.name)
    const field = `outputs[${at}]`
    if (info === undefined) {
      const complaint = `is "${output.name}", which the model has no output of`
      throw mismatch(manifest, { path: `${field}.name` }, complaint, model)
    }
    check(output, info, model, manifest, field)
    const other = bindings.find(({ path }) => overlap(path, output.path))
    if (other !== undefined) {
      const complaint = `is ${pathText(output.path)}, where "${other.name}" already is`
      throw mismatch(manifest, { path: `${field}.path` }, complaint, model)
    }
    bindings.push(bind(info, output.path, events))
  }
  return bindings
}

function bind(info: TensorInfo, path: EventPath, events: number): OutputBinding {
  const { name, keys, shape } = info
  const first = shape?.[0]
  // Many exporters write 1 where they mean any: the first batch will tell.
  const isUnbatched = shape !== undefined && first !== null && first !== 1 && first !== events
  return { name, path, isUnbatched, ...(keys === undefined ? {} : { keys }) }
}

function check(
  { dtype, shape }: ManifestOutput,
  info: TensorInfo,
  model: ModelSignature,
  manifest: ModelManifest,
  field: string,
): void {
  if (dtype !== undefined && dtype !== info.dtype) {
    const complaint = `is ${dtype}, but the model gives ${typeText(info)}`
    throw mismatch(manifest, { path: `${field}.dtype` }, complaint, model)
  }
  if (shape === undefined || info.shape === undefined) return
  const ofEvent = info.shape.slice(1)
  const isScalar = shape.length === 0 && ofEvent.every((size) => size === null || size === 1)
  if (isScalar || fits(ofEvent, shape) || fits(info.shape, shape)) return
  const complaint = `is ${shapeText(shape)}, but the model gives ${shapeText(ofEvent)} for one event`
  throw mismatch(manifest, { path: `${field}.shape` }, complaint, model)
}

function fits(model: readonly (number | null)[], said: readonly number[]): boolean {
  return (
    model.length === said.length && model.every((size, at) => size === null || size === said[at])
  )
}

/** Whether one place would be inside the other. */
function overlap(one: EventPath, other: EventPath): boolean {
  const steps = Math.min(one.length, other.length)
  for (let at = 0; at < steps; at++) if (String(one[at]) !== String(other[at])) return false
  return true
}
