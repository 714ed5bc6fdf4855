/** A sink without a broker, for tests of what stands before it. */
import type { Clock } from '../core/clock.ts'
import type { EdgebootError } from '../core/errors.ts'
import type {
  ConnectionState,
  DiscardReason,
  PublishOutcome,
  SinkListener,
  SinkMessage,
  UnsettledResult,
  WithdrawableSink,
} from './transport.ts'

/** A publish that a test may settle by hand. */
export interface HeldPublish {
  readonly message: SinkMessage
  /** It was sent, and only its confirmation is missing. */
  readonly isSent: boolean
  /** From here on it counts as sent. */
  send(): void
  /** Ends it, as published by default; only the first call counts. */
  settle(outcome?: PublishOutcome): void
}

interface Unsettled extends HeldPublish, UnsettledResult {
  isSent: boolean
}

/**
 * A sink that keeps what is published.
 *
 * By default everything is published at once. After {@link hold} publishes wait in {@link held}
 * until the test settles them, in any order, or calls {@link release}; they count as waiting to be
 * sent until {@link HeldPublish.send}. {@link settleNext} scripts outcomes. What is settled as
 * `spooled` lies in {@link disk}, from where {@link forward} and {@link discard} take it.
 */
export class MemorySink implements WithdrawableSink {
  /** What was published with success, in order. */
  readonly published: SinkMessage[] = []
  /** What was `spooled` and has not left the disk, oldest first. */
  readonly disk: SinkMessage[] = []
  readonly #clock: Pick<Clock, 'monotonic'>
  #listener: SinkListener | undefined
  #held: Unsettled[] = []
  #holding = false
  #outcomes: PublishOutcome[] = []
  #closeOutcome: PublishOutcome = 'closed'
  #closed = false
  #failOnStart: Extract<ConnectionState, { reason: string }> | undefined

  /** @param clock - Tells since when results wait; without one, since 0. */
  constructor(clock: Pick<Clock, 'monotonic'> = { monotonic: () => 0 }) {
    this.#clock = clock
  }

  /** Makes `start` find a broker that is away: this state instead of `connected`. */
  failOnStart(reason: string, error?: EdgebootError): void {
    this.#failOnStart = { status: 'waiting', reason, ...(error && { error }) }
  }

  /** Puts what is already on the {@link disk} down to an earlier run. */
  start(listener: SinkListener): Promise<void> {
    this.#listener = listener
    if (this.disk.length > 0) listener.recovered(this.disk.length)
    listener.state({ status: 'connecting', reason: 'connecting to memory' })
    listener.state(this.#failOnStart ?? { status: 'connected', protocol: 'memory' })
    return Promise.resolve()
  }

  /** Tells the listener of any state. */
  tell(state: ConnectionState): void {
    this.#listener?.state(state)
  }

  get pending(): number {
    return this.#held.length
  }

  get spooled(): number {
    return this.disk.length
  }

  get waitingSince(): number | undefined {
    return this.#held[0]?.since
  }

  /** Publishes that are not settled, oldest first. */
  get held(): readonly HeldPublish[] {
    return this.#held
  }

  get isClosed(): boolean {
    return this.#closed
  }

  /** Lets publishes wait from here on. */
  hold(): void {
    this.#holding = true
  }

  /** Publishes what waits, and from here on at once. */
  release(): void {
    this.#holding = false
    while (this.#held.length > 0) this.#held[0]?.settle()
  }

  /** The next publishes end like this at once, in order, held or not. */
  settleNext(...outcomes: readonly PublishOutcome[]): void {
    this.#outcomes.push(...outcomes)
  }

  /** What is held when it is closed ends like this, instead of as `closed`. */
  settleOnClose(outcome: PublishOutcome): void {
    this.#closeOutcome = outcome
  }

  /** Publishes the oldest on the disk. */
  forward(): void {
    const message = this.disk.shift()
    if (message === undefined) return
    this.published.push(message)
    this.#listener?.forwarded(message.payload.byteLength)
  }

  /** Gives up the oldest on the disk. */
  discard(reason: DiscardReason): void {
    if (this.disk.shift() !== undefined) this.#listener?.discarded(reason, 1)
  }

  withdraw(which: 'waiting' | 'all'): readonly UnsettledResult[] {
    const taken = this.#held.filter(({ isSent }) => which === 'all' || !isSent)
    this.#held = this.#held.filter((each) => !taken.includes(each))
    return taken
  }

  publish(message: SinkMessage, settled: (outcome: PublishOutcome) => void): void {
    const scripted = this.#closed ? 'closed' : this.#outcomes.shift()
    if (scripted !== undefined || !this.#holding) {
      this.#settle(message, scripted ?? 'published', settled)
      return
    }
    const held: Unsettled = {
      message,
      settled,
      since: this.#clock.monotonic(),
      isSent: false,
      send: () => void (held.isSent = true),
      settle: (outcome = 'published') => {
        const index = this.#held.indexOf(held)
        if (index < 0) return
        this.#held.splice(index, 1)
        this.#settle(message, outcome, settled)
      },
    }
    this.#held.push(held)
  }

  /** Settles what is held, whatever the deadline: nobody else would end the hold. */
  close(_deadlineMs: number): Promise<void> {
    if (!this.#closed) {
      this.#closed = true
      while (this.#held.length > 0) this.#held[0]?.settle(this.#closeOutcome)
      this.#listener?.state({ status: 'closed', reason: 'it was closed by edgeboot' })
    }
    return Promise.resolve()
  }

  #settle(
    message: SinkMessage,
    outcome: PublishOutcome,
    settled: (outcome: PublishOutcome) => void,
  ): void {
    if (outcome === 'published') this.published.push(message)
    if (outcome === 'spooled') this.disk.push(message)
    settled(outcome)
  }
}
