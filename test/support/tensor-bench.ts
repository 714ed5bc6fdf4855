import type { DType } from '../../src/core/dtype.ts'
import type {
  ManifestInput,
  ManifestOutput,
  ModelManifest,
} from '../../src/models/model-manifest.ts'
import { resultBytesMax } from '../../src/runtime/batch-codec.ts'
import type { ExecutorOptions, ModelExecutor } from '../../src/runtime/model-executor.ts'
import { createModelLog } from '../../src/runtime/model-log.ts'
import { ProgressMark } from '../../src/runtime/progress-mark.ts'
import type { InferOutcome } from '../../src/runtime/runner.ts'
import type {
  Tensor,
  TensorData,
  TensorInfo,
  TensorModel,
} from '../../src/runtime/tensors/tensor.ts'
import { createTensorExecutor } from '../../src/runtime/tensors/tensor-executor.ts'

/** What a model of a test was given in one run. */
export type Feeds = ReadonlyMap<string, Tensor>

/** A numeric model of a test: gives back what it is given unless told otherwise. */
export class EchoModel implements TensorModel {
  readonly engine = 'echo 1'
  readonly inputs: readonly TensorInfo[]
  readonly outputs: readonly TensorInfo[]
  readonly runs: Feeds[] = []
  closed = 0
  readonly #answer: (feeds: Feeds) => Feeds

  constructor(
    inputs: readonly TensorInfo[],
    options: { outputs?: readonly TensorInfo[]; answer?: (feeds: Feeds) => Feeds } = {},
  ) {
    this.inputs = inputs
    this.outputs = options.outputs ?? inputs
    this.#answer = options.answer ?? ((feeds) => feeds)
  }

  run(feeds: Feeds): Promise<Feeds> {
    // The memory of the tensors is used again.
    const kept = [...feeds].map(
      ([name, tensor]) => [name, { ...tensor, data: copy(tensor.data) }] as const,
    )
    this.runs.push(new Map(kept))
    try {
      return Promise.resolve(this.#answer(new Map(kept)))
    } catch (thrown) {
      return Promise.reject(thrown)
    }
  }

  close(): Promise<void> {
    this.closed += 1
    return Promise.resolve()
  }
}

function copy(data: TensorData): TensorData {
  return data.slice()
}

/** Short for a tensor's description. */
export function info(name: string, dtype: DType, shape: readonly (number | null)[]): TensorInfo {
  return { name, dtype, shape }
}

/** An input of a manifest, at its own name in the event unless told otherwise. */
export function input(name: string, options: Partial<ManifestInput> = {}): ManifestInput {
  return { name, paths: [[name]], missing: { kind: 'reject' }, ...options }
}

/** A manifest with nothing but inputs and outputs. */
export function manifest(
  inputs: readonly ManifestInput[],
  outputs: readonly ManifestOutput[] = [],
): ModelManifest {
  return { file: '/models/m/model.yaml', args: [], inputs, outputs, params: {}, env: {} }
}

/** What an executor is loaded with, for a model without files. */
export function executorOptions(
  manifest?: ModelManifest,
  bytesMax = resultBytesMax,
): ExecutorOptions {
  return {
    model: {
      name: 'm',
      version: '1.0.0',
      runtime: 'onnx',
      format: 'onnx',
      folder: '/models/m',
      entryFile: '/models/m/model.onnx',
      modelsFolder: '/models',
      ...(manifest === undefined ? {} : { manifest }),
    },
    constants: {
      rule: 'r',
      model: { name: 'm', version: '1.0.0' },
      params: {},
      log: createModelLog(() => {}),
    },
    resultBytesMax: bytesMax,
  }
}

/** An executor of a model. */
export function open(model: TensorModel, manifest?: ModelManifest): Promise<ModelExecutor> {
  return createTensorExecutor(model, executorOptions(manifest))
}

/** Outcomes of a batch as text: the result, `-` for nothing, or `!type: message`. */
export async function ask(
  executor: ModelExecutor,
  events: readonly unknown[],
  mark: ProgressMark = new ProgressMark(),
): Promise<string[]> {
  const items = events.map((event) => ({
    event: Buffer.from(typeof event === 'string' ? event : JSON.stringify(event)),
    context: Buffer.from('{}'),
  }))
  const answers: string[] = []
  await executor.execute(items, mark, (first, outcomes) => {
    if (first !== answers.length) throw new Error(`a gap before ${first}`)
    for (const outcome of outcomes) answers.push(outcomeText(outcome))
  })
  return answers
}

function outcomeText(outcome: InferOutcome): string {
  if (outcome.kind === 'empty') return '-'
  if (outcome.kind === 'value') return Buffer.from(outcome.payload).toString()
  return `!${outcome.error.type}: ${outcome.error.message}`
}
