import { EdgebootError } from '../../src/core/errors.ts'
import { silentLogger } from '../../src/core/log.ts'
import type { ModelRelease } from '../../src/pipeline/model-release.ts'
import { RunnerPool, type RunnerPoolOptions } from '../../src/pipeline/runner-pool.ts'
import type {
  BatchListener,
  InferItem,
  InferOutcome,
  Runner,
  RunnerListener,
  RunnerReady,
} from '../../src/runtime/runner.ts'

interface FakeBatch {
  readonly items: readonly InferItem[]
  readonly listener: BatchListener
  done: number
}

/** A runner that does nothing until the test says so. */
export class FakeRunner implements Runner {
  readonly batches: FakeBatch[] = []
  readonly #listener: RunnerListener
  readonly #started = Promise.withResolvers<RunnerReady>()
  gone = false
  isLoaded = false
  starts = 0

  /** Of the release that it was made for. */
  readonly version: string
  /** One that is stopped answers what it has first; `leave` ends it before. */
  isOrderly = false
  #isStopping = false
  readonly #left = Promise.withResolvers<void>()

  constructor(listener: RunnerListener, version = '1') {
    this.#listener = listener
    this.version = version
  }

  start(): Promise<RunnerReady> {
    this.starts += 1
    return this.#started.promise
  }

  infer(items: readonly InferItem[], listener: BatchListener): void {
    this.batches.push({ items, listener, done: 0 })
  }

  kill(error: EdgebootError): void {
    this.die(error)
  }

  interrupt(error: EdgebootError): void {
    this.die(error)
  }

  /** It holds too much memory. */
  outgrow(memoryBytes: number): void {
    this.#listener.outgrew(memoryBytes)
  }

  /** Ends at once, and loses what it was working on, unless it is orderly and has time. */
  stop(deadlineMs = 0): Promise<void> {
    if (this.isOrderly && this.isLoaded && !this.gone && deadlineMs > 0) {
      this.#isStopping = true
      this.#leaveIfDone()
      return this.#left.promise
    }
    if (!this.isLoaded && !this.gone) {
      this.#started.promise.catch(() => {})
      this.#started.reject(new EdgebootError('RUNNER_EXITED', 'the runner was stopped'))
    }
    this.gone = true
    this.#left.resolve()
    const error = new EdgebootError('RUNNER_EXITED', 'the runner was stopped')
    for (const { listener } of this.batches.splice(0)) listener.lost(error)
    return Promise.resolve()
  }

  /** The model is loaded. */
  async load(engine = 'Fake 1.0'): Promise<void> {
    this.isLoaded = true
    this.#started.resolve({ engine })
    await this.#started.promise
    await Promise.resolve()
  }

  /** The model cannot be loaded. */
  async failToLoad(error: EdgebootError): Promise<void> {
    this.gone = true
    this.#started.reject(error)
    await this.#started.promise.catch(() => {})
    await Promise.resolve()
  }

  /** Events of the batch being served, as text. */
  get serving(): string[] {
    const [batch] = this.batches
    if (batch === undefined) return []
    return batch.items.slice(batch.done).map(({ event }) => new TextDecoder().decode(event))
  }

  /** Answers the next `count` events of the batch being served; all that are left by default. */
  answer(outcomeOf: (event: string) => InferOutcome, count = Infinity): void {
    const [batch] = this.batches
    if (batch === undefined) throw new Error('nothing to answer')
    const first = batch.done
    const items = batch.items.slice(first, first + count)
    batch.done += items.length
    if (batch.done === batch.items.length) this.batches.shift()
    const decoder = new TextDecoder()
    batch.listener.outcomes(
      first,
      items.map(({ event }) => outcomeOf(decoder.decode(event))),
    )
    this.#leaveIfDone()
  }

  #leaveIfDone(): void {
    if (!this.#isStopping || this.gone || this.batches.length > 0) return
    this.gone = true
    this.#left.resolve()
  }

  /**
   * It is gone, with whatever it was working on. One that is still loading fails to load instead.
   *
   * @param at - How many of the events being served it had finished, when it left word of that.
   */
  die(error: EdgebootError, at?: number): void {
    if (this.gone) return
    if (!this.isLoaded) throw new Error('a runner that is not loaded cannot die: failToLoad')
    this.gone = true
    const [served, ...waiting] = this.batches.splice(0)
    served?.listener.lost(error, at === undefined ? undefined : served.done + at)
    for (const { listener } of waiting) listener.lost(error)
    this.#left.resolve()
    if (!this.#isStopping) this.#listener.exited(error)
  }
}

/** A result with this text. */
export const value = (text: string): InferOutcome => ({
  kind: 'value',
  payload: new TextEncoder().encode(text),
})

/** A model that repeats what it is given. */
export const echo = (event: string): InferOutcome => value(event)

/** What a test must say of a pool of fake runners, and what it may. */
type FakePoolOptions = Pick<RunnerPoolOptions, 'size' | 'clock' | 'room'> &
  Partial<RunnerPoolOptions>

/** A release of fake runners, each of which goes into `runners` as it is created. */
export function fakeRelease(runners: FakeRunner[], version = '1', isOrderly = false): ModelRelease {
  return {
    version,
    create: (_index, listener) => {
      const runner = new FakeRunner(listener, version)
      runner.isOrderly = isOrderly
      runners.push(runner)
      return runner
    },
  }
}

/** A pool of fake runners, each of which goes into `runners` as the pool creates it. */
export function fakePool(runners: FakeRunner[], options: FakePoolOptions): RunnerPool {
  return new RunnerPool({
    release: fakeRelease(runners),
    random: () => 0,
    log: silentLogger,
    changed: () => {},
    ...options,
  })
}
