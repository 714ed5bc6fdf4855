/**
 * What `model.yaml` in a package says, checked and with units resolved. Plain data: it travels to
 * hosts and runners as a part of the package. `src/config/manifest` reads it.
 */
import type { DType } from '../core/dtype.ts'
import type { ModelFormat, RuntimeKind } from '../core/model-kinds.ts'

/**
 * What becomes of an event in which a value of an input is absent, `null`, or not a finite number
 * where a number is asked for.
 *
 * `reject`: an error of the model that names the input and the path. `skip`: nothing to publish.
 * `nan`: NaN takes its place, for the float types alone. `fill`: the given value does.
 */
export type MissingPolicy =
  | { readonly kind: 'reject' }
  | { readonly kind: 'skip' }
  | { readonly kind: 'nan' }
  | { readonly kind: 'fill'; readonly value: number | string | boolean }

/** Steps into an event: keys of objects and indices of arrays. Never empty. */
export type EventPath = readonly (string | number)[]

/** One input of a model, and where in an event its values are. */
export interface ManifestInput {
  /** The model's own name of it; a column for a model that takes a table. */
  readonly name: string
  /**
   * One path: a scalar, or an array of arrays, given row by row. Several: a vector with one element
   * for each, in this order.
   */
  readonly paths: readonly EventPath[]
  /** What the model asks for, where it says so itself; else `float32`. */
  readonly dtype?: DType
  /** Of one event, without the dimension of the batch; `[]` is a scalar. */
  readonly shape?: readonly number[]
  readonly missing: MissingPolicy
}

/** One output of a model, and where in the result its values go. */
export interface ManifestOutput {
  /** The model's own name of it. */
  readonly name: string
  /** Into the result, an object. */
  readonly path: EventPath
  readonly dtype?: DType
  /** Of one event. */
  readonly shape?: readonly number[]
}

/** A `model.yaml`. What it leaves out is decided by the func, then by the defaults. */
export interface ModelManifest {
  /** Absolute path of the file, for messages. */
  readonly file: string
  /**
   * Where in the file the fields stand, as `line:column`, by their path: `entry`, `inputs[0].shape`.
   * Has what may contradict the model.
   */
  readonly places?: Readonly<Record<string, string>>
  readonly name?: string
  /** Semantic Versioning 2.0.0. */
  readonly version?: string
  readonly runtime?: RuntimeKind
  readonly format?: ModelFormat
  /** The file that is loaded, relative to the package; the program of an `exec`. */
  readonly entry?: string
  /** Arguments of an `exec`. */
  readonly args: readonly string[]
  /** Empty: the model is asked, and its inputs are looked up by name in the event. */
  readonly inputs: readonly ManifestInput[]
  /** Empty: all that the model gives, each under its own name. */
  readonly outputs: readonly ManifestOutput[]
  readonly batch?: { readonly size?: number; readonly delayMs?: number }
  readonly timeoutMs?: number
  readonly memoryBytesMax?: number
  readonly params: Readonly<Record<string, unknown>>
  readonly env: Readonly<Record<string, string>>
  /** Interpreter of a Python model: an absolute path, one into the package, or a name on the PATH. */
  readonly python?: string
  /** Files with samples, relative to the package, `*` allowed in the last part. Default `tests/*.json`. */
  readonly tests?: readonly string[]
}
