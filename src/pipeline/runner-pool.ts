import type { DeathKind, RestartDecision } from '../core/backoff.ts'
import type { Clock } from '../core/clock.ts'
import { asEdgebootError, EdgebootError, errorClause } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import type { Logger } from '../core/log.ts'
import type { Runner, RunnerReady } from '../runtime/runner.ts'
import type { ModelRelease } from './model-release.ts'
import { emptyPlace, type RunnerPlace } from './runner-place.ts'

/**
 * What a runner that was replaced may still take for the batches that it has: the deadline of each
 * event holds besides.
 */
const retireMs = 3_600_000
/** Before another attempt to replace a runner whose replacement did not load. */
const recycleRetryMs = 60_000

/** One place in the pool, and the runner that holds it now. */
export interface PoolSlot {
  readonly index: number
  readonly runner: Runner
  /** What the runner has loaded. */
  readonly release: ModelRelease
  /** Batches under way in this runner. */
  batches: number
  /** No second batch behind the one under way: it may kill the runner. */
  exclusive: boolean
  /** What its death would say of the model; told before it has exited. */
  death: DeathKind
}

/** How the pool fares as a whole. */
export interface PoolState {
  readonly status: 'starting' | 'warming' | 'ready' | 'backoff' | 'broken' | 'stopped'
  /** One sentence unless ready. */
  readonly reason: string
  /** Of the model that was loaded last. */
  readonly engine: string | undefined
  readonly error: EdgebootError | undefined
}

/** What the pool needs from around it. */
export interface RunnerPoolOptions {
  readonly size: number
  readonly release: ModelRelease
  readonly clock: Clock
  readonly random: () => number
  readonly log: Logger
  /** The state changed. */
  readonly changed: () => void
  /** A runner has room for a batch. */
  readonly room: () => void
}

/**
 * Keeps `size` runners of one model alive: starts them at once, restarts each that dies with
 * growing delays, and gives a place up after three failures to start within an hour. The pool is
 * ready while one runner is, and broken when every place was given up. A runner that outgrew its
 * memory is replaced without a gap: a fresh one is loaded beside it, takes what comes from then on,
 * and the old one ends when it has answered what it has. A release is replaced by another in the
 * same way, all of its runners at once.
 */
export class RunnerPool {
  readonly #options: RunnerPoolOptions
  #places: readonly RunnerPlace[]
  #release: ModelRelease
  /** Runners of the release that is to take over, while they load. */
  #incoming: readonly RunnerPlace[] = []
  #engine: string | undefined
  #restarts = 0
  #recycles = 0
  /** Replaced, with the last batches that they were given. */
  readonly #retiring = new Map<Runner, Promise<void>>()
  #stopped = false

  constructor(options: RunnerPoolOptions) {
    this.#options = options
    this.#release = options.release
    this.#places = this.#placesFor(options.release)
  }

  /** What takes batches now. */
  get release(): ModelRelease {
    return this.#release
  }

  /** Runners that were started again after one died or failed. */
  get restarts(): number {
    return this.#restarts
  }

  /** Runners that were replaced because they held too much memory. */
  get recycles(): number {
    return this.#recycles
  }

  get state(): PoolState {
    const engine = this.#engine
    if (this.#stopped) return { status: 'stopped', reason: 'stopped', engine, error: undefined }
    if (this.#places.some((place) => place.status === 'ready')) {
      return { status: 'ready', reason: '', engine, error: undefined }
    }
    const telling =
      this.#places.find((place) => place.status === 'backoff') ??
      this.#places.find((place) => place.status === 'starting' || place.status === 'warming') ??
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
    const places = [...this.#places, ...this.#incoming]
    const inPlaces = places.flatMap(({ runner, successor }) => [runner ?? [], successor ?? []])
    for (const place of places) {
      place.slot = undefined
      place.status = 'stopped'
    }
    const runners = [...inPlaces.flat(), ...this.#retiring.keys()]
    await Promise.all(runners.map((runner) => runner.stop(deadlineMs)))
  }

  /**
   * Replaces the release: loads as many runners of the new one beside those that serve, and when
   * every one of them is loaded lets them take over, all in one step. What was given to the old ones
   * ends there. One at a time; runners that were replaced before are waited for, so that no more
   * than two releases hold memory.
   *
   * @throws what a runner of the new release did not start with, or died of before all were loaded;
   * `RUNNER_EXITED` when the pool is stopped. The old release goes on then, and knows nothing of it.
   */
  async swap(release: ModelRelease): Promise<void> {
    if (this.#incoming.length > 0) throw new Error('one swap at a time')
    const incoming = this.#placesFor(release)
    this.#incoming = incoming
    try {
      await Promise.all(this.#retiring.values())
      if (this.#stopped) throw stoppedMeanwhile()
      const runners = incoming.map((place) => (place.runner = this.#create(place)))
      const ready = await Promise.all(runners.map((runner) => runner.start()))
      const failed = incoming.find(({ error }) => error !== undefined)
      if (failed?.error !== undefined) throw failed.error
      if (this.#stopped) throw stoppedMeanwhile()
      this.#takeOver(release, incoming, ready)
    } catch (thrown) {
      await Promise.all(incoming.map(async ({ runner }) => runner?.stop(0)))
      throw thrown
    } finally {
      this.#incoming = []
    }
  }

  #takeOver(
    release: ModelRelease,
    incoming: readonly RunnerPlace[],
    ready: readonly RunnerReady[],
  ): void {
    const outgoing = this.#places
    this.#places = incoming
    this.#release = release
    for (const place of outgoing) this.#discharge(place)
    for (const [index, place] of incoming.entries()) {
      if (place.runner === undefined) continue
      this.#serve(place, place.runner, ready[index] as RunnerReady)
    }
  }

  #discharge(place: RunnerPlace): void {
    place.isOver = true
    place.slot = undefined
    if (place.runner !== undefined) this.#retire(place.runner)
    void place.successor?.stop(0)
  }

  #placesFor(release: ModelRelease): RunnerPlace[] {
    const { size, clock, random } = this.#options
    return Array.from({ length: size }, (_, index) => emptyPlace(index, release, clock, random))
  }

  #startRunner(place: RunnerPlace): void {
    if (this.#stopped || place.isOver) return
    const runner = this.#create(place)
    place.runner = runner
    place.status = 'starting'
    place.reason = 'loading the model'
    runner.start().then(
      (ready) => this.#serve(place, runner, ready),
      (thrown: unknown) => this.#lost(place, asEdgebootError(thrown), true),
    )
  }

  /** One that is heard of while it serves: neither before, when start() tells, nor after. */
  #create(place: RunnerPlace): Runner {
    const { index, release } = place
    const log = this.#options.log.child({ runner: index, modelVersion: release.version })
    const runner: Runner = release.create(index, {
      log: (level, event, fields) => log.log(level, event, fields),
      warming: () => this.#warming(place),
      exited: (error) => {
        if (place.slot?.runner === runner) this.#lost(place, error, false)
        else if (this.#incoming.includes(place)) place.error = error
      },
      outgrew: (memoryBytes) => {
        if (place.slot?.runner === runner) this.#recycle(place, runner, memoryBytes)
      },
    })
    return runner
  }

  #warming(place: RunnerPlace): void {
    if (place.status !== 'starting') return
    place.status = 'warming'
    place.reason = 'answering the samples of its package'
    if (this.#places.includes(place)) this.#options.changed()
  }

  #serve(place: RunnerPlace, runner: Runner, { engine, pid }: RunnerReady): void {
    if (this.#stopped || place.isOver) return
    const { index, release } = place
    place.runner = runner
    place.status = 'ready'
    place.reason = ''
    place.error = undefined
    place.slot = { index, runner, release, batches: 0, exclusive: false, death: 'first' }
    place.policy.started()
    this.#engine = engine
    const { version } = release
    const fields = { runner: index, modelVersion: version, engine, runnerPid: pid }
    this.#options.log.info('runner.ready', fields)
    this.#options.changed()
    this.#options.room()
  }

  /** Starts a runner beside one that has grown too large; that one serves until it is loaded. */
  #recycle(place: RunnerPlace, grown: Runner, memoryBytes: number): void {
    const isDue = place.slot?.runner === grown && place.successor === undefined
    if (this.#stopped || place.isOver || !isDue) return
    const successor = this.#create(place)
    place.successor = successor
    successor.start().then(
      (ready) => {
        place.successor = undefined
        if (this.#stopped || place.isOver) return
        const wasServing = place.slot?.runner === grown
        this.#serve(place, successor, ready)
        if (!wasServing) return
        this.#recycles += 1
        this.#options.log.info('runner.recycled', { runner: place.index, memoryBytes })
        this.#retire(grown)
      },
      (thrown: unknown) => {
        place.successor = undefined
        if (place.isOver) return
        const error = asEdgebootError(thrown)
        if (place.slot?.runner === grown) this.#recycleLater(place, grown, memoryBytes, error)
        else this.#lost(place, error, true)
      },
    )
  }

  /** The one that is too large is better than none. */
  #recycleLater(
    place: RunnerPlace,
    grown: Runner,
    memoryBytes: number,
    error: EdgebootError,
  ): void {
    if (this.#stopped) return
    const delayMs = recycleRetryMs
    const fields = { code: error.code, error: error.message, fix: error.fix, ...error.details }
    this.#options.log.warn('runner.recycle-failed', { runner: place.index, ...fields, delayMs })
    this.#options.clock.after(delayMs, () => this.#recycle(place, grown, memoryBytes))
  }

  #retire(runner: Runner): void {
    const gone = runner.stop(retireMs).then(() => void this.#retiring.delete(runner))
    this.#retiring.set(runner, gone)
  }

  #lost(place: RunnerPlace, error: EdgebootError, whileStarting: boolean): void {
    const kind = place.slot?.death
    place.slot = undefined
    place.runner = undefined
    place.error = error
    if (this.#stopped || place.isOver) return
    if (place.successor !== undefined) {
      this.#leaveToSuccessor(place, kind)
      return
    }
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
        if (this.#stopped || place.isOver) return
        this.#restarts += 1
        this.#startRunner(place)
        this.#options.changed()
      })
    }
    this.#options.changed()
  }

  /** It died of what it was to be replaced for, or for another reason: the next is on its way. */
  #leaveToSuccessor(place: RunnerPlace, kind: DeathKind | undefined): void {
    this.#died(place, kind)
    this.#restarts += 1
    place.status = 'starting'
    place.reason = 'loading the model'
    if (place.error !== undefined) {
      const { code, message, fix, details } = place.error
      const fields = { code, error: message, fix, ...details }
      this.#options.log.warn('runner.lost', { runner: place.index, ...fields, delayMs: 0 })
    }
    this.#options.changed()
  }

  /** Messages go to any runner, so that one that kills is held against none of them. */
  #died(place: RunnerPlace, kind: DeathKind = 'first'): RestartDecision {
    for (const { policy } of this.#places) {
      if (kind === 'first') policy.suspectMessage()
      if (kind === 'message') policy.acquit()
    }
    return place.policy.died(kind)
  }
}

function stoppedMeanwhile(): EdgebootError {
  return new EdgebootError('RUNNER_EXITED', 'the pipeline was stopped while the model was loaded')
}

function hasRoom(slot: PoolSlot): boolean {
  return !slot.exclusive && slot.batches < limits.runnerBatchesMax
}
