import { limits } from '../core/limits.ts'
import type { ConnectionState, SourceMessage } from '../transport/transport.ts'
import { Admission } from './admission.ts'
import { Dispatcher } from './dispatcher.ts'
import { Intake, payloadBytes } from './intake.ts'
import { Lanes } from './lanes.ts'
import { Ledger } from './ledger.ts'
import { OccasionalLog } from '../core/occasional-log.ts'
import { Outlet } from './outlet.ts'
import { pipelineHealth, type PipelineHealth } from './pipeline-health.ts'
import type { PipelineLimits, PipelineParts } from './pipeline-parts.ts'
import type { DropReason, PipelineStats } from './pipeline-stats.ts'
import { RecordKeeper } from './record-keeper.ts'
import type { RunnerPool } from './runner-pool.ts'
import { fatalError } from './suspects.ts'
import type { MessageInMotion, Task } from './task.ts'
import { Trail, type TrailView } from './trail.ts'

/**
 * One rule × func in motion: source → decode → match → lanes → runners → sink.
 *
 * Every message that comes in is accounted for: each of its events is published, spooled or counted
 * under a reason, and only then is the message acknowledged. What only ends because the pipeline
 * stops is not acknowledged, nor is anything that came after it: the broker sends it again.
 *
 * Bounded everywhere: what waits for runners by the queue, what they hold by their batches, results
 * by the sink or by holding the runners back, and messages without an acknowledgement by the
 * source. Messages of a lost connection stay in these same places while the broker sends them
 * again, so they count there too. Nothing here blocks the event loop, and nothing throws out of a
 * callback.
 */
export class Pipeline {
  readonly #parts: PipelineParts
  readonly #limits: PipelineLimits
  readonly #lanes = new Lanes<Task>()
  readonly #ledger = new Ledger()
  readonly #trail: Trail
  readonly #records: RecordKeeper
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
    this.#trail = new Trail(parts.clock)
    this.#occasionally = new OccasionalLog(parts.log, parts.clock)
    this.#records = new RecordKeeper({
      recorder: parts.recorder,
      ledger: this.#ledger,
      sharesHost: limitsOfThis.sharesHost,
      identify: parts.identify,
      acknowledge: (token) => parts.source.acknowledge(token),
      defer: parts.defer,
    })
    this.#intake = new Intake({
      matcher: parts.matcher,
      orderBy: limitsOfThis.orderBy,
      retained: limitsOfThis.retained,
      occasionally: this.#occasionally,
      fannedOut: (events) => this.#ledger.fannedOut(events),
      accepted: (task) => this.#accepted(task),
      // At once: the clock need not be asked again.
      dropped: (origin, reason, device) =>
        this.#dropEvent(origin, reason, device, origin.receivedAtMs),
      why: (reason, text) => this.#trail.explain(reason, text),
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
      idOf: this.#records.idOf,
      occasionally: this.#occasionally,
      published: (task, bytes) => this.#published(task, bytes),
      spooled: (task) => this.#spooled(task),
      dropped: (task, reason) => this.#drop(task, reason),
      interrupted: (task) => this.#interrupt(task),
      why: (reason, text) => this.#trail.explain(reason, text),
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
      sharesHost: limitsOfThis.sharesHost,
      suspects: this.#records.suspects,
      flights: this.#records.flights,
      defer: parts.defer,
      mayRun: () => !this.#holdsBack || this.#hasRoomForResults,
      outcome: (task, outcome) => this.#outlet.outcome(task, outcome),
      givenUp: (task, error) => this.#outlet.givenUp(task, error),
      retried: (events) => this.#ledger.retried(events),
      taken: () => this.#admission.noticeRoom(),
    })
  }

  /** Loads the model and connects, both at once. Resolves when both have begun. */
  async start(): Promise<void> {
    this.load()
    await this.connect()
  }

  /**
   * Begins to load the model, and touches nothing else: no connection, no file. So one pipeline
   * can wait, loaded, beside another that still has its client ids and its spool.
   */
  load(): void {
    this.#pool.start()
  }

  /** Opens both ends. Resolves when both have begun. To be called once. */
  async connect(): Promise<void> {
    // Stopped before its turn came.
    if (this.#draining) return
    this.#records.open()
    await this.#parts.sink.start({
      state: (state) => {
        this.#sinkState = state
        if (state.status === 'connected') this.#sinkConnections += 1
        this.#changed()
      },
      ...this.#records.disk,
    })
    // Stopped in the meantime: what is closed must not be opened again.
    if (this.#draining) return
    await this.#parts.source.start({
      message: (message) => this.#message(message),
      state: (state) => {
        this.#sourceState = state
        if (state.status === 'connected') this.#sourceConnections += 1
        this.#changed()
      },
      sessionLost: () => this.#ledger.sessionLost(),
    })
  }

  /**
   * Stops reading, lets what is in motion come out within `drainMs`, leaves the rest to the broker
   * (`unacknowledged`; without QoS 1 it is `stopped`), and closes everything, the source last:
   * what the sink settles while it closes is still acknowledged. Never rejects.
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
    for (const task of this.#lanes.clear()) this.#interrupt(task)
    await this.#parts.sink.close(left())
    this.#records.flush()
    await this.#parts.source.close()
    this.#records.close()
  }

  /** The host ends at once, and no message is to blame for that. Nothing may follow. */
  abandon(): void {
    this.#records.close()
  }

  get health(): PipelineHealth {
    return pipelineHealth({
      pool: this.#pool.state,
      source: this.#sourceState,
      sink: this.#sinkState,
      draining: this.#draining,
    })
  }

  /** What is told of is on record: no count goes back when the host dies. */
  stats(): PipelineStats {
    this.#records.books()
    return this.#ledger.snapshot({
      preQueue: this.#lanes.size,
      inRunners: this.#dispatcher.inRunners,
      postQueue: this.#parts.sink.pending,
      unacknowledged: this.#records.window.size,
      runnerRestarts: this.#pool.restarts,
      runnerRecycles: this.#pool.recycles,
      reconnects: Math.max(this.#sourceConnections - 1, 0) + Math.max(this.#sinkConnections - 1, 0),
    })
  }

  /**
   * Where the last events ended.
   *
   * @param topic - `undefined` for all.
   * @param lastMax - Endings to list.
   */
  trail(topic: string | undefined, lastMax: number): TrailView {
    return this.#trail.view(topic, lastMax)
  }

  get #blocks(): boolean {
    return this.#limits.queue.whenFull === 'block'
  }

  get #holdsBack(): boolean {
    return this.#blocks || this.#limits.holdsBack
  }

  get #hasRoomForResults(): boolean {
    const { sink } = this.#parts
    return (
      sink.pending < this.#limits.queue.size && this.#outlet.pendingBytes < limits.queueBytesMax
    )
  }

  #message(message: SourceMessage): void {
    this.#ledger.received(payloadBytes(message), message.duplicate)
    const origin: MessageInMotion = {
      message,
      receivedAtMs: this.#parts.clock.monotonic(),
      entry: message.ack === undefined ? undefined : this.#records.window.open(message.ack),
      sessionsLost: this.#ledger.sessionsLost,
      eventsLeft: 1,
    }
    this.#intake.take(origin)
  }

  #accepted(task: Task): void {
    this.#records.suspects.meet(task)
    if (task.attempts >= this.#limits.attempts) {
      this.#records.suspects.forget([task])
      this.#outlet.givenUp(task, fatalError(task))
      return
    }
    if (this.#isBroken && !this.#mayWait(task)) {
      this.#drop(task, 'broken')
      return
    }
    this.#admission.admit(task)
    this.#dispatcher.poke()
  }

  #published(task: Task, bytes: number): void {
    const now = this.#parts.clock.monotonic()
    this.#ledger.published(bytes, now - task.origin.receivedAtMs)
    this.#trail.record('published', task.origin, task.device, now)
    this.#settle(task.origin)
    this.#left()
  }

  #spooled(task: Task): void {
    this.#ledger.spooled()
    this.#trail.record('spooled', task.origin, task.device, this.#parts.clock.monotonic())
    this.#settle(task.origin)
    this.#left()
  }

  #drop(task: Task, reason: DropReason): void {
    this.#dropEvent(task.origin, reason, task.device, this.#parts.clock.monotonic())
    this.#left()
  }

  #dropEvent(
    origin: MessageInMotion,
    reason: DropReason,
    device: string | undefined,
    endedAtMs: number,
  ): void {
    this.#ledger.dropped(reason)
    this.#trail.record(reason, origin, device, endedAtMs)
    this.#settle(origin)
    this.#noticeEmpty()
  }

  /** It ends with the pipeline, not by itself: never settled where the broker can send it again. */
  #interrupt(task: Task): void {
    const { entry, sessionsLost } = task.origin
    const comesAgain = entry !== undefined && sessionsLost === this.#ledger.sessionsLost
    const reason = comesAgain ? 'unacknowledged' : 'stopped'
    this.#ledger.dropped(reason)
    this.#trail.record(reason, task.origin, task.device, this.#parts.clock.monotonic())
    this.#left()
  }

  #settle(origin: MessageInMotion): void {
    origin.eventsLeft -= 1
    if (origin.eventsLeft === 0 && origin.entry !== undefined)
      this.#records.window.settle(origin.entry)
  }

  /** An event is out: there may be room for another. */
  #left(): void {
    if (this.#holdsBack) this.#dispatcher.poke()
    this.#noticeEmpty()
  }

  #noticeEmpty(): void {
    if (this.#whenEmpty === undefined) return
    // Without runners, what waits for them comes out no more.
    const stuck = this.#isBroken ? this.#lanes.size : 0
    if (this.#ledger.inMotion > stuck) return
    const notify = this.#whenEmpty
    this.#whenEmpty = undefined
    notify()
  }

  #poolChanged(): void {
    this.#isBroken = this.#pool.state.status === 'broken'
    if (this.#isBroken) this.#giveUpWaiting()
    this.#changed()
  }

  /** No runner will ever come. */
  #giveUpWaiting(): void {
    for (const task of this.#lanes.clear()) {
      // In whatever order: nobody takes them from here.
      if (this.#mayWait(task)) this.#lanes.push(task)
      else this.#drop(task, 'broken')
    }
    this.#admission.noticeRoom()
    this.#noticeEmpty()
  }

  /** Whether it waits for as long as it takes: the broker keeps it, and all behind it, meanwhile. */
  #mayWait(task: Task): boolean {
    return this.#blocks && task.origin.entry !== undefined
  }

  #changed(): void {
    this.#parts.changed(this.health)
  }
}
