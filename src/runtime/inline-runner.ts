import type { Clock } from '../core/clock.ts'
import { EdgebootError } from '../core/errors.ts'
import { executeBatch } from './batch-executor.ts'
import { CarriedRunner, type RunnerOptions } from './carried-runner.ts'
import type { Carrier, CarrierListener } from './carrier.ts'
import type { ModelConstants } from './model-context.ts'
import { createModelLog } from './model-log.ts'
import { loadModel, ModelLoadError, type LoadedModel } from './model-module.ts'
import { PrintedLines } from './printed-lines.ts'
import { type Progress, ProgressMark } from './progress-mark.ts'
import type { InferItem, Runner, RunnerListener, RunnerSpec } from './runner.ts'
import type { StackDump } from './stack-dump.ts'
import { parseFailed } from './worker-messages.ts'

/**
 * A runner inside the host itself (`workers: 0`), for small JavaScript models that are trusted: one
 * that spins stalls the host, one that exits ends it, and its prints are the host's. A kill forgets
 * what is under way; it cannot stop it.
 */
export function createInlineRunner(
  spec: RunnerSpec,
  listener: RunnerListener,
  options: RunnerOptions,
): Runner {
  const carrier = new InlineCarrier(spec, listener, options.clock)
  return new CarriedRunner(carrier, spec, listener, options)
}

class InlineCarrier implements Carrier {
  readonly #spec: RunnerSpec
  readonly #printed: PrintedLines
  readonly #constants: ModelConstants
  #listener: CarrierListener | undefined
  #model: LoadedModel | undefined
  #turn: Promise<void> = Promise.resolve()
  #over = false
  readonly #mark = new ProgressMark()

  constructor(spec: RunnerSpec, listener: RunnerListener, clock: Clock) {
    this.#spec = spec
    this.#printed = new PrintedLines((...line) => listener.log(...line), clock)
    this.#constants = {
      rule: spec.rule,
      model: { name: spec.model.name, version: spec.model.version },
      params: spec.params,
      log: createModelLog((message) => {
        if (!this.#over) this.#printed.log(message)
      }),
    }
  }

  open(listener: CarrierListener): void {
    this.#listener = listener
    loadModel(this.#spec.model).then(
      (model) => {
        this.#model = model
        listener.ready({ engine: `Node ${process.versions.node}` })
      },
      (thrown: unknown) => {
        const failure =
          thrown instanceof ModelLoadError
            ? thrown.failure
            : { kind: 'import', message: String(thrown) }
        listener.failed(parseFailed({ ...failure }, this.#spec))
      },
    )
  }

  infer(batchId: number, items: readonly InferItem[]): void {
    this.#turn = this.#turn.then(async () => {
      await otherWork()
      const model = this.#model
      if (this.#over || model === undefined) return
      this.#mark.enter(batchId)
      await executeBatch(model, this.#constants, items, this.#mark, (first, outcomes) => {
        if (!this.#over) this.#listener?.result({ batchId, first, outcomes })
      })
    })
  }

  drain(): void {
    void this.#turn.then(() => this.#finish())
  }

  /** Whoever asks runs in the same thread: the model does not run now, it waits. */
  stacks(): Promise<StackDump> {
    return Promise.resolve({ remark: 'it waits for something asynchronous' })
  }

  /** What is the model's in a heap that it shares with the host, nobody knows. */
  memoryBytes(): Promise<undefined> {
    return Promise.resolve(undefined)
  }

  progress(): Progress | undefined {
    return this.#mark.read()
  }

  terminate(): void {
    this.#finish()
  }

  kill(): void {
    queueMicrotask(() => this.#finish())
  }

  #finish(): void {
    if (this.#over) return
    this.#over = true
    this.#printed.end()
    const { name } = this.#spec.model
    this.#listener?.gone(
      new EdgebootError('RUNNER_EXITED', `model "${name}" was ended`, { details: { model: name } }),
    )
  }
}

/** Between batches the host gets to its sockets. */
function otherWork(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
