/**
 * scikit-learn's classifiers, as skl2onnx exports them by default, give their probabilities through
 * ZipMap: a list of maps, which onnxruntime for Node cannot hand over. The tensor that goes into
 * ZipMap has the same numbers, so that is what is asked for, and the labels are kept as its keys.
 */
import {
  bytesField,
  fieldsOf,
  integersOf,
  numberField,
  textOf,
  type WireField,
} from '../../core/protobuf-wire.ts'

/** Numbers of the fields that matter here, from `onnx.proto`. */
const inModel = { graph: 7 } as const
const inGraph = { node: 1, input: 11, output: 12 } as const
const inNode = { input: 1, output: 2, operator: 4, attribute: 5, domain: 7 } as const
const inAttribute = { name: 1, integers: 8, strings: 9 } as const
const inValue = { name: 1, type: 2 } as const
const inType = { tensor: 1 } as const
const inTensor = { element: 1, shape: 2 } as const
const inShape = { dimension: 1 } as const
const inDimension = { size: 1 } as const
const float32 = 1

/** Labels of a classifier, in the order of its probabilities. */
export type ClassLabels = readonly (string | bigint)[]

/** What a model file says of itself, as far as it was asked. */
export interface OnnxOutline {
  /** The file without ZipMap; absent where there is none. */
  readonly rewritten?: Uint8Array
  /** Labels by the name of the output that was a list of maps. */
  readonly labels: ReadonlyMap<string, ClassLabels>
  /** Inputs that are declared to have no dimension at all, which onnxruntime does not tell. */
  readonly scalars: ReadonlySet<string>
}

interface ZipMap {
  readonly input: string
  readonly output: string
  readonly labels: ClassLabels
}

/**
 * Reads a model file, and puts a plain tensor in the place of each output that comes out of ZipMap.
 * The rest of the file stays as it is, byte by byte.
 *
 * @throws WireError for what is no message.
 */
export function outlineOf(model: Uint8Array): OnnxOutline {
  const labels = new Map<string, ClassLabels>()
  const scalars = new Set<string>()
  const parts: Uint8Array[] = []
  for (const field of fieldsOf(model)) {
    const isGraph = field.number === inModel.graph
    const graph = isGraph ? rewriteGraph(field.payload, labels, scalars) : undefined
    parts.push(graph === undefined ? field.whole : bytesField(inModel.graph, graph))
  }
  if (labels.size === 0) return { labels, scalars }
  return { rewritten: Buffer.concat(parts), labels, scalars }
}

/** @returns `undefined` when there is nothing to change. */
function rewriteGraph(
  graph: Uint8Array,
  labels: Map<string, ClassLabels>,
  scalars: Set<string>,
): Uint8Array | undefined {
  const outputs = new Set<string>()
  let zipMaps = 0
  for (const field of fieldsOf(graph)) {
    if (field.number === inGraph.output) outputs.add(nameOf(field.payload))
    else if (field.number === inGraph.input && isScalar(field.payload)) {
      scalars.add(nameOf(field.payload))
    } else if (field.number === inGraph.node && zipMapOf(field.payload) !== undefined) zipMaps += 1
  }
  if (zipMaps === 0) return undefined
  const parts = [...fieldsOf(graph)].map((field) => {
    const zipMap = field.number === inGraph.node ? zipMapOf(field.payload) : undefined
    if (zipMap === undefined || !outputs.has(zipMap.output)) return field
    labels.set(zipMap.output, zipMap.labels)
    return { ...field, whole: identityNode(zipMap) }
  })
  return Buffer.concat(parts.map((field) => tensorOutput(field, labels) ?? field.whole))
}

function tensorOutput(
  field: WireField,
  labels: ReadonlyMap<string, ClassLabels>,
): Uint8Array | undefined {
  if (field.number !== inGraph.output) return undefined
  const name = nameOf(field.payload)
  const size = labels.get(name)?.length
  if (size === undefined) return undefined
  const any = bytesField(inShape.dimension, '')
  const fixed = bytesField(inShape.dimension, numberField(inDimension.size, size))
  const shape = bytesField(inTensor.shape, Buffer.concat([any, fixed]))
  const tensor = Buffer.concat([numberField(inTensor.element, float32), shape])
  const type = bytesField(inType.tensor, tensor)
  const value = Buffer.concat([bytesField(inValue.name, name), bytesField(inValue.type, type)])
  return bytesField(inGraph.output, value)
}

function identityNode({ input, output }: ZipMap): Uint8Array {
  const node = [
    bytesField(inNode.input, input),
    bytesField(inNode.output, output),
    bytesField(inNode.operator, 'Identity'),
  ]
  return bytesField(inGraph.node, Buffer.concat(node))
}

function zipMapOf(node: Uint8Array): ZipMap | undefined {
  let [input, output, operator, domain] = ['', '', '', '']
  const attributes: Uint8Array[] = []
  for (const field of fieldsOf(node)) {
    if (field.number === inNode.input) input ||= textOf(field)
    else if (field.number === inNode.output) output ||= textOf(field)
    else if (field.number === inNode.operator) operator = textOf(field)
    else if (field.number === inNode.domain) domain = textOf(field)
    else if (field.number === inNode.attribute) attributes.push(field.payload)
  }
  if (operator !== 'ZipMap' || domain !== 'ai.onnx.ml') return undefined
  return { input, output, labels: attributes.flatMap(labelsOf) }
}

function labelsOf(attribute: Uint8Array): (string | bigint)[] {
  const fields = [...fieldsOf(attribute)]
  const name = fields.filter(({ number }) => number === inAttribute.name).map(textOf)[0]
  if (name === 'classlabels_strings') {
    return fields.filter(({ number }) => number === inAttribute.strings).map(textOf)
  }
  if (name !== 'classlabels_int64s') return []
  return fields.filter(({ number }) => number === inAttribute.integers).flatMap(integersOf)
}

function nameOf(value: Uint8Array): string {
  for (const field of fieldsOf(value)) if (field.number === inValue.name) return textOf(field)
  return ''
}

/** Whether a shape is given, and is empty. */
function isScalar(value: Uint8Array): boolean {
  const path = [inValue.type, inType.tensor, inTensor.shape]
  let message: Uint8Array | undefined = value
  for (const number of path) {
    if (message === undefined) return false
    const found: WireField | undefined = [...fieldsOf(message)].find(
      (field) => field.number === number,
    )
    message = found?.payload
  }
  return message?.length === 0
}
