import { EdgebootError, fromWireError } from '../core/errors.ts'
import type { Clock, Timer } from '../core/clock.ts'
import type { Logger } from '../core/log.ts'
import type { ProbationVerdict } from '../pipeline/probation.ts'
import type { PipelineStats } from '../pipeline/pipeline-stats.ts'
import { emptyTrail, type TrailView } from '../pipeline/trail.ts'
import { heartbeatIntervalMs, type FromHost, type ToHost } from './host-messages.ts'
import type { HostProcess, StartHostProcess } from './host-process.ts'
import type { ReleaseOrder } from './model-releases.ts'
import { HostQuestions } from './host-questions.ts'

/** Silence after which a host is taken for hung, if it stays silent for another check. */
const silenceMsMax = 6 * heartbeatIntervalMs
/** A host that can be told nothing any more and is about to exit does so within this. */
const muteMsMax = 2000
/** Beyond the drain: closing connections and leaving. */
const leaveMs = 3000

/** What a host is started with, and what is around it. */
export interface SupervisedHostOptions {
  /** What it is to do. */
  readonly order: ToHost & { readonly type: 'start' }
  readonly environment: Readonly<Record<string, string>>
  readonly startHost: StartHostProcess
  readonly clock: Clock
  readonly log: Logger
}

/** What a host tells its supervisor. `exited` comes once and last. */
export interface SupervisedHostListener {
  state(message: FromHost & { readonly type: 'state' }): void
  /** Its own counts, those of earlier hosts left out. */
  stats(stats: PipelineStats): void
  /** Its model, on probation, has passed or failed. */
  probation(verdict: ProbationVerdict): void
  /** It is gone: the error that it told of or died of. */
  exited(error: EdgebootError): void
}

/**
 * One host process from its start to its exit: hands on what it says, kills it when it falls silent
 * or does not leave, and knows whether its model was ever loaded.
 */
export class SupervisedHost {
  readonly #options: SupervisedHostOptions
  readonly #listener: SupervisedHostListener
  readonly #process: HostProcess
  #log: Logger
  readonly #gone = Promise.withResolvers<void>()
  #isGone = false
  #isLeaving = false
  #engine: string | undefined
  #failure: EdgebootError | undefined
  #heardAt: number
  #strikes = 0
  #heartbeat: Timer | undefined
  #mute: Timer | undefined
  /** The counts go to the listener, asked for or not: an answer is but the sign that they did. */
  readonly #statsQuestions: HostQuestions<undefined>
  readonly #trailQuestions: HostQuestions<TrailView>
  /** The end of the swap that is under way, if one is. */
  #swap: PromiseWithResolvers<EdgebootError | undefined> | undefined
  #swaps = 0

  constructor(options: SupervisedHostOptions, listener: SupervisedHostListener) {
    this.#options = options
    this.#listener = listener
    const { order, environment, startHost, clock } = options
    this.#log = order.standby === true ? options.log.child({ successor: true }) : options.log
    this.#heardAt = clock.monotonic()
    this.#statsQuestions = new HostQuestions(clock, () => undefined)
    this.#trailQuestions = new HostQuestions(clock, () => emptyTrail)
    this.#process = startHost(order.pipeline.name, environment, {
      message: (message) => this.#heard(message),
      disconnected: () => this.#endMute(),
      printed: (level, fields) => this.#log.log(level, 'host.print', fields),
      broke: (error) => this.#broke(error),
      exited: (code, signal) => this.#exited(code, signal),
    })
    this.#log.info('host.started', { pid: this.#process.pid })
    this.#process.send(order)
    this.#listenForHeartbeat()
  }

  get pid(): number | undefined {
    return this.#process.pid
  }

  /** Of the model that it has loaded; `undefined` until it has. */
  get engine(): string | undefined {
    return this.#engine
  }

  get isGone(): boolean {
    return this.#isGone
  }

  /** Milliseconds since it was last heard of. */
  get silenceMs(): number {
    return this.#options.clock.monotonic() - this.#heardAt
  }

  /** A host that stands by connects. */
  go(): void {
    this.#log = this.#options.log
    this.#process.send({ type: 'go' })
  }

  /** Asks for its counts; resolves when they were told, when it is gone, or after a second. */
  askForStats(): Promise<void> {
    return this.#statsQuestions.ask((requestId) => this.#process.send({ type: 'stats', requestId }))
  }

  /** Where its last events ended; empty when it is gone, or does not answer within a second. */
  trail(topic: string | undefined, lastMax: number): Promise<TrailView> {
    const question = { type: 'trail', lastMax, ...(topic === undefined ? {} : { topic }) } as const
    return this.#trailQuestions.ask((requestId) => this.#process.send({ ...question, requestId }))
  }

  /**
   * Lets another version of the model take over. One at a time; how long it takes is limited by the
   * time that a model has to load and to answer each of its samples.
   *
   * @returns Why it did not; the version before goes on, if the host does.
   */
  async swap(
    order: ReleaseOrder & { readonly onProbation: boolean },
  ): Promise<EdgebootError | undefined> {
    if (this.#isGone || this.#isLeaving) return goneMeanwhile()
    this.#swap = Promise.withResolvers()
    this.#swaps += 1
    this.#process.send({ type: 'swap', requestId: this.#swaps, ...order })
    return await this.#swap.promise
  }

  /** Lets it look for dead letters to be run again. */
  replay(): void {
    this.#process.send({ type: 'replay' })
  }

  /** Lets it drain, and kills it if it does not leave. Resolves when it is gone. Idempotent. */
  async stop(drainMs: number): Promise<void> {
    if (!this.#isLeaving && !this.#isGone) {
      this.#isLeaving = true
      const { clock } = this.#options
      this.#process.send({ type: 'stop', drainMs })
      const kill = (): void => {
        this.#log.error('host.killed', { code: 'BOOT_STOP_TIMEOUT', pid: this.pid })
        this.#process.kill('SIGKILL')
      }
      const timer = clock.after(drainMs + leaveMs, kill, { keepAlive: true })
      await this.#gone.promise
      timer.cancel()
    }
    await this.#gone.promise
  }

  #heard(message: FromHost): void {
    this.#heardAt = this.#options.clock.monotonic()
    this.#strikes = 0
    if (message.type === 'state') {
      this.#engine = message.engine ?? this.#engine
      this.#listener.state(message)
    } else if (message.type === 'stats') {
      this.#listener.stats(message.stats)
      const { requestId } = message
      if (requestId !== undefined) this.#statsQuestions.answered(requestId, undefined)
    } else if (message.type === 'trail') {
      this.#trailQuestions.answered(message.requestId, message.trail)
    } else if (message.type === 'swap') {
      if (message.requestId !== this.#swaps) return
      this.#swap?.resolve(message.error && fromWireError(message.error))
    } else if (message.type === 'probation') {
      this.#listener.probation(message)
    } else if (message.type === 'log') {
      this.#log.log(message.level, message.event, message.fields)
    } else if (message.type === 'failed') {
      this.#failure = fromWireError(message.error)
    }
  }

  /** Counts for more than what it may have said of itself before. */
  #broke(error: EdgebootError): void {
    const { pid } = this.#process
    const { code, message, fix } = error
    this.#failure = new EdgebootError(code, message, { details: { pid }, fix, cause: error.cause })
    this.#log.error('host.protocol', { code, error: message, fix, pid })
  }

  #listenForHeartbeat(): void {
    this.#heartbeat = this.#options.clock.after(heartbeatIntervalMs, () => {
      if (this.#isGone) return
      // Two strikes: after a pause of the whole machine our timer may run before its messages.
      this.#strikes = this.silenceMs > silenceMsMax ? this.#strikes + 1 : 0
      if (this.#strikes >= 2) {
        const seconds = Math.round(this.silenceMs / 1000)
        this.#failure = new EdgebootError('HOST_SILENT', `the host said nothing for ${seconds} s`)
        this.#process.kill('SIGKILL')
        return
      }
      this.#listenForHeartbeat()
    })
  }

  /** A model in a thread can close the descriptors of its host. Silence would show it much later. */
  #endMute(): void {
    if (this.#isGone) return
    this.#mute = this.#options.clock.after(muteMsMax, () => {
      this.#failure ??= new EdgebootError(
        'HOST_SILENT',
        'the host closed its connection and stayed',
      )
      this.#process.kill('SIGKILL')
    })
  }

  #exited(code: number | null, signal: NodeJS.Signals | null): void {
    this.#isGone = true
    this.#heartbeat?.cancel()
    this.#mute?.cancel()
    const { pid, lastLines } = this.#process
    const how = signal === null ? `exited with code ${code}` : `was killed by ${signal}`
    const error =
      this.#failure ??
      new EdgebootError('HOST_EXITED', `the host process ${how}`, {
        details: { pid, exitCode: code, signal, lastLines },
      })
    this.#listener.exited(error)
    this.#swap?.resolve(error)
    this.#statsQuestions.giveUp()
    this.#trailQuestions.giveUp()
    this.#gone.resolve()
  }
}

function goneMeanwhile(): EdgebootError {
  return new EdgebootError('HOST_EXITED', 'the host stops')
}
