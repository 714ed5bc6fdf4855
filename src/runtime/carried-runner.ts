import type { Clock, Timer } from '../core/clock.ts'
import { asEdgebootError, EdgebootError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import { BatchLedger } from './batch-ledger.ts'
import type { Carrier } from './carrier.ts'
import { memoryError, MemoryWatch } from './memory-watch.ts'
import type { ResultPiece } from './batch-codec.ts'
import type { Progress } from './progress-mark.ts'
import type {
  BatchListener,
  InferItem,
  Runner,
  RunnerListener,
  RunnerReady,
  RunnerSpec,
} from './runner.ts'
import { withStack } from './stack-dump.ts'

/** Between SIGTERM and SIGKILL when a stop is out of time. */
export const terminateGraceMs = 1_000
/** Between SIGTERM and SIGKILL for a runner that is stuck. */
export const interruptGraceMs = 2_000
/** How long one that is to stop may stay after it has answered everything. */
export const leaveMs = 5_000
/** A killed runner that the system does not give back in this time is given up as gone. */
export const killedGoneMs = 5_000

/** What a runner needs besides its spec. */
export interface RunnerOptions {
  readonly clock: Clock
  /** Loading the model; {@link limits.runnerStartMs} by default. */
  readonly startMs?: number
  /** It is gone, however that came, and so may be swept up after. */
  readonly ended?: () => void
}

/**
 * The life of a runner, whatever carries it: start with a deadline, batches, kill, ordered stop.
 * The first reason to end it is the one that is told; what comes after that is ignored.
 */
export class CarriedRunner implements Runner {
  readonly #carrier: Carrier
  readonly #spec: RunnerSpec
  readonly #listener: RunnerListener
  readonly #clock: Clock
  readonly #startMs: number
  readonly #ended: (() => void) | undefined
  readonly #ledger = new BatchLedger()
  readonly #gone = Promise.withResolvers<void>()
  readonly #timers: Timer[] = []
  #state: 'new' | 'starting' | 'ready' | 'gone' = 'new'
  #startup: PromiseWithResolvers<RunnerReady> | undefined
  #startTimer: Timer | undefined
  #stopping: Promise<void> | undefined
  readonly #watch: MemoryWatch | undefined
  /** Why it is being ended; that there is one is why it gives no more outcomes. */
  #verdict: EdgebootError | undefined
  /** What it was on when the verdict fell: one that is asked to end may go on to the next event. */
  #progress: Progress | undefined

  constructor(
    carrier: Carrier,
    spec: RunnerSpec,
    listener: RunnerListener,
    options: RunnerOptions,
  ) {
    this.#carrier = carrier
    this.#spec = spec
    this.#listener = listener
    this.#clock = options.clock
    this.#startMs = options.startMs ?? limits.runnerStartMs
    this.#ended = options.ended
    this.#watch = this.#watchMemory()
  }

  start(): Promise<RunnerReady> {
    if (this.#state !== 'new') return Promise.reject(this.#unusable())
    this.#state = 'starting'
    this.#startup = Promise.withResolvers<RunnerReady>()
    this.#startTimer = this.#clock.after(this.#startMs, () => this.interrupt(this.#startTimeout()))
    try {
      this.#carrier.open({
        ready: (ready) => void this.#ready(ready),
        failed: (error) => this.#condemn(error),
        result: (piece) => this.#result(piece),
        gone: (error) => this.#end(this.#verdict ?? error),
      })
    } catch (thrown) {
      this.#end(asEdgebootError(thrown))
    }
    return this.#startup.promise
  }

  infer(items: readonly InferItem[], listener: BatchListener): void {
    if (items.length === 0) return
    if (this.#state !== 'ready' || this.#verdict !== undefined || this.#stopping !== undefined) {
      const error = this.#verdict ?? this.#unusable()
      queueMicrotask(() => listener.lost(error))
      return
    }
    this.#carrier.infer(this.#ledger.add(items.length, listener), items)
    this.#watch?.working()
  }

  kill(error: EdgebootError): void {
    if (this.#state === 'new') this.#end(error)
    else if (this.#verdict === undefined) this.#condemn(error)
    else if (this.#state !== 'gone') this.#killNow() // no time for further steps
  }

  interrupt(error: EdgebootError): void {
    if (this.#state === 'new') this.#end(error)
    if (this.#state === 'gone' || this.#verdict !== undefined) return
    this.#decide(error)
    void this.#carrier.stacks().then((dump) => {
      if (this.#state === 'gone') return
      this.#verdict = withStack(error, dump)
      this.#carrier.terminate()
      this.#after(interruptGraceMs, () => this.#killNow())
    })
  }

  stop(deadlineMs: number): Promise<void> {
    const isFirst = this.#stopping === undefined
    this.#stopping ??= this.#gone.promise
    if (this.#state === 'new') this.#end(this.#stopped())
    if (this.#state === 'starting') this.#condemn(this.#stopped())
    if (this.#state === 'ready' && this.#verdict === undefined) {
      if (isFirst) this.#carrier.drain()
      this.#endAfter(deadlineMs)
      if (this.#ledger.size === 0) this.#endAfter(leaveMs)
    }
    return this.#stopping
  }

  #endAfter(delayMs: number): void {
    this.#after(delayMs, () => {
      this.#carrier.terminate()
      this.#after(terminateGraceMs, () => this.#condemn(this.#stopped()))
    })
  }

  async #ready(ready: RunnerReady): Promise<void> {
    if (this.#state !== 'starting' || this.#verdict !== undefined) return
    const { memoryBytesMax, model } = this.#spec
    if (memoryBytesMax !== undefined) {
      // Or it would be replaced by another that is just as large, without end.
      const bytes = (await this.#carrier.memoryBytes()) ?? 0
      if (bytes > memoryBytesMax) {
        this.#condemn(memoryError(model.name, 'as soon as it was loaded', bytes, memoryBytesMax))
      }
      if (this.#state !== 'starting' || this.#verdict !== undefined) return
    }
    this.#startTimer?.cancel()
    this.#state = 'ready'
    this.#startup?.resolve(ready)
  }

  #result(piece: ResultPiece): void {
    if (this.#state !== 'ready' || this.#verdict !== undefined) return
    try {
      this.#ledger.accept(piece)
      if (this.#stopping !== undefined && this.#ledger.size === 0) this.#endAfter(leaveMs)
    } catch (thrown) {
      this.#condemn(asEdgebootError(thrown))
    }
  }

  #condemn(error: EdgebootError): void {
    if (this.#state === 'gone' || this.#verdict !== undefined) return
    this.#decide(error)
    this.#killNow()
  }

  #decide(error: EdgebootError): void {
    this.#verdict = error
    this.#progress = this.#carrier.progress()
  }

  #killNow(): void {
    this.#carrier.kill()
    this.#after(killedGoneMs, () => this.#end(this.#verdict ?? this.#stopped()))
  }

  #end(error: EdgebootError): void {
    if (this.#state === 'gone') return
    const wasReady = this.#state === 'ready'
    this.#state = 'gone'
    this.#startTimer?.cancel()
    this.#watch?.end()
    for (const timer of this.#timers) timer.cancel()
    this.#ledger.lose(
      error,
      this.#verdict === undefined ? this.#carrier.progress() : this.#progress,
    )
    if (!wasReady) this.#startup?.reject(error)
    else if (this.#stopping === undefined) this.#listener.exited(error)
    this.#gone.resolve()
    this.#ended?.()
  }

  #after(delayMs: number, callback: () => void): void {
    this.#timers.push(this.#clock.after(delayMs, callback, { keepAlive: true }))
  }

  #watchMemory(): MemoryWatch | undefined {
    const { memoryBytesMax, model } = this.#spec
    if (memoryBytesMax === undefined) return undefined
    return new MemoryWatch({
      clock: this.#clock,
      bytesMax: memoryBytesMax,
      measure: () => this.#carrier.memoryBytes(),
      isWorking: () => this.#ledger.size > 0,
      outgrew: (bytes) => {
        if (this.#stopping === undefined) this.#listener.outgrew(bytes)
      },
      exceeded: (bytes) => {
        this.#condemn(memoryError(model.name, 'and was killed', bytes, memoryBytesMax))
      },
    })
  }

  #startTimeout(): EdgebootError {
    const { name, version, entryFile } = this.#spec.model
    return new EdgebootError(
      'RUNNER_START_TIMEOUT',
      `model "${name}" (${version}) was not loaded within ${this.#startMs} ms`,
      { details: { where: entryFile, model: name, startMs: this.#startMs } },
    )
  }

  #stopped(): EdgebootError {
    const { name } = this.#spec.model
    return new EdgebootError('RUNNER_EXITED', `the runner of model "${name}" was stopped`, {
      details: { model: name },
      fix: 'Nothing to do: it was asked to stop.',
    })
  }

  #unusable(): EdgebootError {
    const { name } = this.#spec.model
    const text = this.#stopping === undefined ? 'is not running' : 'is stopping'
    return new EdgebootError('RUNNER_EXITED', `the runner of model "${name}" ${text}`, {
      details: { model: name },
    })
  }
}
