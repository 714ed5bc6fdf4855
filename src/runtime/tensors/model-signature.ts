/** A model's own account of what it takes and gives, as text, and the errors that quote it. */
import type { EventPath, ModelManifest } from '../../models/model-manifest.ts'
import { ModelLoadError } from '../model-module.ts'
import type { TensorInfo, TensorModel } from './tensor.ts'

/** Inputs or outputs that a text names; more are counted. */
const namesMax = 20

/** The part of a model that a manifest is held against. */
export type ModelSignature = Pick<TensorModel, 'inputs' | 'outputs'>

/** Such as `float32[?, 4]`; a size of any kind is `?`. */
export function typeText({ dtype, shape }: Pick<TensorInfo, 'dtype' | 'shape'>): string {
  return shape === undefined ? `${dtype} of any shape` : `${dtype}${shapeText(shape)}`
}

/** Such as `[?, 4]`. */
export function shapeText(shape: readonly (number | null)[]): string {
  return `[${shape.map((size) => size ?? '?').join(', ')}]`
}

/** Such as `telemetry.values[0]`. */
export function pathText(path: EventPath): string {
  let text = ''
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`
    else if (/^[\p{L}_][\p{L}\p{N}_-]*$/u.test(step)) text += text === '' ? step : `.${step}`
    else text += `[${JSON.stringify(step)}]`
  }
  return text
}

/** A field of a manifest, and what an error calls it besides. */
export interface ManifestField {
  /** Such as `inputs[0].shape`. */
  readonly path: string
  /** Follows the path and the place, such as ` of "features"`. */
  readonly of?: string
}

/**
 * The error of a manifest that says otherwise than its model.
 *
 * @param complaint - A clause whose subject is the field.
 * @returns It names the field with its line and column, and all that the model takes and gives.
 */
export function mismatch(
  manifest: Pick<ModelManifest, 'file' | 'places'>,
  { path, of = '' }: ManifestField,
  complaint: string,
  model: ModelSignature,
): ModelLoadError {
  const where = fieldPlace(manifest, path)
  const message = `${path}${of} in ${where} ${complaint}. ${signatureText(model)}`
  return new ModelLoadError({ kind: 'mismatch', message, where })
}

/** `file:line:column` of a field; of one that is left out, that of the port or list it belongs to. */
function fieldPlace(
  { file, places = {} }: Pick<ModelManifest, 'file' | 'places'>,
  path: string,
): string {
  const [port] = path.split('.')
  const [list] = path.split('[')
  const place = places[path] ?? places[`${port}.name`] ?? places[`${list}`]
  return place === undefined ? file : `${file}:${place}`
}

/** A sentence with all inputs and outputs. */
export function signatureText({ inputs, outputs }: ModelSignature): string {
  return `The model takes ${listText(inputs)} and gives ${listText(outputs)}`
}

function listText(infos: readonly TensorInfo[]): string {
  if (infos.length === 0) return 'nothing'
  const named = infos.slice(0, namesMax).map((info) => `"${info.name}" ${typeText(info)}`)
  const more = infos.length > namesMax ? [`${infos.length - namesMax} more`] : []
  return [...named, ...more].join(', ')
}
