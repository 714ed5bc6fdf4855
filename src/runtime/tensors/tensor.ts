/**
 * What executors of numeric models (ONNX, TensorFlow.js, TensorFlow Lite) have in common: tensors,
 * and a model that takes and gives them. How events become tensors and tensors become results is
 * decided once, in `tensor-executor.ts`, for all of them.
 */
import type { DType } from '../../core/dtype.ts'

/** Elements in row-major order. `bool` and `float16` as onnxruntime has them: bytes, half floats. */
export type TensorData =
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | BigUint64Array
  | Float32Array
  | Float64Array
  | readonly string[]

/** Numbers or texts in a shape; the first dimension is the batch. */
export interface Tensor {
  readonly dtype: DType
  readonly shape: readonly number[]
  readonly data: TensorData
}

/** What a model says of one of its inputs or outputs. */
export interface TensorInfo {
  readonly name: string
  readonly dtype: DType
  /** With the dimension of the batch; `null` where any size will do. Absent: the model does not say. */
  readonly shape?: readonly (number | null)[]
  /** Of an output that is a map: its keys, in the order of its last dimension. */
  readonly keys?: readonly (string | number | bigint)[]
}

/** A numeric model in memory. One call at a time. */
export interface TensorModel {
  /** Such as `onnxruntime 1.30.0`. */
  readonly engine: string
  readonly inputs: readonly TensorInfo[]
  readonly outputs: readonly TensorInfo[]
  /**
   * Answers one batch.
   *
   * @param feeds - By name of the input, all of them. Their memory is used again for the next batch.
   * @param wanted - Names of the outputs that are asked for.
   */
  run(
    feeds: ReadonlyMap<string, Tensor>,
    wanted: readonly string[],
  ): Promise<ReadonlyMap<string, Tensor>>
  /** Gives back what it holds. Nothing is called afterwards. */
  close(): Promise<void>
}
