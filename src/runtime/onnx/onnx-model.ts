import { type DType, dtypes } from '../../core/dtype.ts'
import { readFile, stat } from 'node:fs/promises'
import type { InferenceSession, OnnxValue, Tensor as OnnxTensor } from 'onnxruntime-node'
import type { ExecutorOptions } from '../model-executor.ts'
import { ModelLoadError } from '../model-module.ts'
import type { Tensor, TensorInfo, TensorModel } from '../tensors/tensor.ts'
import { loadOnnxEngine, type Onnx, type OnnxEngine } from './onnx-engine.ts'
import { sessionThreads } from './session-threads.ts'
import { outlineOf, type OnnxOutline } from './zip-map.ts'

/** One message of protobuf cannot be larger; weights beyond that lie in files beside it. */
const modelBytesMax = 2 ** 31 - 1

type ValueMetadata = InferenceSession['inputMetadata'][number]

/**
 * Loads an ONNX file with all graph optimisations and one thread, unless `params.onnx` says otherwise.
 * Outputs of ZipMap become tensors with keys; other lists and maps are left out, and a line of the
 * log says so.
 *
 * @throws ModelLoadError that names the file and the reason.
 */
export async function openOnnxModel(
  { model: { entryFile }, constants: { params, log } }: ExecutorOptions,
  engine?: OnnxEngine,
): Promise<TensorModel> {
  const threads = sessionThreads(params)
  const { onnx, name, opensFiles } = engine ?? (await loadOnnxEngine())
  const bytes = await readModel(entryFile)
  const outline = readOutline(bytes, entryFile)
  const options: InferenceSession.SessionOptions = {
    intraOpNumThreads: threads.intraOpThreads,
    interOpNumThreads: threads.interOpThreads,
    executionMode: threads.interOpThreads > 1 ? 'parallel' : 'sequential',
    graphOptimizationLevel: 'all',
    logSeverityLevel: 3,
  }
  let session: InferenceSession
  try {
    const isFile = opensFiles && outline.rewritten === undefined
    session = isFile
      ? await onnx.InferenceSession.create(entryFile, options)
      : await onnx.InferenceSession.create(outline.rewritten ?? bytes, options)
  } catch (thrown) {
    const reason = thrown instanceof Error ? thrown.message : String(thrown)
    throw fileError(entryFile, `${name} cannot load it: ${reason}`)
  }
  try {
    const inputs = session.inputMetadata.map((value) => inputInfo(value, outline, entryFile))
    const outputs = session.outputMetadata.flatMap((value) => outputInfo(value, outline, entryFile))
    const others = session.outputNames.filter((name) => !outputs.some((info) => info.name === name))
    if (others.length > 0) {
      log.warn('outputs that are lists or maps are left out', { outputs: others })
    }
    return new OnnxModel(onnx, session, name, inputs, outputs)
  } catch (thrown) {
    await session.release()
    throw thrown
  }
}

class OnnxModel implements TensorModel {
  readonly engine: string
  readonly inputs: readonly TensorInfo[]
  readonly outputs: readonly TensorInfo[]
  readonly #onnx: Onnx
  readonly #session: InferenceSession

  constructor(
    onnx: Onnx,
    session: InferenceSession,
    engine: string,
    inputs: readonly TensorInfo[],
    outputs: readonly TensorInfo[],
  ) {
    this.#onnx = onnx
    this.#session = session
    this.engine = engine
    this.inputs = inputs
    this.outputs = outputs
  }

  async run(
    feeds: ReadonlyMap<string, Tensor>,
    wanted: readonly string[],
  ): Promise<ReadonlyMap<string, Tensor>> {
    const given: Record<string, OnnxTensor> = {}
    for (const [name, { dtype, data, shape }] of feeds) {
      const tensor = new this.#onnx.Tensor(dtype as 'float32', data as Float32Array, shape)
      // It makes a Float16Array of these, whose bytes its own library does not find.
      if (dtype === 'float16') Object.assign(tensor, { cpuData: data })
      given[name] = tensor
    }
    const values = await this.#session.run(given, wanted)
    const outputs = new Map<string, Tensor>()
    for (const name of wanted) {
      const value = values[name]
      if (value !== undefined) outputs.set(name, takeTensor(value))
    }
    return outputs
  }

  async close(): Promise<void> {
    await this.#session.release()
  }
}

/** Takes what is in a tensor of onnxruntime, and gives it back. */
function takeTensor(value: OnnxValue): Tensor {
  const { type, dims, data } = value
  const isHalf = type === 'float16' && ArrayBuffer.isView(data)
  const plain = isHalf ? new Uint16Array(data.buffer, data.byteOffset, value.size) : data
  value.dispose()
  return { dtype: type as DType, shape: dims, data: plain }
}

async function readModel(file: string): Promise<Uint8Array> {
  try {
    const { size } = await stat(file)
    if (size === 0) throw fileError(file, 'it is empty')
    if (size > modelBytesMax)
      throw fileError(file, `it has ${size} bytes of at most ${modelBytesMax}`)
    return await readFile(file)
  } catch (thrown) {
    if (thrown instanceof ModelLoadError) throw thrown
    throw fileError(file, thrown instanceof Error ? thrown.message : String(thrown))
  }
}

function readOutline(bytes: Uint8Array, file: string): OnnxOutline {
  try {
    return outlineOf(bytes)
  } catch (thrown) {
    const reason = thrown instanceof Error ? thrown.message : String(thrown)
    throw fileError(file, `it is truncated or no ONNX model: ${reason}`)
  }
}

function inputInfo(value: ValueMetadata, { scalars }: OnnxOutline, file: string): TensorInfo {
  if (!value.isTensor) {
    throw fileError(
      file,
      `its input "${value.name}" is a list or a map, which no event can be made into`,
    )
  }
  const { name } = value
  const dtype = dtypeOf(value.type, name, file)
  if (scalars.has(name)) return { name, dtype, shape: [] }
  return value.shape.length === 0 ? { name, dtype } : { name, dtype, shape: shapeOf(value.shape) }
}

function outputInfo(value: ValueMetadata, { labels }: OnnxOutline, file: string): TensorInfo[] {
  if (!value.isTensor) return []
  const { name } = value
  const keys = labels.get(name)
  const info = {
    name,
    dtype: dtypeOf(value.type, name, file),
    ...(keys === undefined ? {} : { keys }),
  }
  return [value.shape.length === 0 ? info : { ...info, shape: shapeOf(value.shape) }]
}

/** Sizes from here on are what the WebAssembly build makes of -1. */
const freeSize = 2 ** 31

/** The native build has names for sizes that are free, or an empty text. */
function shapeOf(shape: readonly (number | string)[]): (number | null)[] {
  return shape.map((size) =>
    typeof size === 'number' && size >= 0 && size < freeSize ? size : null,
  )
}

function dtypeOf(type: string, name: string, file: string): DType {
  if ((dtypes as readonly string[]).includes(type)) return type as DType
  throw fileError(file, `"${name}" has elements of the type ${type}, which JSON has nothing for`)
}

function fileError(file: string, reason: string): ModelLoadError {
  return new ModelLoadError({ kind: 'file', message: `${file}: ${reason}`, where: file })
}
