import type { Clock } from '../core/clock.ts'
import { limits } from '../core/limits.ts'
import type { Logger } from '../core/log.ts'
import type { OrderBy, WhenFull } from '../config/settings.ts'
import type { ConnectionState, Sink, Source, SourceMessage } from '../transport/transport.ts'
import { AckWindow } from './ack-window.ts'
import { Admission } from './admission.ts'
import { Dispatcher } from './dispatcher.ts'
import { Intake } from './intake.ts'
import { Lanes } from './lanes.ts'
import { Ledger } from './ledger.ts'
import type { Matcher } from './match.ts'
import { OccasionalLog } from './occasional-log.ts'
import { Outlet } from './outlet.ts'
import { pipelineHealth, type PipelineHealth } from './pipeline-health.ts'
import type { DropReason, PipelineStats } from './pipeline-stats.ts'
import type { RunnerPool } from './runner-pool.ts'
import type { MessageInMotion, Task } from './task.ts'

/** What a pipeline is made of. */
export interface PipelineParts {
  readonly source: Source
  readonly sink: Sink
  readonly matcher: Matcher
  /** Made with the callbacks that the pipeline gives: it must know when runners change. */
  readonly createPool: (callbacks: { changed: () => void; room: () => void }) => RunnerPool
  /** The topic of a result; `undefined` when the template gives one that MQTT forbids. */
  readonly resultTopic: (sourceTopic: string, device: string | undefined) => string | undefined
  /** Sent with every result. */
  readonly resultProperties: Readonly<Record<string, string>>
  readonly clock: Clock
  readonly log: Logger
  readonly defer: (run: () => void) => void
  /** State or reason changed. */
  readonly changed: (health: PipelineHealth) => void
}

/** How a pipeline behaves. */
export interface PipelineLimits {
  readonly orderBy: OrderBy
  readonly queue: { readonly size: number; readonly whenFull: WhenFull }
  readonly batch: { readonly size: number; readonly delayMs: number }
  readonly timeoutMs: number
  readonly attempts: number
  /** False: messages that the broker had kept are left out. */
  readonly retained: boolean
}

/**
 * One rule × func in motion: source → decode → match → lanes → runners → sink.
 *
 * Every message that comes in is accounted for: each of its events is published or counted under
 * a reason, and only then is the message settled towards the broker. Bounded everywhere; nothing
 * here blocks the event loop, and nothing throws out of a callback.
 */
export class Pipeline {
  readonly #parts: PipelineParts
  readonly #limits: PipelineLimits
  readonly #lanes = new Lanes<Task>()
  readonly #ledger = new Ledger()
  readonly #window: AckWindow
  readonly #pool: RunnerPool
  readonly #dispatcher: Dispatcher
  readonly #intake: Intake
  readonly #admission: Admission
  readonly #outlet: Outlet
  readonly #occasionally: OccasionalLog
  #sourceState: ConnectionState = { status: 'connecting', reason: 'not started' }
  #sinkState: ConnectionState = { status: 'connecting', reason: 'not started' }
  #sourceConnections = 0
  #sinkConnections = 0
  #isBroken = false
  #draining = false
  #whenEmpty: (() => void) | undefined

  constructor(parts: PipelineParts, limitsOfThis: PipelineLimits) {
    this.#parts = parts
    this.#limits = limitsOfThis
    this.#occasionally = new OccasionalLog(parts.log, parts.clock)
    this.#window = new AckWindow((token) => parts.source.acknowledge(token))
    this.#intake = new Intake({
      matcher: parts.matcher,
      orderBy: limitsOfThis.orderBy,
      retained: limitsOfThis.retained,
      occasionally: this.#occasionally,
      fannedOut: (events) => this.#ledger.fannedOut(events),
      accepted: (task) => this.#accepted(task),
      dropped: (origin, reason) => this.#dropEvent(origin, reason),
    })
    this.#admission = new Admission({
      lanes: this.#lanes,
      source: parts.source,
      whenFull: limitsOfThis.queue.whenFull,
      itemsMax: limitsOfThis.queue.size,
      bytesMax: limits.queueBytesMax,
      turnedAway: (task) => this.#drop(task, 'queue-full'),
    })
    this.#outlet = new Outlet({
      sink: parts.sink,
      resultTopic: parts.resultTopic,
      resultProperties: parts.resultProperties,
      occasionally: this.#occasionally,
      published: (task, bytes) => this.#published(task, bytes),
      dropped: (task, reason) => this.#drop(task, reason),
    })
    this.#pool = parts.createPool({
      changed: () => this.#poolChanged(),
      room: () => this.#dispatcher.poke(),
    })
    this.#dispatcher = new Dispatcher({
      lanes: this.#lanes,
      pool: this.#pool,
      clock: parts.clock,
      batchSize: limitsOfThis.batch.size,
      batchDelayMs: limitsOfThis.batch.delayMs,
      timeoutMs: limitsOfThis.timeoutMs,
      attempts: limitsOfThis.attempts,
      defer: parts.defer,
      mayRun: () => !this.#blocks || parts.sink.pending < limitsOfThis.queue.size,
      outcome: (task, outcome) => this.#outlet.outcome(task, outcome),
      givenUp: (task, error) => this.#outlet.givenUp(task, error),
      retried: (events) => this.#ledger.retried(events),
      taken: () => this.#admission.noticeRoom(),
    })
  }

  /** Loads the model and connects, both at once. Resolves when both have begun. */
  async start(): Promise<void> {
    this.#pool.start()
    await this.#parts.sink.start({
      state: (state) => {
        this.#sinkState = state
        if (state.status === 'connected') this.#sinkConnections += 1
        this.#changed()
      },
    })
    await this.#parts.source.start({
      message: (message) => this.#message(message),
      state: (state) => {
        this.#sourceState = state
        if (state.status === 'connected') this.#sourceConnections += 1
        this.#changed()
      },
    })
  }

  /**
   * Stops reading, lets what is in motion come out within `drainMs`, counts the rest as
   * `stopped`, and closes everything. Never rejects.
   */
  async stop(drainMs: number): Promise<void> {
    this.#draining = true
    this.#parts.source.drain()
    this.#changed()
    const { clock } = this.#parts
    const end = clock.monotonic() + drainMs
    await new Promise<void>((resolve) => {
      const timer = clock.after(drainMs, resolve, { keepAlive: true })
      this.#whenEmpty = () => {
        timer.cancel()
        resolve()
      }
      this.#noticeEmpty()
    })
    this.#dispatcher.close()
    const left = (): number => Math.max(end - clock.monotonic(), 0)
    await this.#pool.stop(left())
    for (const task of this.#lanes.clear()) this.#drop(task, 'stopped')
    await this.#parts.sink.close(left())
    await this.#parts.source.close()
  }

  get health(): PipelineHealth {
    return pipelineHealth({
      pool: this.#pool.state,
      source: this.#sourceState,
      sink: this.#sinkState,
      draining: this.#draining,
    })
  }

  stats(): PipelineStats {
    return this.#ledger.snapshot({
      preQueue: this.#lanes.size,
      inRunners: this.#dispatcher.inRunners,
      postQueue: this.#parts.sink.pending,
      runnerRestarts: this.#pool.restarts,
      reconnects: Math.max(this.#sourceConnections - 1, 0) + Math.max(this.#sinkConnections - 1, 0),
    })
  }

  get #blocks(): boolean {
    return this.#limits.queue.whenFull === 'block'
  }

  #message(message: SourceMessage): void {
    this.#ledger.received(message.payload.byteLength)
    const origin: MessageInMotion = {
      message,
      receivedAtMs: this.#parts.clock.monotonic(),
      entry: message.ack === undefined ? undefined : this.#window.open(message.ack),
      eventsLeft: 1,
    }
    this.#intake.take(origin)
  }

  #accepted(task: Task): void {
    if (this.#isBroken) {
      this.#drop(task, 'broken')
      return
    }
    this.#admission.admit(task)
    this.#dispatcher.poke()
  }

  #published(task: Task, bytes: number): void {
    this.#ledger.published(bytes, this.#parts.clock.monotonic() - task.origin.receivedAtMs)
    this.#settle(task.origin)
    if (this.#blocks) this.#dispatcher.poke()
  }

  #drop(task: Task, reason: DropReason): void {
    this.#dropEvent(task.origin, reason)
    if (this.#blocks) this.#dispatcher.poke()
  }

  #dropEvent(origin: MessageInMotion, reason: DropReason): void {
    this.#ledger.dropped(reason)
    this.#settle(origin)
  }

  #settle(origin: MessageInMotion): void {
    origin.eventsLeft -= 1
    if (origin.eventsLeft === 0 && origin.entry !== undefined) this.#window.settle(origin.entry)
    this.#noticeEmpty()
  }

  #noticeEmpty(): void {
    if (this.#whenEmpty === undefined || this.#ledger.inMotion > 0) return
    const notify = this.#whenEmpty
    this.#whenEmpty = undefined
    notify()
  }

  #poolChanged(): void {
    this.#isBroken = this.#pool.state.status === 'broken'
    if (this.#isBroken) {
      for (const task of this.#lanes.clear()) this.#drop(task, 'broken')
      this.#admission.noticeRoom()
    }
    this.#changed()
  }

  #changed(): void {
    this.#parts.changed(this.health)
  }
}
