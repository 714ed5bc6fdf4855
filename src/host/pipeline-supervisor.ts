import type { ModelSource, PipelineSettings } from '../config/settings.ts'
import { RestartPolicy, type RestartDecision } from '../core/backoff.ts'
import type { Clock, Timer } from '../core/clock.ts'
import { asEdgebootError, errorClause, type EdgebootError } from '../core/errors.ts'
import type { Logger } from '../core/log.ts'
import type { ModelPackage } from '../models/model-package.ts'
import type { PipelineStats } from '../pipeline/pipeline-stats.ts'
import { emptyTrail, type TrailView } from '../pipeline/trail.ts'
import type { FromHost } from './host-messages.ts'
import type { StartHostProcess } from './host-process.ts'
import { PipelineBooks } from './pipeline-books.ts'
import type { ReadHostRecord } from './recorder/host-record.ts'
import type { PipelineTarget, Replacement } from './replacement.ts'
import { startOrder, type StartSurroundings } from './start-order.ts'
import { SupervisedHost } from './supervised-host.ts'
import type { PipelineState, PipelineStatus } from './system-view.ts'

/** What a supervisor needs from around it. */
export interface PipelineSupervisorOptions extends StartSurroundings {
  readonly pipeline: PipelineSettings
  /** Gets a model onto the disk; called again when it failed for a reason that may pass. */
  readonly resolveModel: (
    model: ModelSource,
    onState: (state: 'FETCHING' | 'VERIFYING', detail: string) => void,
  ) => Promise<ModelPackage>
  /** Hears of every package that is loaded and serves. Must not throw. */
  readonly tookOver: (model: ModelPackage) => void
  readonly startHost: StartHostProcess
  readonly readHostRecord: ReadHostRecord
  readonly hostEnvironment: Readonly<Record<string, string>>
  readonly clock: Clock
  readonly random: () => number
  readonly log: Logger
}

/** A host that stands by to take over. */
interface Successor {
  readonly host: SupervisedHost
  /** Resolves with nothing when its model is loaded, else with the reason why that failed. */
  readonly loaded: Promise<string | undefined>
  /** Of what it died before its turn came. */
  ended?: EdgebootError
}

/**
 * Keeps one pipeline alive: gets its model, starts its host, restarts a host that dies or falls
 * silent, with growing delays, and knows at any time what state it is in and why. It also exchanges
 * a host for one of another configuration or model. The main process's half of a host; it depends
 * on nothing that a dying host may fail to say.
 */
export class PipelineSupervisor {
  readonly #options: PipelineSupervisorOptions
  #pipeline: PipelineSettings
  #model: ModelPackage | undefined
  #policy: RestartPolicy
  #state: PipelineState = 'NEW'
  #since: number
  #reason = 'not started yet'
  #host: SupervisedHost | undefined
  /** The policy knows that the model of this host was loaded. */
  #hasStarted = false
  #successor: Successor | undefined
  /** What follows the death of the host, if its successor does not take over. */
  #unfollowed: (() => void) | undefined
  #restarts = 0
  #stopping = false
  /** The host is asked to leave for another to come. */
  #halting = false
  /** Names the attempt to get the model that counts; those before were given up. */
  #attempt = 0
  readonly #begun = Promise.withResolvers<void>()
  #retry: Timer | undefined
  readonly #books: PipelineBooks

  constructor(options: PipelineSupervisorOptions) {
    this.#options = options
    this.#pipeline = options.pipeline
    this.#books = new PipelineBooks(options.readHostRecord)
    this.#policy = new RestartPolicy(options.clock, options.random)
    this.#since = options.clock.now()
  }

  /** What it is, or is about to be. */
  get settings(): PipelineSettings {
    return this.#pipeline
  }

  get status(): PipelineStatus {
    const { name, rule, model } = this.#pipeline
    const { pid, engine } = this.#host ?? {}
    return {
      name,
      rule,
      model: model.name,
      state: this.#state,
      since: this.#since,
      reason: this.#reason,
      restarts: this.#restarts,
      ...(this.#model === undefined ? {} : { modelVersion: this.#model.version }),
      ...(engine === undefined ? {} : { engine }),
      ...(pid === undefined ? {} : { pid }),
    }
  }

  /** The package that its host has, or will have; `undefined` until it is on the disk. */
  get model(): ModelPackage | undefined {
    return this.#model
  }

  /** Milliseconds since the host was last heard of; 0 when there is none to hear. */
  get silenceMs(): number {
    return this.#host?.silenceMs ?? 0
  }

  /**
   * Begins. Resolves when its host is starting, its model is being fetched, or that failed: what
   * follows is in `status`. Never rejects.
   */
  start(): Promise<void> {
    void this.#obtainModel()
    return this.#begun.promise
  }

  /** Counts of the pipeline, fresh if its host answers within a second. */
  async stats(): Promise<PipelineStats> {
    await this.#host?.askForStats()
    return this.#books.stats
  }

  /**
   * Where the last events of its host ended; empty when it has none, or does not answer within a
   * second.
   *
   * @param topic - `undefined` for all.
   * @param lastMax - Endings to list.
   */
  async trail(topic: string | undefined, lastMax: number): Promise<TrailView> {
    return this.#host?.trail(topic, lastMax) ?? emptyTrail
  }

  /** Has dead letters run again that are marked for it. A host that starts later looks by itself. */
  replay(): void {
    this.#host?.replay()
  }

  /** Lets the host drain, and kills one that does not leave. Idempotent; never rejects. */
  async stop(drainMs: number): Promise<void> {
    this.#stopping = true
    this.#begun.resolve()
    this.#retry?.cancel()
    if (this.#host !== undefined) this.#leave('stopping')
    await Promise.all([this.#host?.stop(drainMs), this.#successor?.host.stop(0)])
  }

  /**
   * Lets the host drain and leave for another to come: {@link begin} has to follow. Nothing is
   * restarted in between. Never rejects.
   *
   * @param reason - For the state, in a few words.
   */
  async halt(drainMs: number, reason: string): Promise<void> {
    this.#halting = true
    this.#attempt += 1
    this.#retry?.cancel()
    this.#unfollowed = undefined
    if (this.#host === undefined) return
    this.#become('DRAINING', reason)
    await this.#host.stop(drainMs)
  }

  /** Begins anew with other settings, as if there had been no failure before. */
  begin(target: PipelineTarget): void {
    if (this.#stopping) return
    this.#take(target)
    if (this.#model === undefined) void this.#obtainModel()
    else this.#startHost(this.#model)
  }

  /**
   * Exchanges the host for one with other settings or another model, with the smallest gap: the new
   * one loads its model beside the old one, which goes on meanwhile; then the old one drains and
   * leaves, and only then does the new one connect, under the same client ids and with the same
   * spool. A model that cannot be loaded refuses the exchange, unless the old one does not serve
   * either. One at a time; never rejects.
   */
  async replace(target: PipelineTarget, drainMs: number): Promise<Replacement> {
    if (this.#stopping) return { kind: 'stopped' }
    const { model } = target
    if (!this.serves || model === undefined) {
      await this.halt(drainMs, 'makes room for a new start')
      this.begin(target)
      return this.#stopping ? { kind: 'stopped' } : { kind: 'begun' }
    }
    const successor = this.#standBy({ ...target, model })
    this.#successor = successor
    const reason = await successor.loaded
    if (this.#stopping) return { kind: 'stopped' }
    if (reason !== undefined) {
      this.#successor = undefined
      await successor.host.stop(0)
      this.#unfollowed?.()
      this.#unfollowed = undefined
      return { kind: 'refused', reason }
    }
    const { clock } = this.#options
    const silentFrom = clock.monotonic()
    await this.halt(drainMs, 'hands over to its successor')
    if (this.#stopping) return { kind: 'stopped' }
    this.#successor = undefined
    this.#take(target)
    this.#adopt(successor)
    return { kind: 'replaced', gapMs: Math.round(clock.monotonic() - silentFrom) }
  }

  /** Whether it has a model that is loaded: worth keeping when its successor fails. */
  get serves(): boolean {
    return this.#host?.engine !== undefined && this.#state !== 'BROKEN'
  }

  async #obtainModel(): Promise<void> {
    if (this.#stopping) return
    const attempt = ++this.#attempt
    const isLate = (): boolean => this.#stopping || attempt !== this.#attempt
    try {
      const found = await this.#options.resolveModel(this.#pipeline.model, (state, detail) => {
        if (!isLate()) this.#become(state, detail)
      })
      if (isLate()) return
      this.#model = found
      this.#startHost(found)
    } catch (thrown) {
      if (isLate()) return
      const error = asEdgebootError(thrown)
      // A server that is away is no fault of the model: tried for ever.
      this.#follow(this.#policy.failedToStart({ counts: !error.retryable }), error)
    }
  }

  #take({ pipeline, model }: PipelineTarget): void {
    const { clock, random } = this.#options
    this.#pipeline = pipeline
    this.#model = model
    this.#policy = new RestartPolicy(clock, random)
    this.#halting = false
  }

  #startHost(model: ModelPackage): void {
    if (this.#stopping) return
    this.#become('STARTING', 'starting the host process')
    this.#hasStarted = false
    this.#host = this.#launch({ pipeline: this.#pipeline, model }, false)
  }

  #standBy(target: Required<PipelineTarget>): Successor {
    const { promise, resolve } = Promise.withResolvers<string | undefined>()
    const host = this.#launch(target, true, (message) => {
      if (message instanceof Error) {
        successor.ended = message
        resolve(errorClause(message))
      } else if (message.engine !== undefined) resolve(undefined)
      else if (message.state === 'BACKOFF' || message.state === 'BROKEN') resolve(message.reason)
    })
    const successor: Successor = { host, loaded: promise }
    return successor
  }

  /** @param heard - Hears of its state, or its end, while it stands by. */
  #launch(
    target: Required<PipelineTarget>,
    standby: boolean,
    heard: (message: (FromHost & { type: 'state' }) | EdgebootError) => void = () => {},
  ): SupervisedHost {
    const { startHost, hostEnvironment, clock, log } = this.#options
    const order = startOrder(target, this.#options)
    const host: SupervisedHost = new SupervisedHost(
      {
        order: standby ? { ...order, standby } : order,
        environment: hostEnvironment,
        startHost,
        clock,
        log,
      },
      {
        state: (message) => (host === this.#host ? this.#stateTold(message) : heard(message)),
        stats: (stats) => {
          if (host === this.#host) this.#books.told(stats)
        },
        exited: (error) => (host === this.#host ? this.#exited(error) : heard(error)),
      },
    )
    return host
  }

  /** What stood by is the host from now on. */
  #adopt({ host, ended }: Successor): void {
    this.#policy.started()
    if (ended !== undefined) {
      this.#follow(this.#policy.died(), ended)
      return
    }
    this.#host = host
    this.#hasStarted = true
    this.#become('STARTING', 'connecting')
    host.go()
    this.#tellOfTakeover()
  }

  #stateTold({ state, reason, engine }: FromHost & { type: 'state' }): void {
    // Started means that its model is loaded: a broker that is away is no failure to start.
    if (engine !== undefined && !this.#hasStarted) {
      this.#hasStarted = true
      this.#policy.started()
      this.#tellOfTakeover()
    }
    if (!this.#stopping && !this.#halting) this.#become(state, reason)
  }

  #tellOfTakeover(): void {
    if (this.#model !== undefined) this.#options.tookOver(this.#model)
  }

  #exited(error: EdgebootError): void {
    const last = this.#books.close(this.#pipeline, this.#host?.pid)
    this.#host = undefined
    if (this.#stopping) this.#leave('stopped')
    if (this.#stopping || this.#halting) return
    // It may die of its first message before its word that it has started is heard.
    const hasStarted = this.#hasStarted || last?.hasServed === true
    // A message that kills its host is held against it, not against the model.
    const decision = hasStarted ? this.#policy.died(last?.kind) : this.#policy.failedToStart()
    if (this.#successor === undefined) {
      this.#follow(decision, error)
      return
    }
    // No third one: if that fails, this one is restarted.
    this.#become('STARTING', `${errorClause(error)}; its successor is loading`)
    this.#unfollowed = () => this.#follow(decision, error)
  }

  #follow(decision: RestartDecision, error: EdgebootError): void {
    if (this.#stopping) return
    const { log } = this.#options
    const what = errorClause(error)
    const fields = { code: error.code, error: error.message, fix: error.fix, ...error.details }
    if (decision.action === 'give-up') {
      const times = `given up after ${decision.failures} failures to start`
      this.#become('BROKEN', `${what}; ${times}`)
      log.error('pipeline.broken', fields)
      return
    }
    const { delayMs } = decision
    const next = `next attempt in ${(delayMs / 1000).toFixed(1)} s`
    this.#become('BACKOFF', `${what}; ${next}`)
    log.warn('pipeline.retry', { ...fields, delayMs })
    this.#retry = this.#options.clock.after(delayMs, () => {
      const model = this.#model
      if (model === undefined) {
        void this.#obtainModel()
      } else {
        this.#restarts += 1
        this.#startHost(model)
      }
    })
  }

  /** One that is broken stays so to the end: why is worth more than that it was stopped. */
  #leave(reason: string): void {
    if (this.#state !== 'BROKEN') this.#become('DRAINING', reason)
  }

  #become(state: PipelineState, reason: string): void {
    if (state === this.#state && reason === this.#reason) return
    if (state !== this.#state) this.#since = this.#options.clock.now()
    const was = this.#state
    this.#state = state
    this.#begun.resolve()
    this.#reason = reason
    const level = state === 'BROKEN' ? 'error' : 'info'
    if (state !== was) this.#options.log.log(level, 'pipeline.state', { state, was, reason })
  }
}
