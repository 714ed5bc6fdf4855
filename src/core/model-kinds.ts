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
  /** Through a Python that has TensorFlow, but for `tfjs`; for `tflite` also one that has what runs it alone. */
  tensorflow: ['saved-model', 'keras', 'tfjs', 'tflite'],
  /** A module with our own small ABI; a plug-in for Extism. */
  wasm: ['wasm', 'extism'],
  /** A program that speaks the frame protocol. */
  exec: ['program'],
} as const satisfies Readonly<Record<RuntimeKind, readonly string[]>>

/** A format of any runtime. */
export type ModelFormat = (typeof formatsOf)[RuntimeKind][number]

/** A runtime with a format that it takes. */
export interface ModelKind {
  readonly runtime: RuntimeKind
  readonly format: ModelFormat
}

/** Whether a model runs in a Python process: of TensorFlow's formats those whose library is one. */
export function runsInPython({ runtime, format }: ModelKind): boolean {
  return runtime === 'python' || (runtime === 'tensorflow' && format !== 'tfjs')
}

/** All there are. */
const modelKinds: readonly ModelKind[] = runtimeKinds.flatMap((runtime) =>
  formatsOf[runtime].map((format) => ({ runtime, format })),
)

/** All formats, each once. */
export const modelFormats: readonly ModelFormat[] = [
  ...new Set(modelKinds.map(({ format }) => format)),
]

/** What a file is by the end of its name: the runtime, and the formats that it may have. */
const kindsByEnding: Readonly<Record<string, Partial<ModelKind>>> = {
  py: { runtime: 'python', format: 'module' },
  ts: { runtime: 'javascript' },
  mts: { runtime: 'javascript' },
  mjs: { runtime: 'javascript' },
  cjs: { runtime: 'javascript' },
  js: { runtime: 'javascript' },
  onnx: { runtime: 'onnx' },
  joblib: { runtime: 'python', format: 'estimator' },
  pkl: { runtime: 'python', format: 'estimator' },
  pickle: { runtime: 'python', format: 'estimator' },
  pb: { runtime: 'tensorflow', format: 'saved-model' },
  keras: { runtime: 'tensorflow', format: 'keras' },
  h5: { runtime: 'tensorflow', format: 'keras' },
  json: { runtime: 'tensorflow', format: 'tfjs' },
  tflite: { runtime: 'tensorflow', format: 'tflite' },
  wasm: { runtime: 'wasm' },
}

/** What is said of a model, as far as anybody says it. */
export interface KindClues {
  readonly runtime?: RuntimeKind | undefined
  readonly format?: ModelFormat | undefined
  /** The file that is loaded; the end of its name tells. */
  readonly entry?: string | undefined
}

/**
 * The kinds of model that fit all that is said; none when that contradicts itself. A name with an
 * ending that says nothing, such as that of a folder, fits every kind. A program may be called as
 * it likes, but only what is said to be one is one.
 */
export function possibleKinds({ runtime, format, entry }: KindClues): readonly ModelKind[] {
  const asProgram = runtime === 'exec' || format === 'program'
  const { runtime: byRuntime, format: byFormat } = (!asProgram && byEnding(entry)) || {}
  return modelKinds.filter(
    (kind) =>
      (runtime === undefined || kind.runtime === runtime) &&
      (format === undefined || kind.format === format) &&
      (byRuntime === undefined || kind.runtime === byRuntime) &&
      (byFormat === undefined || kind.format === byFormat) &&
      (asProgram || kind.runtime !== 'exec'),
  )
}

function byEnding(entry: string | undefined): Partial<ModelKind> | undefined {
  const ending = /\.([a-z\d]+)$/i.exec(entry ?? '')?.[1]?.toLowerCase() ?? ''
  return Object.hasOwn(kindsByEnding, ending) ? kindsByEnding[ending] : undefined
}
