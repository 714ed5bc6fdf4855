/** What `thread-runner.ts` and `thread-main.ts` send each other. */
import type { ModelPackage } from '../models/model-package.ts'
import type { RunnerReady } from './runner.ts'
import type { LoadFailure, LogMessage } from './worker-messages.ts'

/** What a thread is started with, besides its port and the memory of its progress mark. */
export interface ThreadData {
  readonly rule: string
  readonly model: ModelPackage
  readonly params: Readonly<Record<string, unknown>>
  readonly memoryBytesMax?: number
}

/** To a thread: the body of an `infer`, or the wish that it end. */
export type ToThread = ArrayBuffer | 'drain'

/** From a thread: the body of a `result`, or words. The host checks them: a model may forge them. */
export type ToHost =
  | ArrayBuffer
  | ({ readonly type: 'ready' } & RunnerReady)
  | ({ readonly type: 'failed' } & LoadFailure)
  | ({ readonly type: 'log' } & LogMessage)
