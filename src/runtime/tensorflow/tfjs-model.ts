import type { DType } from '../../core/dtype.ts'
import type { Tensor as TfjsTensor } from '@tensorflow/tfjs-core'
import { ModelLoadError } from '../model-module.ts'
import type { Tensor, TensorData, TensorInfo, TensorModel } from '../tensors/tensor.ts'
import { loadTfjs, type TfjsEngine, type TfjsGraph } from './tfjs-engine.ts'
import { readTfjsFiles, type SignatureTensor, type TfjsFiles } from './tfjs-files.ts'
import { isAsynchronous, splitFusedTanh } from './tfjs-graph.ts'

/** TensorFlow.js knows four types of elements; its converter makes these of TensorFlow's. */
const dtypes: Readonly<Record<string, DType>> = {
  DT_FLOAT: 'float32',
  DT_HALF: 'float32',
  DT_DOUBLE: 'float32',
  DT_INT8: 'int32',
  DT_UINT8: 'int32',
  DT_INT32: 'int32',
  DT_INT64: 'int32',
  DT_BOOL: 'bool',
  DT_STRING: 'string',
  float32: 'float32',
  int32: 'int32',
  bool: 'bool',
  string: 'string',
}

/**
 * Loads a graph model of TensorFlow.js. Where the shapes of its inputs are known it is asked once, so
 * that an op that cannot be computed is found now and not with the first event.
 *
 * @param entryFile - Absolute path of its `model.json`.
 * @throws ModelLoadError
 */
export async function openTfjsModel(entryFile: string): Promise<TensorModel> {
  const files = await readTfjsFiles(entryFile)
  const engine = await loadTfjs(entryFile)
  const functions = (files.topology.library?.function ?? []).map(({ nodeDef }) => nodeDef ?? [])
  const graphs = [files.topology.node, ...functions]
  for (const nodes of graphs) splitFusedTanh(nodes)
  try {
    const graph = await engine.loadGraphModel(artifacts(engine, files))
    const model = new TfjsModel(engine, graph, files, graphs.some(isAsynchronous))
    await model.tryOnce()
    return model
  } catch (thrown) {
    const reason = thrown instanceof Error ? thrown.message : String(thrown)
    const message = `${entryFile} is not run by TensorFlow.js ${engine.core.version_core}: ${reason}`
    throw new ModelLoadError({ kind: 'file', message, where: entryFile })
  }
}

function artifacts({ core }: TfjsEngine, files: TfjsFiles): ReturnType<typeof core.io.fromMemory> {
  const { json, topology, signature, weightSpecs, weights } = files
  return core.io.fromMemory({
    ...json,
    modelTopology: topology,
    weightSpecs: weightSpecs as never,
    weightData: weights,
    ...(signature === undefined ? {} : { signature }),
  })
}

class TfjsModel implements TensorModel {
  readonly engine: string
  readonly inputs: readonly TensorInfo[]
  readonly outputs: readonly TensorInfo[]
  readonly #core: TfjsEngine['core']
  readonly #graph: TfjsGraph
  readonly #isAsynchronous: boolean

  constructor({ core }: TfjsEngine, graph: TfjsGraph, files: TfjsFiles, isAsynchronous: boolean) {
    this.engine = `TensorFlow.js ${core.version_core}`
    this.#core = core
    this.#graph = graph
    this.#isAsynchronous = isAsynchronous
    const { inputs, outputs } = files.signature ?? {}
    this.inputs = inputs === undefined ? graph.inputs.map(fromNode) : fromSignature(inputs)
    this.outputs = outputs === undefined ? graph.outputs.map(fromNode) : fromSignature(outputs)
  }

  /** Asks it with zeros, unless only an event knows the shape of an input. */
  async tryOnce(): Promise<void> {
    const feeds = new Map<string, Tensor>()
    for (const { name, dtype, shape } of this.inputs) {
      if (shape === undefined || shape.slice(1).includes(null)) return
      const sizes = shape.map((size) => size ?? 1)
      const count = sizes.reduce((product, size) => product * size, 1)
      feeds.set(name, { dtype, shape: sizes, data: zeros(dtype, count) })
    }
    const wanted = this.outputs.map(({ name }) => name)
    if (wanted.length > 0) await this.run(feeds, wanted)
  }

  /** What a run leaves behind is given back with the scope around it, also when it throws. */
  async run(
    feeds: ReadonlyMap<string, Tensor>,
    wanted: readonly string[],
  ): Promise<ReadonlyMap<string, Tensor>> {
    const engine = this.#core.engine()
    engine.startScope()
    try {
      const inputs: Record<string, TfjsTensor> = {}
      for (const [name, { dtype, shape, data }] of feeds) {
        inputs[name] = this.#core.tensor(data as Float32Array, [...shape], dtype as 'float32')
      }
      const names = [...wanted]
      const given = this.#isAsynchronous
        ? await this.#graph.executeAsync(inputs, names)
        : this.#graph.execute(inputs, names)
      const tensors = Array.isArray(given) ? given : [given]
      const outputs = new Map<string, Tensor>()
      for (const [at, name] of names.entries()) {
        const tensor = tensors[at]
        if (tensor !== undefined) outputs.set(name, toTensor(tensor))
      }
      return outputs
    } finally {
      engine.endScope()
    }
  }

  close(): Promise<void> {
    this.#graph.dispose()
    return Promise.resolve()
  }
}

function zeros(dtype: DType, count: number): TensorData {
  if (dtype === 'string') return Array.from({ length: count }, () => '')
  if (dtype === 'bool') return new Uint8Array(count)
  return dtype === 'int32' ? new Int32Array(count) : new Float32Array(count)
}

function toTensor(tensor: TfjsTensor): Tensor {
  const dtype = dtypes[tensor.dtype]
  if (dtype === undefined) throw new TypeError(`an output of the type ${tensor.dtype}`)
  return { dtype, shape: tensor.shape, data: tensor.dataSync() as TensorData }
}

function fromSignature(tensors: Readonly<Record<string, SignatureTensor>>): TensorInfo[] {
  return Object.entries(tensors).map(([name, { dtype, tensorShape }]) => {
    const known = { name, dtype: dtypes[dtype] ?? 'float32' }
    if (tensorShape === undefined || tensorShape.unknownRank === true) return known
    return { ...known, shape: (tensorShape.dim ?? []).map(({ size }) => sizeOf(Number(size))) }
  })
}

function fromNode({ name, dtype, shape }: TfjsGraph['inputs'][number]): TensorInfo {
  // Of an output the graph says no type; the tensors that it gives do.
  const known = { name, dtype: dtypes[dtype] ?? 'float32' }
  return Array.isArray(shape) ? { ...known, shape: shape.map(sizeOf) } : known
}

function sizeOf(size: number | null): number | null {
  return size === null || size < 0 ? null : size
}
