import type { ModelPackage } from '../models/model-package.ts'
import type { ModelConstants } from './model-context.ts'
import type { ProgressMark } from './progress-mark.ts'
import type { InferItem, InferOutcome } from './runner.ts'

/** What a model is loaded with, in a thread or a process of its own or in the host. */
export interface ExecutorOptions {
  readonly model: ModelPackage
  readonly constants: ModelConstants
  /** One result. A larger one is an error of the model. */
  readonly resultBytesMax: number
  /** What the model may hold. Those that have a memory of their own bound it. */
  readonly memoryBytesMax?: number
}

/**
 * A model that is loaded where this code runs, and answers batches. Every kind of model that needs
 * no other language is one; `open-executor.ts` chooses.
 */
export interface ModelExecutor {
  /** Such as `Node 24.21.0` or `onnxruntime 1.30.0`. */
  readonly engine: string
  /** What the model takes and gives, in a sentence; absent where it does not say. */
  readonly signature?: string
  /**
   * Answers a batch: outcomes in the order of its items, in one stretch or several without gaps. One
   * batch at a time. Never rejects: what fails is an outcome.
   *
   * @param mark - Is told which event the model is given, before it is; not at all by an executor
   * that gives the model the whole batch.
   */
  execute(
    items: readonly InferItem[],
    mark: ProgressMark,
    emit: (first: number, outcomes: readonly InferOutcome[]) => void,
  ): Promise<void>
  /** Gives back what the model holds. Nothing is called afterwards. */
  close(): Promise<void>
}
