/** What executes a package. `onnx`, `tensorflow`, `wasm` and `exec` come with their own issue. */
export type RuntimeKind = 'python' | 'javascript'

/** A model that is on the disk, proven as far as its configuration asks, and ready to be loaded. */
export interface ModelPackage {
  readonly name: string
  /** The first 12 digits of the SHA-256 of its zip, or `folder` for one that was put there by hand. */
  readonly version: string
  readonly runtime: RuntimeKind
  /** Absolute; imports of the model resolve from here. */
  readonly folder: string
  /** Absolute path of the file that is loaded. */
  readonly entryFile: string
  /** v0: the function of one argument to call instead of `handler(event, context)`. */
  readonly functionName?: string
  /** SHA-256 of the zip in hex; absent for a folder. */
  readonly sha256?: string
  /** Of a folder that is used where it lies: changes when one of its files does. */
  readonly contents?: string
  /** The models folder that it belongs to, for models that import their siblings as pyboot lets them. */
  readonly modelsFolder: string
}
