import type { ModelManifest } from './model-manifest.ts'

/** What executes a package. */
export const runtimeKinds = ['python', 'javascript', 'onnx', 'tensorflow', 'wasm', 'exec'] as const

/** One of {@link runtimeKinds}. */
export type RuntimeKind = (typeof runtimeKinds)[number]

/** What the file that is loaded holds, by the runtimes that take it. */
export const formatsOf = {
  /** Code with a handler; an estimator of scikit-learn as pickle or joblib wrote it. */
  python: ['module', 'estimator'],
  javascript: ['module'],
  onnx: ['onnx'],
  /** The first two through a Python that has TensorFlow. */
  tensorflow: ['saved-model', 'keras', 'tfjs', 'tflite'],
  /** A module with our own small ABI; a plug-in for Extism. */
  wasm: ['wasm', 'extism'],
  /** A program that speaks the frame protocol. */
  exec: ['program'],
} as const satisfies Readonly<Record<RuntimeKind, readonly string[]>>

/** A format of any runtime. */
export type ModelFormat = (typeof formatsOf)[RuntimeKind][number]

/** A model that is on the disk, proven as far as its configuration asks, and ready to be loaded. */
export interface ModelPackage {
  readonly name: string
  /**
   * What its manifest says, else the first 12 digits of the SHA-256 of its zip, or `folder` for one
   * that was put there by hand.
   */
  readonly version: string
  readonly runtime: RuntimeKind
  readonly format: ModelFormat
  /** Absolute; imports of the model resolve from here. */
  readonly folder: string
  /** Absolute path of the file that is loaded. */
  readonly entryFile: string
  /** v0: the function of one argument to call instead of `handler(event, context)`. */
  readonly functionName?: string
  /** What `model.yaml` says, if there is one. */
  readonly manifest?: ModelManifest
  /** Interpreter of the environment that was built for its `requirements.txt`. Absolute. */
  readonly python?: string
  /** SHA-256 of the zip in hex; absent for a folder. */
  readonly sha256?: string
  /** Of a folder that is used where it lies: changes when one of its files does. */
  readonly contents?: string
  /** The models folder that it belongs to, for models that import their siblings as pyboot lets them. */
  readonly modelsFolder: string
}

/** Whether a model runs in a thread of its host, and what ends a thread may end the host. */
export function sharesHost({ runtime, format }: Pick<ModelPackage, 'runtime' | 'format'>): boolean {
  return runtime === 'javascript' || runtime === 'wasm' || format === 'tfjs'
}
