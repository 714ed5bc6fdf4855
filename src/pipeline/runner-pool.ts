import { type DeathKind, type RestartDecision, RestartPolicy } from '../core/backoff.ts'
import type { Clock } from '../core/clock.ts'
import { asEdgebootError, errorClause, type EdgebootError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import type { Logger } from '../core/log.ts'
import type { Runner, RunnerListener } from '../runtime/runner.ts'

/** One place in the pool, and the runner that holds it now. */
export interface PoolSlot {
  readonly index: number
  readonly runner: Runner
  /** Batches under way in this runner. */
  batches: number
  /** No second batch behind the one under way: it may kill the runner. */
  exclusive: boolean
  /** What its death would say of the model; told before it has exited. */
  death: DeathKind
}

/** How the pool fares as a whole. */
export interface PoolState {
  readonly status: 'starting' | 'ready' | 'backoff' | 'broken' | 'stopped'
  /** One sentence unless ready. */
  readonly reason: string
  /** Of the model that was loaded last. */
  readonly engine: string | undefined
  readonly error: EdgebootError | undefined
}

/** What the pool needs from around it. */
export interface RunnerPoolOptions {
  readonly size: number
  readonly create: (index: number, listener: RunnerListener) => Runner
  readonly clock: Clock
  readonly random: () => number
  readonly log: Logger
  /** The state changed. */
  readonly changed: () => void
  /** A runner has room for a batch. */
  readonly room: () => void
}

interface Place {
  readonly index: number
  readonly policy: RestartPolicy
  status: 'starting' | 'ready' | 'backoff' | 'broken' | 'stopped'
  reason: string
  error: EdgebootError | undefined
  slot: PoolSlot | undefined
  /** The runner of this place, loaded or not, until it is gone. */
  runner: Runner | undefined
}

/**
 * Keeps `size` runners of one model alive: starts them at once, restarts each that dies with
 * growing delays, and gives a place up after three failures to start within an hour. The pool is
 * ready while one runner is, and broken when every place was given up.
 */
export class RunnerPool {
  readonly #options: RunnerPoolOptions
  readonly #places: Place[]
  #engine: string | undefined
  #restarts = 0
  #stopped = false

  constructor(options: RunnerPoolOptions) {
    this.#options = options
    this.#places = Array.from({ length: options.size }, (_, index) => ({
      index,
      policy: new RestartPolicy(options.clock, options.random),
      status: 'starting',
      reason: 'loading the model',
      error: undefined,
      slot: undefined,
      runner: undefined,
    }))
  }

  /** Runners that were started again after one died or failed. */
  get restarts(): number {
    return this.#restarts
  }

  get state(): PoolState {
    const engine = this.#engine
    if (this.#stopped) return { status: 'stopped', reason: 'stopped', engine, error: undefined }
    if (this.#places.some((place) => place.status === 'ready')) {
      return { status: 'ready', reason: '', engine, error: undefined }
    }
    const telling =
      this.#places.find((place) => place.status === 'backoff') ??
      this.#places.find((place) => place.status === 'starting') ??
      this.#places[0]
    if (telling === undefined) throw new Error('a pool needs at least one runner')
    return { status: telling.status, reason: telling.reason, engine, error: telling.error }
  }

  /** Runners that are loaded and have nothing to do. */
  get idle(): number {
    let idle = 0
    for (const { slot } of this.#places) {
      if (slot?.batches === 0) idle += 1
    }
    return idle
  }

  /** The ready runner with the least to do that has room for a batch. */
  next(): PoolSlot | undefined {
    let best: PoolSlot | undefined
    for (const { slot } of this.#places) {
      if (slot === undefined || !hasRoom(slot)) continue
      if (best === undefined || slot.batches < best.batches) best = slot
    }
    return best
  }

  start(): void {
    for (const place of this.#places) this.#startRunner(place)
  }

  /** Lets batches under way end within the deadline, then kills. Never rejects. */
  async stop(deadlineMs: number): Promise<void> {
    this.#stopped = true
    const runners = this.#places.flatMap((place) => place.runner ?? [])
    for (const place of this.#places) {
      place.slot = undefined
      place.status = 'stopped'
    }
    await Promise.all(runners.map((runner) => runner.stop(deadlineMs)))
  }

  #startRunner(place: Place): void {
    if (this.#stopped) return
    const log = this.#options.log.child({ runner: place.index })
    // A death is reported after start() has settled or instead of it, never both.
    let loaded = false
    const runner = this.#options.create(place.index, {
      log: (level, event, fields) => log.log(level, event, fields),
      exited: (error) => {
        if (!loaded) return
        loaded = false
        this.#lost(place, error, false)
      },
    })
    place.runner = runner
    place.status = 'starting'
    place.reason = 'loading the model'
    runner.start().then(
      (ready) => {
        if (this.#stopped) return
        loaded = true
        place.status = 'ready'
        place.reason = ''
        place.error = undefined
        place.slot = { index: place.index, runner, batches: 0, exclusive: false, death: 'first' }
        place.policy.started()
        this.#engine = ready.engine
        log.info('runner.ready', { engine: ready.engine, runnerPid: ready.pid })
        this.#options.changed()
        this.#options.room()
      },
      (thrown: unknown) => this.#lost(place, asEdgebootError(thrown), true),
    )
  }

  #lost(place: Place, error: EdgebootError, whileStarting: boolean): void {
    const kind = place.slot?.death
    place.slot = undefined
    place.runner = undefined
    place.error = error
    if (this.#stopped) return
    const decision = whileStarting ? place.policy.failedToStart() : this.#died(place, kind)
    const what = errorClause(error)
    const fields = { code: error.code, error: error.message, fix: error.fix, ...error.details }
    if (decision.action === 'give-up') {
      place.status = 'broken'
      place.reason = `${what}; given up after ${decision.failures} failures to start`
      this.#options.log.error('runner.broken', { runner: place.index, ...fields })
    } else {
      const seconds = (decision.delayMs / 1000).toFixed(1)
      place.status = 'backoff'
      place.reason = `${what}; next attempt in ${seconds} s`
      const { delayMs } = decision
      this.#options.log.warn('runner.lost', { runner: place.index, ...fields, delayMs })
      this.#options.clock.after(delayMs, () => {
        if (this.#stopped) return
        this.#restarts += 1
        this.#startRunner(place)
        this.#options.changed()
      })
    }
    this.#options.changed()
  }

  /** Messages go to any runner, so that one that kills is held against none of them. */
  #died(place: Place, kind: DeathKind = 'first'): RestartDecision {
    for (const { policy } of this.#places) {
      if (kind === 'first') policy.suspectMessage()
      if (kind === 'message') policy.acquit()
    }
    return place.policy.died(kind)
  }
}

function hasRoom(slot: PoolSlot): boolean {
  return !slot.exclusive && slot.batches < limits.runnerBatchesMax
}
