import { decodeInfer, encodeResult, resultBytesMax } from './batch-codec.ts'
import type { ModelConstants } from './model-context.ts'
import type { ModelExecutor } from './model-executor.ts'
import { createModelLog } from './model-log.ts'
import { ModelLoadError } from './model-module.ts'
import { openExecutor } from './open-executor.ts'
import type { ProgressMark } from './progress-mark.ts'
import type { RunnerReady } from './runner.ts'
import type { ThreadData } from './thread-messages.ts'
import type { LoadFailure, LogMessage } from './worker-messages.ts'

/** How the end of a runner that has the model speaks to the host. */
export interface HostWire {
  failed(failure: LoadFailure): void
  log(message: LogMessage): void
  /** The body of a `result`, in a buffer of its own. */
  result(body: Buffer): void
}

/** Answers the batches of a host with a model that is loaded here: in a thread, or in a process. */
export class BatchServer {
  readonly #executor: ModelExecutor
  readonly #mark: ProgressMark
  readonly #wire: HostWire
  #turn: Promise<void> = Promise.resolve()

  private constructor(executor: ModelExecutor, mark: ProgressMark, wire: HostWire) {
    this.#executor = executor
    this.#mark = mark
    this.#wire = wire
  }

  /** @returns `undefined` when the model cannot be loaded, which the host is told. */
  static async open(
    { rule, model, params, memoryBytesMax }: ThreadData,
    mark: ProgressMark,
    wire: HostWire,
  ): Promise<BatchServer | undefined> {
    const constants: ModelConstants = {
      rule,
      model: { name: model.name, version: model.version },
      params,
      log: createModelLog((message) => wire.log(message)),
    }
    try {
      const bounds = { resultBytesMax, ...(memoryBytesMax === undefined ? {} : { memoryBytesMax }) }
      const executor = await openExecutor({ model, constants, ...bounds })
      return new BatchServer(executor, mark, wire)
    } catch (thrown) {
      if (!(thrown instanceof ModelLoadError)) throw thrown
      wire.failed(thrown.failure)
      return undefined
    }
  }

  /** What its host is told once the model is loaded. */
  get ready(): RunnerReady {
    const { engine, signature } = this.#executor
    return signature === undefined ? { engine } : { engine, signature }
  }

  /** Takes the body of an `infer`; it is answered when all before it are. */
  infer(body: Uint8Array): void {
    this.#turn = this.#turn.then(() => this.#answer(body))
  }

  /** Gives the model back when everything is answered. */
  async drain(): Promise<void> {
    await this.#turn
    await this.#executor.close()
  }

  async #answer(body: Uint8Array): Promise<void> {
    const { batchId, items } = decodeInfer(body)
    this.#mark.enter(batchId)
    await this.#executor.execute(items, this.#mark, (first, outcomes) => {
      this.#wire.result(encodeResult({ batchId, first, outcomes }))
    })
  }
}
