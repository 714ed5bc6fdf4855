import type { Clock } from '../core/clock.ts'
import { asEdgebootError, EdgebootError, errorClause } from '../core/errors.ts'
import type { Logger } from '../core/log.ts'
import type { ModelPackage } from '../models/model-package.ts'
import type { ModelSample } from '../models/model-sample.ts'
import type {
  BatchListener,
  InferItem,
  InferOutcome,
  Runner,
  RunnerListener,
  RunnerReady,
} from './runner.ts'
import { compareOutcome } from './samples/compare-outcome.ts'

/** How a runner gets through the gate. */
export interface GateOptions {
  readonly model: Pick<ModelPackage, 'name' | 'version' | 'entryFile'>
  /** Reads the samples of the package. */
  readonly samples: () => Promise<readonly ModelSample[]>
  /**
   * Whether a difference keeps the runner out. Else it is a warning: what has served before must
   * not be lost because it was started anew.
   */
  readonly judges: () => boolean
  /** It answered all samples as it should, or was not judged. */
  readonly passed: () => void
  /** One sample. */
  readonly timeoutMs: number
  readonly clock: Clock
  readonly log: Logger
}

/**
 * A runner that has answered the samples of its package before it serves: they warm it up, and they
 * are the gate. `start` rejects with `MODEL_SAMPLE_FAILED`, naming the sample and the difference, or
 * with `MODEL_SAMPLES_INVALID`, when it is judged and does not pass; it is gone then. Nothing that
 * samples produce is published or counted.
 */
export class GatedRunner implements Runner {
  readonly #inner: Runner
  readonly #listener: RunnerListener
  readonly #options: GateOptions

  constructor(inner: Runner, listener: RunnerListener, options: GateOptions) {
    this.#inner = inner
    this.#listener = listener
    this.#options = options
  }

  async start(): Promise<RunnerReady> {
    const ready = await this.#inner.start()
    const judges = this.#options.judges()
    try {
      await this.#warmUp(judges)
    } catch (thrown) {
      const error = asEdgebootError(thrown)
      this.#inner.kill(error)
      await this.#inner.stop(0)
      throw error
    }
    this.#options.passed()
    return ready
  }

  infer(items: readonly InferItem[], listener: BatchListener): void {
    this.#inner.infer(items, listener)
  }

  kill(error: EdgebootError): void {
    this.#inner.kill(error)
  }

  interrupt(error: EdgebootError): void {
    this.#inner.interrupt(error)
  }

  stop(deadlineMs: number): Promise<void> {
    return this.#inner.stop(deadlineMs)
  }

  async #warmUp(judges: boolean): Promise<void> {
    const samples = await this.#read(judges)
    if (samples.length > 0) this.#listener.warming?.()
    for (const sample of samples) {
      const difference = await this.#try(sample, judges)
      if (difference === undefined) continue
      if (judges) throw this.#failed(difference)
      const { name, version } = this.#options.model
      const meaning = 'it served before, and serves on'
      this.#options.log.warn('model.sample-differs', { model: name, version, difference, meaning })
      // One is enough to look into; a model that hangs would take the time of all.
      return
    }
  }

  async #read(judges: boolean): Promise<readonly ModelSample[]> {
    try {
      return await this.#options.samples()
    } catch (thrown) {
      if (judges) throw thrown
      const { code, message, fix } = asEdgebootError(thrown)
      this.#options.log.warn('model.samples-unread', { code, error: message, fix })
      return []
    }
  }

  /** @returns What is wrong with what came, in a clause. */
  async #try(sample: ModelSample, judges: boolean): Promise<string | undefined> {
    const { clock, timeoutMs } = this.#options
    const { promise, resolve, reject } = Promise.withResolvers<string | undefined>()
    const timer = clock.after(
      timeoutMs,
      () => {
        const late = `${sample.label}: no answer within ${timeoutMs} ms`
        // Its stacks tell where it hangs. One that served before may come back to it.
        if (judges) this.#inner.interrupt(this.#failed(late))
        else resolve(late)
      },
      { keepAlive: true },
    )
    const gone = (error: EdgebootError): void => {
      if (!judges || error.code === 'MODEL_SAMPLE_FAILED') reject(error)
      else resolve(`${sample.label}: ${errorClause(error)}`)
    }
    const outcomes = (_first: number, [outcome]: readonly InferOutcome[]): void =>
      resolve(outcome && compareOutcome(sample, outcome))
    this.#inner.infer([this.#item(sample)], { outcomes, lost: gone })
    try {
      return await promise
    } finally {
      timer.cancel()
    }
  }

  /** As a message is that came just now, but for what the sample says of it. */
  #item({ event, context }: ModelSample): InferItem {
    const { clock, timeoutMs } = this.#options
    const now = clock.now()
    const place = { topic: 'samples', device: null, qos: 0, retain: false }
    const text = JSON.stringify({
      ...place,
      receivedAt: now,
      deadline: now + timeoutMs,
      ...context,
    })
    const encoder = new TextEncoder()
    return { event: encoder.encode(event), context: encoder.encode(text) }
  }

  #failed(difference: string): EdgebootError {
    const { name, version, entryFile } = this.#options.model
    return new EdgebootError(
      'MODEL_SAMPLE_FAILED',
      `model "${name}" (${version}) does not answer its samples as it should: ${difference}`,
      { details: { model: name, modelVersion: version, entryFile } },
    )
  }
}
