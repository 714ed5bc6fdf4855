import type { Clock } from '../../core/clock.ts'
import { asEdgebootError, EdgebootError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import type { LogFields, LogLevel } from '../../core/log.ts'
import type { ModelPackage } from '../../models/model-package.ts'
import { createRunner } from '../../runtime/create-runner.ts'
import type { InferOutcome, Runner, RunnerReady, RunnerSpec } from '../../runtime/runner.ts'

const stopMs = 5_000

/** What a model answered to one event. */
export type TrialOutcome =
  | InferOutcome
  /** It died or was killed over it. */
  | { readonly kind: 'lost'; readonly error: EdgebootError }

/** How a model is tried out. */
export interface TrialOptions {
  readonly model: ModelPackage
  readonly params: Readonly<Record<string, unknown>>
  readonly env: Readonly<Record<string, string>>
  readonly python?: string
  /** One event in the model. */
  readonly timeoutMs: number
  readonly memoryBytesMax?: number
  readonly clock: Clock
  /** The model printed or logged a line. */
  readonly log: (level: LogLevel, event: string, fields: LogFields) => void
  /** It holds more than `memoryBytesMax`: a pipeline would replace it now. */
  readonly outgrew: (memoryBytes: number) => void
}

/**
 * A model in its real runner, given one event after another, without a pipeline around it. A runner
 * that dies or is overdue is replaced for the next event.
 */
export class ModelTrial {
  readonly #options: TrialOptions
  /** The latest, loaded or not. */
  #runner: Runner | undefined
  #isReady = false
  #ended: EdgebootError | undefined

  constructor(options: TrialOptions) {
    this.#options = options
  }

  /** Whether it was ended by {@link ModelTrial.end}. */
  get isEnded(): boolean {
    return this.#ended !== undefined
  }

  /** Loads the model. @throws As a runner does: `MODEL_…`, `RUNNER_…`. */
  async start(): Promise<RunnerReady> {
    const { model, params, env, python, memoryBytesMax, clock, log, outgrew } = this.#options
    const spec: RunnerSpec = {
      pipeline: `run ${model.name}`,
      rule: 'run',
      model,
      params,
      env,
      ...(python === undefined ? {} : { python }),
      ...(memoryBytesMax === undefined ? {} : { memoryBytesMax }),
    }
    const listener = {
      log,
      exited: () => void (this.#isReady = false),
      outgrew,
    }
    if (this.#ended !== undefined) throw this.#ended
    this.#runner = createRunner(spec, listener, { clock })
    const ready = await this.#runner.start()
    this.#isReady = true
    return ready
  }

  /** Gives the model one event. Never rejects. */
  async ask(
    event: Uint8Array,
    context: Readonly<Record<string, unknown>> = {},
  ): Promise<TrialOutcome> {
    try {
      if (!this.#isReady) await this.start()
    } catch (thrown) {
      return { kind: 'lost', error: asEdgebootError(thrown) }
    }
    const runner = this.#runner
    if (runner === undefined || !this.#isReady) return { kind: 'lost', error: gone() }
    if (event.byteLength > limits.payloadBytesMax) {
      const text = `the event has ${event.byteLength} bytes, and a message has at most ${limits.payloadBytesMax}`
      return { kind: 'lost', error: new EdgebootError('CLI_USAGE', text) }
    }
    const { clock, timeoutMs } = this.#options
    const answer = Promise.withResolvers<TrialOutcome>()
    const timer = clock.after(timeoutMs, () => runner.interrupt(overdue(timeoutMs)), {
      keepAlive: true,
    })
    runner.infer([{ event, context: this.#context(context) }], {
      outcomes: (_, [outcome]) => outcome !== undefined && answer.resolve(outcome),
      lost: (error) => answer.resolve({ kind: 'lost', error }),
    })
    const outcome = await answer.promise
    timer.cancel()
    return outcome
  }

  /** Kills the model at once: what it is asked is lost, and it is not loaded again. */
  end(): void {
    this.#ended = new EdgebootError('RUNNER_EXITED', 'the model was interrupted')
    this.#runner?.kill(this.#ended)
  }

  /** Ends the model. Never rejects. */
  async stop(): Promise<void> {
    await this.#runner?.stop(stopMs)
  }

  #context(given: Readonly<Record<string, unknown>>): Uint8Array {
    const now = this.#options.clock.now()
    const context = {
      topic: '',
      device: null,
      qos: 0,
      retain: false,
      receivedAt: now,
      deadline: now + this.#options.timeoutMs,
      ...given,
    }
    return Buffer.from(JSON.stringify(context))
  }
}

function gone(): EdgebootError {
  return new EdgebootError('RUNNER_EXITED', 'the model exited right after it had been loaded')
}

function overdue(timeoutMs: number): EdgebootError {
  const text = `the model did not answer within ${timeoutMs} ms, and its runner was killed`
  return new EdgebootError('RUNNER_DEADLINE', text, { details: { timeoutMs } })
}
