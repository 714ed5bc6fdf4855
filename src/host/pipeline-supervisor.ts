import type { PipelineSettings } from '../config/settings.ts'
import { RestartPolicy, type RestartDecision } from '../core/backoff.ts'
import type { Timer } from '../core/clock.ts'
import { asEdgebootError, errorClause, type EdgebootError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import type { ModelPackage } from '../models/model-package.ts'
import type { ProbationVerdict } from '../pipeline/probation.ts'
import type { PipelineStats } from '../pipeline/pipeline-stats.ts'
import { emptyTrail, type TrailView } from '../pipeline/trail.ts'
import type { FromHost } from './host-messages.ts'
import { PipelineBooks } from './pipeline-books.ts'
import { ModelUpdates, type ModelStanding } from './model-updates.ts'
import { firstModels, PipelineExchange } from './pipeline-exchange.ts'
import type { LoadedTarget, PipelineTarget, Replacement } from './replacement.ts'
import { launchHost, type LaunchSuccessor, standBy, type Successor } from './launch-host.ts'
import { StateRecord } from './state-record.ts'
import type { SupervisedHost } from './supervised-host.ts'
import type { PipelineSupervisorOptions } from './supervisor-options.ts'
import type { PipelineStatus } from './system-view.ts'

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
  #standing: ModelStanding = 'new'
  /** What served before it, in an earlier run. */
  #before: ModelPackage | undefined
  /** What is to take over as soon as what served before does again. */
  #candidate: ModelPackage | undefined
  readonly #updates: ModelUpdates
  readonly #exchange: PipelineExchange
  #policy: RestartPolicy
  readonly #record: StateRecord
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
    this.#updates = new ModelUpdates(options)
    this.#books = new PipelineBooks(options.readHostRecord)
    this.#policy = new RestartPolicy(options.clock, options.random)
    this.#record = new StateRecord({ ...options, changed: () => this.#begun.resolve() })
    this.#exchange = this.#createExchange()
  }

  /** What it is, or is about to be. */
  get settings(): PipelineSettings {
    return this.#pipeline
  }

  get status(): PipelineStatus {
    const { name, rule, model } = this.#pipeline
    const { pid, engine } = this.#host ?? {}
    const update = this.#updates.status
    return {
      name,
      rule,
      model: model.name,
      ...this.#record.view,
      restarts: this.#restarts,
      ...(this.#model === undefined ? {} : { modelVersion: this.#model.version }),
      ...(update === undefined ? {} : { update }),
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
    if (this.#host !== undefined) this.#record.leave('stopping')
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
    this.#record.become('DRAINING', reason)
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
   * Changes over to other settings or another model. Where only the model is another, its host
   * exchanges that by itself, without a gap. Else the host is exchanged, with the smallest gap: the new
   * one loads its model beside the old one, which goes on meanwhile; then the old one drains and
   * leaves, and only then does the new one connect, under the same client ids and with the same
   * spool. A model that cannot be loaded, or does not pass its samples, refuses the exchange, unless
   * the old one does not serve either. One after the other; never rejects.
   */
  replace(target: PipelineTarget, drainMs: number): Promise<Replacement> {
    return this.#exchange.forward(target, drainMs)
  }

  #createExchange(): PipelineExchange {
    const { verdicts, clock } = this.#options
    return new PipelineExchange({
      updates: this.#updates,
      verdicts,
      clock,
      isStopping: () => this.#stopping,
      serving: () => {
        const [now, host] = [this.#loaded, this.#host]
        return this.serves && now && host ? { ...now, host } : undefined
      },
      halt: (drainMs, reason) => this.halt(drainMs, reason),
      begin: (target, standing) => {
        this.#standing = standing
        this.begin(target)
      },
      standBy: (target, standing) => this.#standBy(target, standing),
      dismiss: (successor) => this.#dismiss(successor),
      adopt: (successor, target, standing, from) => {
        this.#successor = undefined
        this.#take(target)
        this.#standing = standing
        this.#adopt(successor, from)
      },
      swapped: (target, standing, from) => {
        this.#pipeline = target.pipeline
        this.#model = target.model
        this.#standing = standing
        this.#tellOfTakeover(from)
      },
    })
  }

  async #dismiss({ host }: Successor): Promise<void> {
    this.#successor = undefined
    await host.stop(0)
    this.#unfollowed?.()
    this.#unfollowed = undefined
  }

  get #loaded(): LoadedTarget | undefined {
    return this.#model && { pipeline: this.#pipeline, model: this.#model }
  }

  #probationTold({ passed, reason }: ProbationVerdict): void {
    if (passed) {
      this.#updates.passed(reason)
      this.#standing = 'proven'
      return
    }
    const back = this.#updates.failed(reason)
    if (back !== undefined) this.#exchange.back(back)
  }

  /** Whether it has a model that is loaded: worth keeping when its successor fails. */
  get serves(): boolean {
    return this.#host?.engine !== undefined && this.#record.view.state !== 'BROKEN'
  }

  async #obtainModel(): Promise<void> {
    if (this.#stopping) return
    const attempt = ++this.#attempt
    const isLate = (): boolean => this.#stopping || attempt !== this.#attempt
    try {
      const found = await this.#options.resolveModel(this.#pipeline.model, (state, detail) => {
        if (!isLate()) this.#record.become(state, detail)
      })
      if (isLate()) return
      const first = await firstModels(this.#options.verdicts, this.#pipeline, found)
      if (isLate()) return
      this.#model = first.model
      this.#standing = first.standing
      this.#before = first.before
      this.#candidate = first.candidate
      this.#startHost(first.model)
    } catch (thrown) {
      if (isLate()) return
      const error = asEdgebootError(thrown)
      // A server that is away is no fault of the model: tried for ever.
      this.#follow(this.#policy.failedToStart({ counts: !error.retryable }), error)
    }
  }

  /** What served before does, or cannot: it is the turn of what was found. */
  #updateToCandidate(): void {
    const model = this.#candidate
    this.#candidate = undefined
    if (model !== undefined) void this.replace({ pipeline: this.#pipeline, model }, limits.drainMs)
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
    this.#record.become('STARTING', 'starting the host process')
    this.#hasStarted = false
    this.#host = this.#launch({ pipeline: this.#pipeline, model }, this.#standing)
  }

  #standBy(target: LoadedTarget, standing: ModelStanding): Successor {
    const launch: LaunchSuccessor = (heard) => this.#launch(target, standing, heard)
    return (this.#successor = standBy(launch))
  }

  /** @param heard - Hears of its state, or its end, while it stands by; absent: it does not. */
  #launch(
    target: LoadedTarget,
    standing: ModelStanding,
    heard?: Parameters<LaunchSuccessor>[0],
  ): SupervisedHost {
    const isNow = (): boolean => host === this.#host
    const host: SupervisedHost = launchHost(this.#options, target, standing, heard !== undefined, {
      state: (message) => (isNow() ? this.#stateTold(message) : heard?.(message)),
      stats: (stats) => (isNow() ? this.#books.told(stats) : undefined),
      probation: (verdict) => (isNow() ? this.#probationTold(verdict) : undefined),
      exited: (error) => (isNow() ? this.#exited(error) : heard?.(error)),
    })
    return host
  }

  /** What stood by is the host from now on. */
  #adopt({ host, ended }: Successor, from: LoadedTarget | undefined): void {
    this.#policy.started()
    if (ended !== undefined) {
      this.#follow(this.#policy.died(), ended)
      return
    }
    this.#host = host
    this.#hasStarted = true
    this.#record.become('STARTING', 'connecting')
    host.go()
    this.#tellOfTakeover(from)
  }

  #stateTold({ state, reason, engine }: FromHost & { type: 'state' }): void {
    // Started means that its model is loaded: a broker that is away is no failure to start.
    if (engine !== undefined && !this.#hasStarted) {
      this.#hasStarted = true
      this.#policy.started()
      this.#tellOfTakeover(this.#before && { pipeline: this.#pipeline, model: this.#before })
      this.#updateToCandidate()
    } else if (!this.#hasStarted && state !== 'STARTING' && state !== 'WARMING') {
      this.#updateToCandidate()
    }
    if (!this.#stopping && !this.#halting) this.#record.become(state, reason)
  }

  #tellOfTakeover(from: LoadedTarget | undefined): void {
    const now = this.#loaded
    if (now !== undefined) this.#updates.tookOver(from, now, this.#standing)
    if (this.#standing === 'new') this.#standing = 'served'
  }

  #exited(error: EdgebootError): void {
    const last = this.#books.close(this.#pipeline, this.#host?.pid)
    this.#host = undefined
    if (this.#stopping) this.#record.leave('stopped')
    if (this.#stopping || this.#halting) return
    // It may die of its first message before its word that it has started is heard.
    const hasStarted = this.#hasStarted || last?.hasServed === true
    const back = this.#updates.failed(errorClause(error))
    if (back !== undefined) {
      this.#take(back)
      this.#standing = 'proven'
    }
    // A message that kills its host is held against it, not against the model.
    const decision = hasStarted ? this.#policy.died(last?.kind) : this.#policy.failedToStart()
    if (this.#successor === undefined) {
      this.#follow(decision, error)
      return
    }
    // No third one: if that fails, this one is restarted.
    this.#record.become('STARTING', `${errorClause(error)}; its successor is loading`)
    this.#unfollowed = () => this.#follow(decision, error)
  }

  #follow(decision: RestartDecision, error: EdgebootError): void {
    if (this.#stopping) return
    const { log } = this.#options
    const what = errorClause(error)
    const fields = { code: error.code, error: error.message, fix: error.fix, ...error.details }
    if (decision.action === 'give-up') {
      const times = `given up after ${decision.failures} failures to start`
      this.#record.become('BROKEN', `${what}; ${times}`)
      log.error('pipeline.broken', fields)
      return
    }
    const { delayMs } = decision
    const next = `next attempt in ${(delayMs / 1000).toFixed(1)} s`
    this.#record.become('BACKOFF', `${what}; ${next}`)
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
}
