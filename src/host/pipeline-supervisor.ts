import type { PipelineSettings } from '../config/settings.ts'
import { RestartPolicy, type RestartDecision } from '../core/backoff.ts'
import type { Clock, Timer } from '../core/clock.ts'
import { asEdgebootError, EdgebootError, errorClause, fromWireError } from '../core/errors.ts'
import type { Logger, LogLevel } from '../core/log.ts'
import type { ModelPackage } from '../models/model-package.ts'
import { addStats, closeBooks, emptyStats } from '../pipeline/ledger.ts'
import type { PipelineStats } from '../pipeline/pipeline-stats.ts'
import { heartbeatIntervalMs, type FromHost } from './host-messages.ts'
import type { HostProcess, StartHostProcess } from './host-process.ts'
import type { PipelineState, PipelineStatus } from './system-view.ts'

/** Silence after which a host is taken for hung, if it stays silent for another check. */
const silenceMsMax = 6 * heartbeatIntervalMs
/** How long a host may take to answer a question before its last answer is used. */
const statsAnswerMs = 1000
/** Beyond the drain: closing connections and leaving. */
const leaveMs = 3000

/** What a supervisor needs from around it. */
export interface PipelineSupervisorOptions {
  readonly pipeline: PipelineSettings
  /** Gets the model onto the disk; called again when it failed for a reason that may pass. */
  readonly resolveModel: (
    onState: (state: 'FETCHING' | 'VERIFYING', detail: string) => void,
  ) => Promise<ModelPackage>
  readonly startHost: StartHostProcess
  readonly hostEnvironment: Readonly<Record<string, string>>
  readonly runnerEnvironment: Readonly<Record<string, string>>
  readonly logLevel: LogLevel
  readonly clock: Clock
  readonly random: () => number
  readonly log: Logger
}

/**
 * Keeps one pipeline alive: gets its model, starts its host, restarts a host that dies or falls
 * silent, with growing delays, and knows at any time what state it is in and why. The main
 * process's half of a host; it depends on nothing that a dying host may fail to say.
 */
export class PipelineSupervisor {
  readonly #options: PipelineSupervisorOptions
  readonly #policy: RestartPolicy
  #state: PipelineState = 'NEW'
  #since: number
  #reason = 'not started yet'
  #engine: string | undefined
  #model: ModelPackage | undefined
  #host: HostProcess | undefined
  #hostServed = false
  #restarts = 0
  #stopping = false
  readonly #begun = Promise.withResolvers<void>()
  #gone: (() => void) | undefined
  #retry: Timer | undefined
  #failure: EdgebootError | undefined
  #heardAt = 0
  #strikes = 0
  #heartbeat: Timer | undefined
  #requestId = 0
  readonly #requests = new Map<number, (stats: PipelineStats) => void>()
  /** Counts of the hosts that are gone, and the last that is known of all. */
  #earlierStats: PipelineStats = emptyStats()
  #lastStats: PipelineStats = emptyStats()

  constructor(options: PipelineSupervisorOptions) {
    this.#options = options
    this.#policy = new RestartPolicy(options.clock, options.random)
    this.#since = options.clock.now()
  }

  get status(): PipelineStatus {
    const { pipeline } = this.#options
    const pid = this.#host?.pid
    return {
      name: pipeline.name,
      rule: pipeline.rule,
      model: pipeline.model.name,
      state: this.#state,
      since: this.#since,
      reason: this.#reason,
      restarts: this.#restarts,
      ...(this.#model === undefined ? {} : { modelVersion: this.#model.version }),
      ...(this.#engine === undefined ? {} : { engine: this.#engine }),
      ...(pid === undefined ? {} : { pid }),
    }
  }

  /** Milliseconds since the host was last heard of; 0 when there is none to hear. */
  get silenceMs(): number {
    return this.#host === undefined ? 0 : this.#options.clock.monotonic() - this.#heardAt
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
  stats(): Promise<PipelineStats> {
    const host = this.#host
    if (host === undefined) return Promise.resolve(this.#lastStats)
    const requestId = this.#requestId++
    return new Promise((resolve) => {
      const timer = this.#options.clock.after(
        statsAnswerMs,
        () => this.#requests.get(requestId)?.(this.#lastStats),
        { keepAlive: true },
      )
      this.#requests.set(requestId, (stats) => {
        timer.cancel()
        this.#requests.delete(requestId)
        resolve(stats)
      })
      host.send({ type: 'stats', requestId })
    })
  }

  /** Lets the host drain, and kills one that does not leave. Idempotent; never rejects. */
  async stop(drainMs: number): Promise<void> {
    this.#stopping = true
    this.#begun.resolve()
    this.#retry?.cancel()
    const host = this.#host
    if (host === undefined) return
    this.#leave('stopping')
    const left = new Promise<void>((resolve) => (this.#gone = resolve))
    host.send({ type: 'stop', drainMs })
    const timer = this.#options.clock.after(
      drainMs + leaveMs,
      () => {
        this.#options.log.error('host.killed', { code: 'BOOT_STOP_TIMEOUT', pid: host.pid })
        host.kill('SIGKILL')
      },
      { keepAlive: true },
    )
    await left
    timer.cancel()
  }

  async #obtainModel(): Promise<void> {
    if (this.#stopping) return
    try {
      this.#model = await this.#options.resolveModel((state, detail) => {
        if (!this.#stopping) this.#become(state, detail)
      })
    } catch (thrown) {
      const error = asEdgebootError(thrown)
      // A server that is away is no fault of the model: tried for ever.
      this.#follow(this.#policy.failedToStart({ counts: !error.retryable }), error)
      return
    }
    this.#startHost(this.#model)
  }

  #startHost(model: ModelPackage): void {
    if (this.#stopping) return
    const { pipeline, log, clock, startHost, hostEnvironment } = this.#options
    this.#become('STARTING', 'starting the host process')
    this.#hostServed = false
    this.#failure = undefined
    this.#engine = undefined
    this.#heardAt = clock.monotonic()
    this.#strikes = 0
    const host = startHost(pipeline.name, hostEnvironment, {
      message: (message) => this.#heard(message),
      printed: (level, fields) => log.log(level, 'host.print', fields),
      exited: (code, signal) => this.#exited(code, signal),
    })
    this.#host = host
    log.info('host.started', { pid: host.pid })
    host.send({
      type: 'start',
      pipeline,
      model,
      runnerEnvironment: this.#options.runnerEnvironment,
      logLevel: this.#options.logLevel,
    })
    this.#listenForHeartbeat(host)
  }

  #heard(message: FromHost): void {
    this.#heardAt = this.#options.clock.monotonic()
    this.#strikes = 0
    if (message.type === 'state') {
      this.#engine = message.engine ?? this.#engine
      // Started means that its model is loaded: a broker that is away is no failure to start.
      if (message.engine !== undefined && !this.#hostServed) {
        this.#hostServed = true
        this.#policy.started()
      }
      if (!this.#stopping) this.#become(message.state, message.reason)
    } else if (message.type === 'stats') {
      this.#lastStats = addStats(this.#earlierStats, message.stats)
      if (message.requestId !== undefined) this.#requests.get(message.requestId)?.(this.#lastStats)
    } else if (message.type === 'log') {
      this.#options.log.log(message.level, message.event, message.fields)
    } else if (message.type === 'failed') {
      this.#failure = fromWireError(message.error)
    }
  }

  #listenForHeartbeat(host: HostProcess): void {
    this.#heartbeat = this.#options.clock.after(heartbeatIntervalMs, () => {
      if (this.#host !== host) return
      // Two strikes: after a pause of the whole machine our timer may run before its messages.
      this.#strikes = this.silenceMs > silenceMsMax ? this.#strikes + 1 : 0
      if (this.#strikes >= 2) {
        const seconds = Math.round(this.silenceMs / 1000)
        this.#failure = new EdgebootError('HOST_SILENT', `the host said nothing for ${seconds} s`)
        host.kill('SIGKILL')
        return
      }
      this.#listenForHeartbeat(host)
    })
  }

  #exited(code: number | null, signal: NodeJS.Signals | null): void {
    this.#heartbeat?.cancel()
    const { pid, lastLines } = this.#host ?? {}
    this.#host = undefined
    // With QoS 1 the broker still has what was not acknowledged, and sends it to the next host.
    const reason = this.#options.pipeline.source.qos === 1 ? 'unacknowledged' : 'crash'
    this.#lastStats = closeBooks(this.#lastStats, reason)
    this.#earlierStats = this.#lastStats
    for (const answer of this.#requests.values()) answer(this.#lastStats)
    this.#gone?.()
    if (this.#stopping) {
      this.#leave('stopped')
      return
    }
    const how = signal === null ? `exited with code ${code}` : `was killed by ${signal}`
    const error =
      this.#failure ??
      new EdgebootError('HOST_EXITED', `the host process ${how}`, {
        details: { pid, exitCode: code, signal, lastLines },
      })
    const decision = this.#hostServed ? this.#policy.died() : this.#policy.failedToStart()
    this.#follow(decision, error)
  }

  #follow(decision: RestartDecision, error: EdgebootError): void {
    const { log, clock } = this.#options
    if (this.#stopping) return
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
    this.#retry = clock.after(delayMs, () => {
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
