import type { ModelFormat, RuntimeKind } from '../core/model-kinds.ts'
import type { ModelManifest } from './model-manifest.ts'

export type { ModelFormat, RuntimeKind } from '../core/model-kinds.ts'

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
  /**
   * Absolute path of the file that is loaded: of a SavedModel or a TensorFlow.js model, its
   * `saved_model.pb` or `model.json`, also where the manifest names the folder.
   */
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
