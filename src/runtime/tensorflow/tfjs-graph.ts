/** The part of a `model.json` that is read here; the rest is TensorFlow.js's. */
export interface TfjsNode {
  name: string
  op: string
  input?: string[]
  attr?: Record<string, unknown>
}

/** Ops whose models must be run asynchronously: those that TensorFlow.js itself looks for. */
const asynchronousOps: ReadonlySet<string> = new Set([
  'Switch',
  'Merge',
  'Enter',
  'Exit',
  'NextIteration',
  'StatelessIf',
  'StatelessWhile',
  'if',
  'While',
  'NonMaxSuppressionV2',
  'NonMaxSuppressionV3',
  'NonMaxSuppressionV5',
  'Where',
  'HashTable',
  'HashTableV2',
  'LookupTableImport',
  'LookupTableImportV2',
  'LookupTableFind',
  'LookupTableFindV2',
  'LookupTableSize',
  'LookupTableSizeV2',
])

/** Whether a graph has loops, branches, or tensors whose shape only their values tell. */
export function isAsynchronous(nodes: readonly TfjsNode[]): boolean {
  return nodes.some(({ op }) => asynchronousOps.has(op))
}

/**
 * Takes a tanh out of the ops that it was fused into, in place: converters of today fuse it with the
 * layer before, and no backend of TensorFlow.js 4.22 computes such an op.
 */
export function splitFusedTanh(nodes: TfjsNode[]): void {
  for (const node of nodes.slice()) {
    const fused = fusedOps(node)
    if (fused?.at(-1) !== tanhInBase64) continue
    fused.pop()
    const type = node.attr?.['T']
    const layer = `${node.name}/before_tanh`
    const attr = type === undefined ? {} : { attr: { T: type } }
    nodes.push({ name: node.name, op: 'Tanh', input: [layer], ...attr })
    node.name = layer
  }
}

const tanhInBase64 = Buffer.from('Tanh').toString('base64')

function fusedOps({ attr }: TfjsNode): string[] | undefined {
  const fused = attr?.['fused_ops'] as { list?: { s?: unknown } } | undefined
  const names = fused?.list?.s
  return Array.isArray(names) ? (names as string[]) : undefined
}
