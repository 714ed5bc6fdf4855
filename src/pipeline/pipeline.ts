import { limits } from '../core/limits.ts'
import type { ConnectionState, SourceMessage } from '../transport/transport.ts'
import { Admission } from './admission.ts'
import { BrokenModel } from './broken-model.ts'
import { ConnectionRecord } from './connection-record.ts'
import { DeadLetterOffice } from './dead-letter-office.ts'
import { Dispatcher } from './dispatcher.ts'
import { Drain } from './drain.ts'
import { Endings } from './endings.ts'
import { Intake, payloadBytes } from './intake.ts'
import { Lanes } from './lanes.ts'
import { Ledger } from './ledger.ts'
import type { ModelRelease } from './model-release.ts'
import { OccasionalLog } from '../core/occasional-log.ts'
import { Outlet } from './outlet.ts'
import { pipelineHealth, type PipelineHealth } from './pipeline-health.ts'
import type { PipelineLimits, PipelineParts } from './pipeline-parts.ts'
import type { PipelineStats } from './pipeline-stats.ts'
import { createProbation, type Probation } from './probation.ts'
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
  readonly #office: DeadLetterOffice
  readonly #endings: Endings
  readonly #occasionally: OccasionalLog
  readonly #input = new ConnectionRecord()
  readonly #output = new ConnectionRecord()
  readonly #broken: BrokenModel
  #draining = false
  readonly #drain: Drain
  readonly #probation: Probation | undefined

  constructor(parts: PipelineParts, limitsOfThis: PipelineLimits) {
    this.#parts = parts
    this.#limits = limitsOfThis
    this.#drain = new Drain(parts.clock)
    this.#trail = new Trail(parts.clock)
    this.#probation = createProbation(parts, limitsOfThis)
    this.#occasionally = new OccasionalLog(parts.log, parts.clock)
    this.#records = new RecordKeeper({
      recorder: parts.recorder,
      ledger: this.#ledger,
      sharesHost: limitsOfThis.sharesHost,
      identify: parts.identify,
      acknowledge: (token) => parts.source.acknowledge(token),
      defer: parts.defer,
    })
    this.#endings = new Endings({
      ledger: this.#ledger,
      trail: this.#trail,
      window: this.#records.window,
      clock: parts.clock,
      replayDropped: (replay, reason) => this.#office.dropped(replay, reason),
      replayEnded: (replay) => this.#office.ended(replay),
      left: () => this.#left(),
    })
    this.#office = new DeadLetterOffice({
      ...parts,
      handling: parts.deadLetters,
      ledger: this.#ledger,
      sharedProperties: (version) => parts.resultProperties.shared(version),
      occasionally: this.#occasionally,
      endings: this.#endings,
      version: () => this.#pool.release.version,
      room: () => this.#roomForReplays,
      inject: (origin) => this.#intake.take(origin),
      changed: () => {
        this.#admission.hold(this.#office.isFull)
        this.#changed()
      },
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
        this.#endings.dropped(origin, reason, device, origin.receivedAtMs),
      undecodable: (origin, failure) => this.#office.undecodable(origin, failure),
      why: (reason, text) => this.#trail.explain(reason, text),
    })
    this.#admission = new Admission({
      lanes: this.#lanes,
      source: parts.source,
      whenFull: limitsOfThis.queue.whenFull,
      itemsMax: limitsOfThis.queue.size,
      bytesMax: limits.queueBytesMax,
      turnedAway: (task) => this.#endings.dropped(task.origin, 'queue-full', task.device),
    })
    this.#broken = new BrokenModel({
      lanes: this.#lanes,
      blocks: this.#blocks,
      dropped: ({ origin, device }) => this.#endings.dropped(origin, 'broken', device),
    })
    this.#outlet = new Outlet({
      sink: parts.sink,
      resultTopic: parts.resultTopic,
      resultProperties: parts.resultProperties,
      versionOf: (task) => this.#versionOf(task),
      answered: (task, isError) => this.#probation?.answered(task, isError),
      idOf: this.#records.idOf,
      occasionally: this.#occasionally,
      published: (task, bytes) => this.#endings.published(task, bytes),
      spooled: (task) => this.#endings.spooled(task),
      dropped: ({ origin, device }, reason) => this.#endings.dropped(origin, reason, device),
      givenUp: ({ origin }, failure, subject) => this.#office.giveUp(origin, subject, failure),
      interrupted: ({ origin, device }) => this.#endings.interrupted(origin, device),
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
      taken: () => this.#taken(),
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
   *
   * @param options.onProbation - Whether the model has to show yet that it is good.
   */
  load(options: { readonly onProbation: boolean } = { onProbation: false }): void {
    if (options.onProbation) this.#probation?.expect()
    this.#pool.start()
  }

  /** Opens both ends. Resolves when both have begun. To be called once. */
  async connect(): Promise<void> {
    // Stopped before its turn came.
    if (this.#draining) return
    this.#records.open()
    await this.#parts.sink.start({
      state: (state) => this.#connectionChanged(this.#output, state),
      ...this.#records.disk,
    })
    // Stopped in the meantime: what is closed must not be opened again.
    if (this.#draining) return
    await this.#parts.source.start({
      message: (message) => this.#message(message),
      state: (state) => this.#connectionChanged(this.#input, state),
      sessionLost: () => this.#ledger.sessionLost(),
    })
    this.replay()
  }

  /**
   * Lets another version of the model take over without a gap: see {@link RunnerPool.swap}. Every
   * key changes over between two of its batches, once.
   *
   * @throws why it cannot be loaded; the one before goes on.
   */
  async swap(release: ModelRelease, onProbation: boolean): Promise<void> {
    await this.#pool.swap(release)
    this.#probation?.tookOver(release, onProbation)
  }

  /** Runs the dead letters again that are marked for it, soon. */
  replay(): void {
    this.#office.replay()
  }

  /**
   * Stops reading, lets what is in motion come out within `drainMs`, leaves the rest to the broker
   * (`unacknowledged`; without QoS 1 it is `stopped`), and closes everything, the source last:
   * what the sink settles while it closes is still acknowledged. Never rejects.
   */
  async stop(drainMs: number): Promise<void> {
    this.#draining = true
    this.#probation?.end()
    this.#office.drain()
    this.#parts.source.drain()
    this.#changed()
    const { clock } = this.#parts
    const end = clock.monotonic() + drainMs
    const drained = this.#drain.wait(drainMs)
    this.#noticeEmpty()
    await drained
    this.#dispatcher.close()
    const left = (): number => Math.max(end - clock.monotonic(), 0)
    await this.#pool.stop(left())
    for (const { origin, device } of this.#lanes.clear()) this.#endings.interrupted(origin, device)
    this.#office.flush()
    await this.#parts.sink.close(left())
    this.#office.close()
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
      source: this.#input.state,
      sink: this.#output.state,
      deadLetters: this.#office.problem,
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
      deadLettersWaiting: this.#office.waiting,
      runnerRestarts: this.#pool.restarts,
      runnerRecycles: this.#pool.recycles,
      reconnects: this.#input.reconnects + this.#output.reconnects,
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

  /** Of the model that it was given to; of the one that it would be given to, if it was to none. */
  #versionOf({ release }: Task): string {
    return (release ?? this.#pool.release).version
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
      sink.pending < this.#limits.queue.size &&
      this.#outlet.pendingBytes < limits.queueBytesMax &&
      !this.#office.isFull
    )
  }

  /** Replays turn no message away, and wait while something is wrong. */
  get #roomForReplays(): number {
    if (this.health.state !== 'READY') return 0
    return Math.floor(this.#limits.queue.size / 2) - this.#lanes.size
  }

  #message(message: SourceMessage): void {
    this.#ledger.received(payloadBytes(message), message.duplicate)
    const origin: MessageInMotion = {
      message,
      receivedAtMs: this.#parts.clock.monotonic(),
      entry: message.ack === undefined ? undefined : this.#records.window.open(message.ack),
      sessionsLost: this.#ledger.sessionsLost,
      replay: undefined,
      eventsLeft: 1,
    }
    this.#intake.take(origin)
  }

  #taken(): void {
    this.#admission.noticeRoom()
    this.#office.poke()
  }

  #accepted(task: Task): void {
    this.#records.suspects.meet(task)
    if (task.attempts >= this.#limits.attempts) {
      this.#records.suspects.forget([task])
      this.#outlet.givenUp(task, fatalError(task))
      return
    }
    if (this.#broken.turnsAway(task)) return
    this.#admission.admit(task)
    this.#dispatcher.poke()
  }

  /** An event is out: there may be room for another. */
  #left(): void {
    if (this.#holdsBack) this.#dispatcher.poke()
    this.#noticeEmpty()
  }

  #noticeEmpty(): void {
    if (!this.#drain.isAwaited) return
    // Without runners, what waits for them comes out no more.
    if (this.#ledger.inMotion <= this.#broken.stuck) this.#drain.finish()
  }

  #connectionChanged(record: ConnectionRecord, state: ConnectionState): void {
    record.note(state)
    this.#changed()
  }

  #poolChanged(): void {
    this.#probation?.poolChanged(this.#pool)
    if (this.#broken.note(this.#pool.state.status === 'broken')) {
      this.#admission.noticeRoom()
      this.#noticeEmpty()
    }
    this.#changed()
  }

  #changed(): void {
    this.#parts.changed(this.health)
    this.#office.poke()
  }
}
