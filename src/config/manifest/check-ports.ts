import type { DType } from '../../core/dtype.ts'
import type {
  EventPath,
  ManifestInput,
  ManifestOutput,
  MissingPolicy,
} from '../../models/model-manifest.ts'
import type { ConfigPath } from '../config-node.ts'
import type { ManifestCheck } from './check-manifest.ts'
import { readEventPath } from './event-path.ts'
import type { NativeManifest } from './manifest-schema.ts'

type NativeInput = NonNullable<NativeManifest['inputs']>[number]
type NativeOutput = NonNullable<NativeManifest['outputs']>[number]

/** Elements of one input or output of one event: a message of 8 MiB has no more. */
const elementsMax = 4 * 1024 * 1024

/** Reads the inputs: what of them is faulty is told and left out. */
export function readInputs(
  native: readonly NativeInput[],
  check: ManifestCheck,
): readonly ManifestInput[] {
  const names = new Map<string, number>()
  return native.map((input, at) => {
    const path = ['inputs', at]
    checkName(input.name, path, names, check)
    const paths = readPaths(input, path, check)
    const missing = readMissing(input.missing)
    checkMissing(missing, input.dtype, [...path, 'missing'], check)
    checkShape(input.shape, paths.length, path, check)
    return { name: input.name, paths, missing, ...typeOf(input) }
  })
}

/** Reads the outputs: no two of them may go to the same place, or one into the other. */
export function readOutputs(
  native: readonly NativeOutput[],
  check: ManifestCheck,
): readonly ManifestOutput[] {
  const names = new Map<string, number>()
  const taken = new Map<string, string>()
  return native.map((output, at) => {
    const path = ['outputs', at]
    checkName(output.name, path, names, check)
    checkShape(output.shape, 1, path, check)
    const place =
      output.path === undefined
        ? ownPath(output.name, [...path, 'name'], check)
        : readPath(output.path, [...path, 'path'], check)
    const pathAt = [...path, output.path === undefined ? 'name' : 'path']
    checkPlace(place, output.name, pathAt, taken, check)
    return { name: output.name, path: place, ...typeOf(output) }
  })
}

function typeOf({
  dtype,
  shape,
}: NativeOutput | NativeInput): Pick<ManifestOutput, 'dtype' | 'shape'> {
  return { ...(dtype === undefined ? {} : { dtype }), ...(shape === undefined ? {} : { shape }) }
}

function checkName(
  name: string,
  path: ConfigPath,
  names: Map<string, number>,
  check: ManifestCheck,
): void {
  const first = names.get(name)
  if (first === undefined) {
    names.set(name, Number(path[1]))
    return
  }
  const message = `the name ${JSON.stringify(name)} is here for the second time; the first is ${String(path[0])}[${first}]`
  check.error([...path, 'name'], message)
}

function readPaths(
  { name, path }: NativeInput,
  at: ConfigPath,
  check: ManifestCheck,
): readonly EventPath[] {
  if (path === undefined) return [ownPath(name, [...at, 'name'], check)]
  if (typeof path === 'string') return [readPath(path, [...at, 'path'], check)]
  return path.map((text, index) => readPath(text, [...at, 'path', index], check))
}

/** A name as a path of one key: it is not read as a path, since names may have dots in them. */
function ownPath(name: string, at: ConfigPath, check: ManifestCheck): EventPath {
  if (name === '__proto__') check.error(at, 'an input or output called __proto__ needs a path')
  return [name]
}

function readPath(text: string, at: ConfigPath, check: ManifestCheck): EventPath {
  const read = readEventPath(text)
  if ('steps' in read) return read.steps
  const shown = text.length > 60 ? `${text.slice(0, 60)}…` : text
  check.errorInside(
    at,
    read.offset,
    `the path ${JSON.stringify(shown)} ${read.fault}`,
    read.suggestion,
  )
  return [shown]
}

function readMissing(missing: NativeInput['missing']): MissingPolicy {
  if (missing === undefined) return { kind: 'reject' }
  return typeof missing === 'string' ? { kind: missing } : { kind: 'fill', value: missing.fill }
}

function checkMissing(
  missing: MissingPolicy,
  dtype: DType | undefined,
  at: ConfigPath,
  check: ManifestCheck,
): void {
  // Without a type, the model's own is what counts, and it is checked when the model is loaded.
  if (dtype === undefined) return
  if (missing.kind === 'nan' && !dtype.startsWith('float')) {
    check.error(at, `missing: nan needs one of the float types, and dtype is ${dtype}`)
  }
  if (missing.kind !== 'fill') return
  const fault = fillFault(missing.value, dtype)
  if (fault !== undefined) {
    const value = JSON.stringify(missing.value)
    check.error([...at, 'fill'], `fill is ${value}, but dtype is ${dtype}, ${fault}`)
  }
}

/** Why a type cannot hold a value: a clause about the type. */
function fillFault(value: number | string | boolean, dtype: DType): string | undefined {
  if (dtype === 'string') return typeof value === 'string' ? undefined : 'which takes text'
  if (dtype === 'bool') return typeof value === 'boolean' ? undefined : 'which takes true or false'
  if (typeof value !== 'number') return 'which takes a number'
  if (dtype.startsWith('float')) return undefined
  if (!Number.isInteger(value)) return 'which takes whole numbers'
  const bits = Number(/\d+$/.exec(dtype)?.[0])
  const isUnsigned = dtype.startsWith('u')
  const least = isUnsigned ? 0 : -(2 ** (bits - 1))
  const most = 2 ** (isUnsigned ? bits : bits - 1) - 1
  return value < least || value > most ? `which goes from ${least} to ${most}` : undefined
}

function checkShape(
  shape: readonly number[] | undefined,
  paths: number,
  path: ConfigPath,
  check: ManifestCheck,
): void {
  if (shape === undefined) return
  const elements = shape.reduce((product, size) => product * size, 1)
  const at = [...path, 'shape']
  if (elements > elementsMax) {
    check.error(at, `shape has ${elements} elements, more than ${elementsMax}`)
  } else if (paths > 1 && elements !== paths) {
    check.error(
      at,
      `shape has room for ${elements} values, but path names ${paths}`,
      `write shape: [${paths}], or leave it out`,
    )
  }
}

function checkPlace(
  place: EventPath,
  name: string,
  at: ConfigPath,
  taken: Map<string, string>,
  check: ManifestCheck,
): void {
  if (place.some((step) => typeof step === 'number')) {
    check.error(at, 'an output goes under keys, not into a list', 'leave [ ] with a number out')
    return
  }
  if (place.includes('constructor')) {
    check.error(at, 'constructor cannot be a key of a result')
    return
  }
  // Every beginning of the path is remembered, so that one look finds whoever is in the way.
  for (let length = 1; length <= place.length; length++) {
    const key = JSON.stringify(place.slice(0, length))
    const other = taken.get(length === place.length ? `any ${key}` : `end ${key}`)
    if (other !== undefined) {
      check.error(at, `the outputs "${other}" and "${name}" go to the same place of the result`)
      return
    }
  }
  for (let length = 1; length <= place.length; length++) {
    taken.set(`any ${JSON.stringify(place.slice(0, length))}`, name)
  }
  taken.set(`end ${JSON.stringify(place)}`, name)
}
