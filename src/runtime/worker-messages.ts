/** What a runner says of itself in words: JSON frames of a process, messages of a thread. */
import { EdgebootError } from '../core/errors.ts'
import { logLevels, type LogLevel } from '../core/log.ts'
import { protocolError, protocolVersion } from './frame.ts'
import type { RunnerReady, RunnerSpec } from './runner.ts'

/**
 * Why a model could not be loaded: its code (`no-handler`, `syntax`, `import`), its file (`file`:
 * damaged, or not what the engine takes), a manifest that says otherwise than the model (`mismatch`),
 * an engine that is not installed (`engine`).
 */
type LoadFailureKind = keyof typeof codes

/** A model that could not be loaded, as its runner tells it. */
export interface LoadFailure {
  readonly kind: LoadFailureKind
  /** A whole sentence that names what is missing or wrong. */
  readonly message: string
  /** `file:line` in the model where known. */
  readonly where?: string
  readonly traceback?: string
}

/** A line that a model logged through its context. */
export interface LogMessage {
  readonly level: LogLevel
  readonly event: string
  readonly fields: Readonly<Record<string, unknown>>
}

const codes = {
  'no-handler': 'MODEL_NO_HANDLER',
  syntax: 'MODEL_SYNTAX',
  import: 'MODEL_IMPORT_FAILED',
  file: 'MODEL_FILE_INVALID',
  mismatch: 'MODEL_MANIFEST_MISMATCH',
  engine: 'RUNNER_ENGINE_MISSING',
} as const

/** Of a signature; a model may have thousands of columns. */
const signatureCharsMax = 4000

/**
 * Checks a `ready`.
 *
 * @throws RUNNER_PROTOCOL
 */
export function parseReady(body: Record<string, unknown>): RunnerReady {
  const { engine, pid, signature } = body
  if (typeof engine !== 'string') throw protocolError('a ready that names no engine')
  return {
    engine,
    ...(typeof pid === 'number' ? { pid } : {}),
    ...(typeof signature === 'string' ? { signature: signature.slice(0, signatureCharsMax) } : {}),
  }
}

/**
 * Checks a `failed` and makes it the `MODEL_` error that it stands for.
 *
 * @throws RUNNER_PROTOCOL
 */
export function parseFailed(body: Record<string, unknown>, spec: RunnerSpec): EdgebootError {
  const { kind, message, where, traceback } = body
  if (typeof kind !== 'string' || !Object.hasOwn(codes, kind) || typeof message !== 'string') {
    throw protocolError('a failed without a known kind and a message')
  }
  const { name, version } = spec.model
  const text = `model "${name}" (${version}) could not be loaded: ${message}`
  return new EdgebootError(codes[kind as LoadFailureKind], text, {
    details: {
      where: typeof where === 'string' ? where : spec.model.entryFile,
      model: name,
      ...(typeof traceback === 'string' ? { traceback } : {}),
    },
  })
}

/**
 * Checks a `log`. A model may choose the name of its event no further than `model.…`, so that no
 * line of it can be taken for one of ours.
 *
 * @throws RUNNER_PROTOCOL
 */
export function parseLog(body: Record<string, unknown>): LogMessage {
  const { level, event, fields } = body
  if (typeof event !== 'string' || typeof fields !== 'object' || fields === null) {
    throw protocolError('a log without an event and fields')
  }
  if (!logLevels.includes(level as LogLevel)) throw protocolError('a log of an unknown level')
  return {
    level: level as LogLevel,
    event: /^model\.[a-z.-]{1,60}$/.test(event) ? event : 'model.log',
    fields: fields as Record<string, unknown>,
  }
}

/** The part of a spec that a runner is told. Plain data. */
export function startMessage(spec: RunnerSpec, resultBytesMax: number): Record<string, unknown> {
  const { pipeline, rule, model, params, memoryBytesMax } = spec
  const memory = memoryBytesMax === undefined ? {} : { memoryBytesMax }
  return { protocol: protocolVersion, pipeline, rule, model, params, resultBytesMax, ...memory }
}
