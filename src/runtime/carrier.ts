import type { ResultPiece } from './batch-codec.ts'
import type { EdgebootError } from '../core/errors.ts'
import type { InferItem, RunnerReady } from './runner.ts'
import type { Progress } from './progress-mark.ts'
import type { StackDump } from './stack-dump.ts'

/** What a carrier reports. `gone` comes once and last, after everything else was reported. */
export interface CarrierListener {
  ready(ready: RunnerReady): void
  /** The model could not be loaded, or what it sent was not allowed: end it. */
  failed(error: EdgebootError): void
  result(piece: ResultPiece): void
  /** It has ended; `error` says how, as the reason if nobody asked for it. */
  gone(error: EdgebootError): void
}

/**
 * What carries a model: a child process, a thread, or the host itself. It moves bytes and knows
 * when it ends; what that means for batches, starts and stops is decided in `carried-runner.ts`.
 */
export interface Carrier {
  /**
   * Starts it.
   *
   * @throws EdgebootError when that cannot even be tried; nothing is reported then.
   */
  open(listener: CarrierListener): void
  infer(batchId: number, items: readonly InferItem[]): void
  /** Asks it to end by itself once everything sent before is answered. */
  drain(): void
  /**
   * What it is doing, as far as it can be made to tell within `stackDumpMs`. It is to be ended next:
   * being asked may do it no good. Never rejects.
   */
  stacks(): Promise<StackDump>
  /**
   * Bytes that it holds with all that it started, exact enough to compare with `memoryBytesMax`;
   * `undefined` where that cannot be known. Never rejects.
   */
  memoryBytes(): Promise<number | undefined>
  /** What it has left word of being on; a claim. Costs a system call at most. */
  progress(): Progress | undefined
  /** Asks it to end soon, finished or not. */
  terminate(): void
  /** Ends it now, whatever it does. */
  kill(): void
}
