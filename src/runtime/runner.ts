/**
 * A runner: one loaded instance of a model. A thread, a child process, or the host itself. All
 * kinds speak the same batches (`frame.ts`), and `test/contract/` runs one suite over all of them.
 */
import type { EdgebootError } from '../core/errors.ts'
import type { LogFields, LogLevel } from '../core/log.ts'
import type { ModelPackage } from '../models/model-package.ts'

/** Everything needed to load a model. Plain data. */
export interface RunnerSpec {
  /** Name of the pipeline, for process titles and logs. */
  readonly pipeline: string
  readonly rule: string
  readonly model: ModelPackage
  readonly params: Readonly<Record<string, unknown>>
  readonly python?: string
  /** What the model may hold, with all that it starts. Nothing is watched without it. */
  readonly memoryBytesMax?: number
  /** The whole environment of the model. Nothing is inherited. */
  readonly env: Readonly<Record<string, string>>
}

/** One event for a model: raw JSON bytes on both sides, parsed by the runner. */
export interface InferItem {
  /** The payload as it came, already known to be valid JSON in UTF-8. */
  readonly event: Uint8Array
  /** The part of `context` that differs from event to event, as JSON text in UTF-8. */
  readonly context: Uint8Array
}

/** What became of one event. */
export type InferOutcome =
  | { readonly kind: 'value'; readonly payload: Uint8Array }
  /** `None`, `null`, `"null"`, `{}`: nothing to publish. */
  | { readonly kind: 'empty' }
  /** The handler threw, or returned what JSON cannot hold. */
  | { readonly kind: 'error'; readonly error: ModelError }

/** An exception of the model, as text: it may come from another language. */
export interface ModelError {
  /** `ValueError`, `TypeError`, … */
  readonly type: string
  readonly message: string
  /** Innermost place in the model's own files, `file:line`, when known. */
  readonly where?: string
  readonly traceback?: string
}

/** How a batch comes back: outcomes in the order of its items, in one piece or several. */
export interface BatchListener {
  /**
   * The outcomes of items `first` to `first + outcomes.length - 1`. Pieces come in order and
   * without gaps; a slow model's first results need not wait for its last.
   */
  outcomes(first: number, outcomes: readonly InferOutcome[]): void
  /**
   * The runner died or was killed: items without an outcome have none. Comes at most once, last.
   *
   * @param index - The item that the model had been given and had not finished, where that is known:
   * those before it were finished, although not all of their outcomes came, and none after it was
   * begun. Unknown for a batch that was not begun, or that the model got as a whole.
   */
  lost(error: EdgebootError, index?: number): void
}

/** What a loaded model says of itself. */
export interface RunnerReady {
  /** Such as `Python 3.11.2 (/usr/bin/python3)` or `Node 24.21.0`. */
  readonly engine: string
  /** Process id, for kinds that have one of their own. */
  readonly pid?: number
  /** What the model takes and gives, in a sentence for people; absent where it does not say. */
  readonly signature?: string
}

/** What a runner tells its owner besides outcomes. None of these may throw. */
export interface RunnerListener {
  /** The model logged or printed a line; printed lines have the event `model.print`. */
  log(level: LogLevel, event: string, fields: LogFields): void
  /** It is loaded, and answers the samples of its package before it serves. */
  warming?(): void
  /** It is gone, for whatever reason but `stop`. Batches under way were `lost` just before. */
  exited(error: EdgebootError): void
  /**
   * It holds more than `memoryBytesMax` and goes on: replace it when that can be done without a gap.
   * Told once. Killed with RUNNER_MEMORY when it holds `memoryKillFactor` times as much.
   */
  outgrew(memoryBytes: number): void
}

/**
 * One loaded model.
 *
 * `start` resolves when the handler is loaded and rejects with a `MODEL_` or `RUNNER_` error whose
 * `details.where` is `file:line` where that is known; a runner that failed to start is gone, and
 * its listener is not told again.
 * `infer` may be called while a batch is under way, up to `limits.runnerBatchesMax`; batches are
 * served in order. `kill` ends it now, whatever it does, its whole process group included; batches
 * are `lost` with the given error, and it has `exited` with it, when it is gone: never from inside
 * `kill` or `infer`. `interrupt` does the same to a runner that is stuck, step by step: it is made to
 * show its stacks (`stackDumpMs`), asked to end (SIGTERM), and killed `interruptGraceMs` later; the
 * error that its owner gets is the given one, with `details.where` and `details.stack` where they
 * could be had. No outcome comes after either call. `stop` lets batches under way end within
 * `deadlineMs`, then kills; it never rejects, and may be asked again with less time. Nothing is called after `stop` has resolved.
 */
export interface Runner {
  start(): Promise<RunnerReady>
  infer(items: readonly InferItem[], listener: BatchListener): void
  kill(error: EdgebootError): void
  interrupt(error: EdgebootError): void
  stop(deadlineMs: number): Promise<void>
}
