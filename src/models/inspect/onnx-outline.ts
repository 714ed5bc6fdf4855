/** What an ONNX file says of itself, out of its bytes alone: nothing of it is run, no library opens it. */
import {
  fieldsOf,
  integersOf,
  textOf,
  WireError,
  type WireField,
} from '../../core/protobuf-wire.ts'

/** Numbers of the fields that matter here, from `onnx.proto`. */
const inModel = { irVersion: 1, producer: 2, producerVersion: 3, graph: 7, opset: 8 } as const
const inOpset = { domain: 1, version: 2 } as const
const inGraph = { initializer: 5, input: 11, output: 12 } as const
const inValue = { name: 1, type: 2 } as const
const inType = { tensor: 1, sequence: 4, map: 5, sparse: 8, optional: 9 } as const
const inTensorType = { element: 1, shape: 2 } as const
const inShape = { dimension: 1 } as const
const inDimension = { size: 1, name: 2 } as const
const inTensor = { name: 8, external: 13, location: 14 } as const
const inEntry = { key: 1, value: 2 } as const
/** Of `location`: the data is in a file beside the model. */
const isElsewhere = 1n

/** `TensorProto.DataType`, by its numbers. */
const elementTypes: readonly string[] = (
  'undefined float32 uint8 int8 uint16 int16 int32 int64 string bool float16 float64 uint32 uint64 ' +
  'complex64 complex128 bfloat16 float8e4m3fn float8e4m3fnuz float8e5m2 float8e5m2fnuz uint4 int4 float4e2m1'
).split(' ')

/** Fields of a model and its graph; a file of two-byte fields would take minutes. */
const fieldsMax = 1_000_000
/** Of everything that is named by a text of the file. */
const textCharsMax = 200

/** A model file as it describes itself. */
export interface OnnxOutline {
  readonly irVersion?: string
  /** Such as `skl2onnx 1.14`. */
  readonly producer?: string
  /** Such as `15` for the standard operators and `ai.onnx.ml 1` for others. */
  readonly opsets: readonly string[]
  /** Such as `"x" float32[batch, 4]`; without those that have a value in the file. */
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  /** Files with weights, relative to the model, and how many tensors are in each. */
  readonly external: ReadonlyMap<string, number>
}

/**
 * Reads the outline of a model. Takes no memory that the file merely claims.
 *
 * @throws WireError for what is no message, or has no graph.
 */
export function onnxOutline(model: Uint8Array): OnnxOutline {
  const count = { left: fieldsMax }
  let irVersion: string | undefined
  const producer = ['', '']
  const opsets: string[] = []
  let graph: Uint8Array | undefined
  for (const field of counted(model, count)) {
    if (field.number === inModel.irVersion) irVersion = integersOf(field).join()
    else if (field.number === inModel.producer) producer[0] = shortText(field)
    else if (field.number === inModel.producerVersion) producer[1] = shortText(field)
    else if (field.number === inModel.opset) opsets.push(opsetText(field.payload))
    else if (field.number === inModel.graph) graph = field.payload
  }
  if (graph === undefined) throw new WireError('it has no graph')
  const made = producer.filter((text) => text !== '').join(' ')
  return {
    ...(irVersion === undefined ? {} : { irVersion }),
    ...(made === '' ? {} : { producer: made }),
    // The standard operators first: their text begins with a digit.
    opsets: opsets.toSorted(),
    ...graphOutline(graph, count),
  }
}

interface Count {
  left: number
}

function* counted(message: Uint8Array, count: Count): Generator<WireField, void, undefined> {
  for (const field of fieldsOf(message)) {
    count.left -= 1
    if (count.left < 0) throw new WireError(`it has more than ${fieldsMax} fields`)
    yield field
  }
}

function graphOutline(
  graph: Uint8Array,
  count: Count,
): Pick<OnnxOutline, 'inputs' | 'outputs' | 'external'> {
  const inputs = new Map<string, string>()
  const outputs: string[] = []
  const given = new Set<string>()
  const external = new Map<string, number>()
  for (const { number, payload } of counted(graph, count)) {
    if (number === inGraph.output) outputs.push(valueText(payload)[1])
    else if (number === inGraph.input) inputs.set(...valueText(payload))
    else if (number === inGraph.initializer) {
      const { name, file } = weightsOf(payload)
      given.add(name)
      if (file !== undefined) external.set(file, (external.get(file) ?? 0) + 1)
    }
  }
  // Before IR 4 every weight had to be an input as well.
  const asked = [...inputs].filter(([name]) => !given.has(name)).map(([, text]) => text)
  return { inputs: asked, outputs, external }
}

function opsetText(opset: Uint8Array): string {
  const domain = first(opset, inOpset.domain)
  const version = first(opset, inOpset.version)
  const number = version === undefined ? '0' : integersOf(version).join()
  const name = domain === undefined ? '' : shortText(domain)
  return name === '' || name === 'ai.onnx' ? number : `${name} ${number}`
}

function weightsOf(tensor: Uint8Array): { readonly name: string; readonly file?: string } {
  let name = ''
  let file: string | undefined
  let location = 0n
  for (const field of fieldsOf(tensor)) {
    if (field.number === inTensor.name) name = textOf(field)
    else if (field.number === inTensor.location) location = integersOf(field)[0] ?? 0n
    else if (field.number === inTensor.external) {
      const key = first(field.payload, inEntry.key)
      const value = first(field.payload, inEntry.value)
      const isPlace = key !== undefined && textOf(key) === 'location'
      if (isPlace && value !== undefined) file = shortText(value)
    }
  }
  return location === isElsewhere && file !== undefined ? { name, file } : { name }
}

/** Name of an input or output, and the name with its type in words. */
function valueText(value: Uint8Array): [string, string] {
  const named = first(value, inValue.name)
  const name = named === undefined ? '' : textOf(named)
  const type = first(value, inValue.type)
  const shown = name.length > textCharsMax ? `${name.slice(0, textCharsMax)}…` : name
  return [name, `"${shown}" ${type === undefined ? 'of any type' : typeText(type.payload)}`]
}

function typeText(type: Uint8Array): string {
  for (const { number, payload } of fieldsOf(type)) {
    if (number === inType.tensor) return tensorText(payload)
    if (number === inType.sparse) return `sparse ${tensorText(payload)}`
    if (number === inType.sequence) return 'a list'
    if (number === inType.map) return 'a map'
    if (number === inType.optional) return 'optional'
  }
  return 'of any type'
}

function tensorText(tensor: Uint8Array): string {
  const element = first(tensor, inTensorType.element)
  const number = element === undefined ? 0 : Number(integersOf(element)[0] ?? 0n)
  const dtype = elementTypes[number] ?? `type ${number}`
  const shape = first(tensor, inTensorType.shape)
  if (shape === undefined) return `${dtype} of any shape`
  const sizes: string[] = []
  for (const field of fieldsOf(shape.payload)) {
    if (field.number === inShape.dimension) sizes.push(sizeText(field.payload))
  }
  return `${dtype}[${sizes.slice(0, 16).join(', ')}]`
}

function sizeText(dimension: Uint8Array): string {
  for (const field of fieldsOf(dimension)) {
    if (field.number === inDimension.size) return integersOf(field).join()
    if (field.number === inDimension.name) return shortText(field) || '?'
  }
  return '?'
}

function first(message: Uint8Array, number: number): WireField | undefined {
  for (const field of fieldsOf(message)) if (field.number === number) return field
  return undefined
}

function shortText(field: WireField): string {
  return textOf(field).slice(0, textCharsMax)
}
