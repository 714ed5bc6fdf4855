import type { SpoolSettings } from '../../config/settings.ts'
import type { Clock, Timer } from '../../core/clock.ts'
import type { Logger } from '../../core/log.ts'
import type {
  ConnectionState,
  PublishOutcome,
  Sink,
  SinkListener,
  SinkMessage,
  WithdrawableSink,
} from '../transport.ts'
import { SpoolBacklog } from './spool-backlog.ts'
import { hasSpoolFile } from './spool-file.ts'
import type { SpoolStore } from './spool-store.ts'
import { SqliteSpool } from './sqlite-spool.ts'

/** What a spooling sink needs from around it. */
export interface SpoolingSinkParts {
  /** Sends the results. Nobody else may use it. */
  readonly inner: WithdrawableSink
  readonly settings: SpoolSettings
  readonly clock: Clock
  readonly log: Logger
  /** How long a result may wait for the broker in memory, milliseconds. */
  readonly timeoutMs: number
  /** How many may. */
  readonly itemsMax: number
  /** Opens the store, or makes it; called when it is first needed. Default: the file of the settings. */
  readonly openStore?: () => SpoolStore
  /** Whether an earlier run left one: then it is opened at start. Default: whether there is the file. */
  readonly hasStore?: () => boolean
  /** Source in [0, 1). */
  readonly random?: () => number
}

/** How often it is looked after what waits. */
const watchMs = 250
/** What waits this long while the broker is away, or takes no more, goes to the disk. */
const patienceMs = 1000
/** How often the deadline is looked at when closing. */
const closeWatchMs = 10

/**
 * Keeps results on the disk while the broker is away or too slow. The promises are those of
 * {@link Sink}, and one more: with a disk that works, every result is `published` or `spooled`
 * within a second and `timeoutMs`.
 *
 * Normal traffic goes straight to the inner sink: no disk, no closure, one comparison. Once the
 * oldest unsettled result has waited for `timeoutMs`, or for a second while the broker is away or
 * `itemsMax` wait, what is there is taken back from the inner sink and written to the disk, and so
 * is everything new, in groups. When the broker is back, the disk is forwarded in order; what comes
 * meanwhile queues up behind it, until everything on the disk has been handed to the inner sink.
 *
 * A disk that takes nothing drops nothing: results stay unsettled, in memory, and whoever publishes
 * has to stop at some point. It is tried again with backoff, and when the broker returns what waits
 * goes there without the disk.
 */
export class SpoolingSink implements Sink {
  readonly #parts: SpoolingSinkParts
  readonly #inner: WithdrawableSink
  readonly #backlog: SpoolBacklog
  #listener: SinkListener | undefined
  /** Nothing waits outside of the inner sink: what comes goes straight there. */
  #isStraight = true
  #isConnected = false
  #state: ConnectionState | undefined
  #toldReason: string | undefined
  #timer: Timer | undefined
  #dueAt = 0
  #isClosing = false
  #closed: Promise<void> | undefined

  constructor(parts: SpoolingSinkParts) {
    this.#parts = parts
    this.#inner = parts.inner
    const { settings, clock, log } = parts
    this.#backlog = new SpoolBacklog({
      openStore: () => new SqliteSpool({ file: settings.file, clock, log }),
      hasStore: () => hasSpoolFile(settings.file),
      random: Math.random,
      ...parts,
      wake: (delayMs) => this.#wake(delayMs),
      forwarded: (bytes) => this.#tell((listener) => listener.forwarded(bytes)),
      discarded: (reason, results) => this.#tell((listener) => listener.discarded(reason, results)),
      recovered: (results) => this.#tell((listener) => listener.recovered(results)),
    })
  }

  async start(listener: SinkListener): Promise<void> {
    this.#listener = listener
    this.#backlog.start()
    this.#isStraight = this.#backlog.isEmpty
    await this.#inner.start({
      state: (state) => this.#stateChanged(state),
      recovered: (results) => listener.recovered(results),
      forwarded: (bytes) => listener.forwarded(bytes),
      discarded: (reason, results) => listener.discarded(reason, results),
    })
    this.#wake(0)
  }

  get pending(): number {
    return this.#inner.pending + this.#backlog.unsettled - this.#backlog.forwarding
  }

  get spooled(): number {
    return this.#backlog.spooled
  }

  publish(message: SinkMessage, settled: (outcome: PublishOutcome) => void): void {
    if (this.#isStraight) {
      this.#inner.publish(message, settled)
      if (this.#timer === undefined) this.#wake(watchMs)
    } else if (!this.#isClosing) {
      this.#backlog.gather({ message, settled, since: this.#parts.clock.monotonic() })
    } else {
      settled('closed')
    }
  }

  close(deadlineMs: number): Promise<void> {
    this.#closed ??= this.#close(deadlineMs)
    return this.#closed
  }

  async #close(deadlineMs: number): Promise<void> {
    const { clock } = this.#parts
    const endAt = clock.monotonic() + deadlineMs
    this.#isClosing = true
    this.#isStraight = false
    this.#backlog.stopForwarding()
    for (;;) {
      this.#turn()
      // What cannot be sent now is safe sooner on the disk than after the deadline.
      const isWaiting =
        this.#backlog.unsettled > 0 || (this.#isConnected && this.#inner.pending > 0)
      const leftMs = endAt - clock.monotonic()
      if (!isWaiting || leftMs <= 0) break
      await new Promise<void>((resolve) => {
        clock.after(Math.min(closeWatchMs, leftMs), resolve, { keepAlive: true })
      })
    }
    this.#timer?.cancel()
    this.#timer = undefined
    this.#backlog.withdrawAll()
    this.#backlog.finish()
    await this.#inner.close(Math.max(endAt - clock.monotonic(), 0))
    this.#backlog.close()
  }

  #wake(delayMs: number): void {
    const { clock } = this.#parts
    const dueAt = clock.monotonic() + delayMs
    if (this.#timer !== undefined) {
      if (this.#dueAt <= dueAt) return
      this.#timer.cancel()
    }
    this.#dueAt = dueAt
    this.#timer = clock.after(delayMs, () => {
      this.#timer = undefined
      this.#turn()
    })
  }

  /** Everything happens in here, at its own pace, and not within what others call. */
  #turn(): void {
    const backlog = this.#backlog
    if (this.#inner.pending === 0) backlog.widen()
    this.#judge()
    backlog.move(this.#isConnected)
    if (!this.#isClosing) {
      const isStraight = backlog.isEmpty
      if (isStraight && !this.#isStraight)
        this.#parts.log.info('spool.straight', { spooled: backlog.spooled })
      this.#isStraight = isStraight
    }
    this.#tellState()
    if (
      !this.#isStraight ||
      this.#inner.pending > 0 ||
      backlog.spooled > 0 ||
      backlog.problem !== undefined
    ) {
      this.#wake(watchMs)
    }
  }

  /** Takes results back from the inner sink when they have waited there for too long. */
  #judge(): void {
    const backlog = this.#backlog
    const since = this.#inner.waitingSince
    if (since === undefined) {
      if (backlog.hasFailed) backlog.withdrawAll()
      return
    }
    const waitedMs = this.#parts.clock.monotonic() - since
    if (waitedMs >= this.#parts.timeoutMs) {
      this.#engage('timeout', waitedMs)
      backlog.withdrawAll()
      backlog.probe()
    } else if (backlog.hasFailed) {
      backlog.withdrawAll()
    } else if (!this.#isConnected && (waitedMs >= patienceMs || !this.#isStraight)) {
      this.#engage('broker away', waitedMs)
      backlog.withdrawAll()
    } else if (
      this.#inner.pending >= this.#parts.itemsMax &&
      waitedMs >= patienceMs &&
      backlog.forwarding === 0
    ) {
      this.#engage('broker slow', waitedMs)
      backlog.withdrawWaiting()
    }
  }

  #engage(why: string, waitedMs: number): void {
    if (!this.#isStraight) return
    this.#isStraight = false
    const fields = { why, waitedMs: Math.round(waitedMs), pending: this.#inner.pending }
    this.#parts.log.info('spool.engaged', { ...fields, file: this.#parts.settings.file })
  }

  #stateChanged(state: ConnectionState): void {
    const wasConnected = this.#isConnected
    this.#state = state
    this.#isConnected = state.status === 'connected'
    this.#toldReason = undefined
    this.#tellState()
    if (this.#isConnected !== wasConnected) {
      if (this.#isConnected) this.#backlog.retryNow()
      // The inner sink may be in the middle of something.
      if (!this.#isClosing) this.#wake(0)
    }
  }

  /** Adds what is wrong with the disk to why the broker is away: together they stop the pipeline. */
  #tellState(): void {
    const state = this.#state
    if (state === undefined) return
    const problem = this.#backlog.problem
    const reason = problem ?? ''
    if (this.#toldReason === reason) return
    this.#toldReason = reason
    const told =
      state.status === 'connected' || problem === undefined
        ? state
        : { ...state, reason: `${state.reason}; ${problem}` }
    this.#tell((listener) => listener.state(told))
  }

  #tell(tell: (listener: SinkListener) => void): void {
    if (this.#listener === undefined) return
    try {
      tell(this.#listener)
    } catch (error) {
      const problem = error instanceof Error ? error.message : String(error)
      this.#parts.log.error('sink.listener-threw', { problem })
    }
  }
}
