/** A source and a sink without a broker, for tests of what stands between them. */
import type { Clock } from '../core/clock.ts'
import type { EdgebootError } from '../core/errors.ts'
import type {
  AckToken,
  ConnectionState,
  DiscardReason,
  PublishOutcome,
  SinkListener,
  SinkMessage,
  Source,
  SourceListener,
  SourceMessage,
  UnsettledResult,
  WithdrawableSink,
} from './transport.ts'

/** Facts of a message given to {@link MemorySource.deliver}; all have a plain default. */
export type DeliverOptions = Partial<Omit<SourceMessage, 'topic' | 'payload' | 'ack'>>

/** How a {@link MemorySource} behaves. */
export interface MemorySourceOptions {
  /** QoS 1 messages that may be out without an acknowledgement; default: any number. */
  readonly window?: number
}

/** A message that was sent and not acknowledged. */
interface SentMessage {
  readonly token: AckToken
  readonly message: SourceMessage
}

/**
 * A source that a test feeds, with the session that a broker keeps for it.
 *
 * Messages wait while it is not connected, paused, not yet started or its window is full, and come
 * in order afterwards. With QoS 1 every message carries a token; one that was not acknowledged
 * when the connection broke comes again, marked as a duplicate, before those that had not been
 * sent. What is left when it is closed goes to the next source of the session: see
 * {@link MemorySource.successor}.
 */
export class MemorySource implements Source {
  /** Ids of the tokens that came back in time, in the order of the acknowledgements. */
  readonly acknowledged: number[] = []
  /** Ids of the tokens that came back after their connection was lost. */
  readonly stale: number[] = []
  readonly #windowMax: number
  #listener: SourceListener | undefined
  /** What the broker has not sent on this connection, in order. */
  #waiting: SourceMessage[] = []
  /** What it sent on this connection and waits for, in order. */
  #sent: SentMessage[] = []
  #connected = true
  #paused = false
  #drained = false
  #closed = false
  #flushing = false
  #epoch = 1
  #ids = 0
  #failOnStart: Extract<ConnectionState, { reason: string }> | undefined

  constructor(options: MemorySourceOptions = {}) {
    this.#windowMax = options.window ?? Infinity
  }

  /** Makes `start` find a broker that is away: this state instead of `connected`. */
  failOnStart(reason: string, error?: EdgebootError): void {
    this.#connected = false
    this.#failOnStart = waiting(reason, error)
  }

  start(listener: SourceListener): Promise<void> {
    this.#listener = listener
    listener.state({ status: 'connecting', reason: 'connecting to memory' })
    listener.state(this.#failOnStart ?? { status: 'connected', protocol: 'memory' })
    this.#flush()
    return Promise.resolve()
  }

  /** A message from the broker. Text is sent as UTF-8. */
  deliver(topic: string, payload: Uint8Array | string, options: DeliverOptions = {}): void {
    const message: SourceMessage = {
      topic,
      payload: typeof payload === 'string' ? Buffer.from(payload) : payload,
      qos: 0,
      retain: false,
      duplicate: false,
      receivedAt: 0,
      ...options,
    }
    // Nobody keeps QoS 0 for one who is leaving.
    if (message.qos === 0 && (this.#drained || this.#closed)) return
    this.#waiting.push(message)
    this.#flush()
  }

  /** The connection breaks: tokens given out so far are stale from here on. */
  lose(reason: string, error?: EdgebootError): void {
    this.#connected = false
    this.#takeBack()
    this.#listener?.state(waiting(reason, error))
  }

  /** The connection is back, and with it what was not acknowledged. */
  reconnect(): void {
    this.#connected = true
    this.#listener?.state({ status: 'connected', protocol: 'memory' })
    this.#flush()
  }

  /** The broker forgets the session while the connection is away: what it kept is gone. */
  loseSession(): void {
    this.#waiting = this.#waiting.filter(({ qos }) => qos === 0)
    this.#listener?.sessionLost()
  }

  /** The next source of this session, once this one is closed or has died: it gets what is left. */
  successor(): MemorySource {
    this.#takeBack()
    this.#closed = true
    const next = new MemorySource({ window: this.#windowMax })
    next.#waiting = this.#waiting.splice(0)
    return next
  }

  /** QoS 1 messages of the session that the broker still has, sent or not, oldest first. */
  get kept(): readonly SourceMessage[] {
    return [
      ...this.#sent.map(({ message }) => message),
      ...this.#waiting.filter(({ qos }) => qos > 0),
    ]
  }

  /** QoS 1 messages sent on this connection and not acknowledged. */
  get unacknowledged(): number {
    return this.#sent.length
  }

  get isPaused(): boolean {
    return this.#paused
  }

  get isDrained(): boolean {
    return this.#drained
  }

  get isClosed(): boolean {
    return this.#closed
  }

  pause(): void {
    this.#paused = true
  }

  resume(): void {
    this.#paused = false
    this.#flush()
  }

  /** @throws Error when it is called out of order, or twice: this is for tests. */
  acknowledge(token: AckToken): void {
    if (this.#closed) return
    if (token.epoch !== this.#epoch) {
      this.stale.push(token.id)
      return
    }
    const oldest = this.#sent.shift()
    if (oldest?.token.id !== token.id) {
      throw new Error(`acknowledged ${token.id}, but ${oldest?.token.id} is the oldest`)
    }
    this.acknowledged.push(token.id)
    this.#flush()
  }

  drain(): void {
    this.#drained = true
  }

  close(): Promise<void> {
    if (!this.#closed) {
      this.#takeBack()
      this.#closed = true
      this.#waiting = this.#waiting.filter(({ qos }) => qos > 0)
      this.#listener?.state({ status: 'closed', reason: 'it was closed by edgeboot' })
    }
    return Promise.resolve()
  }

  /** Ends an epoch: what was sent in it and not acknowledged is to be sent again. */
  #takeBack(): void {
    this.#epoch += 1
    const again = this.#sent.splice(0).map(({ message }) => ({ ...message, duplicate: true }))
    this.#waiting.unshift(...again)
  }

  #flush(): void {
    // An acknowledgement from within `message` makes room for the next: it comes from this loop.
    if (this.#flushing) return
    this.#flushing = true
    while (this.#listener !== undefined && this.#maySend) {
      const next = this.#waiting.shift()
      if (next === undefined) break
      if (next.qos === 0) {
        this.#listener.message(next)
        continue
      }
      const token = { epoch: this.#epoch, id: ++this.#ids }
      this.#sent.push({ token, message: next })
      this.#listener.message({ ...next, ack: token })
    }
    this.#flushing = false
  }

  get #maySend(): boolean {
    if (!this.#connected || this.#paused || this.#drained || this.#closed) return false
    return this.#sent.length < this.#windowMax
  }
}

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
    this.#failOnStart = waiting(reason, error)
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

function waiting(
  reason: string,
  error: EdgebootError | undefined,
): Extract<ConnectionState, { reason: string }> {
  return { status: 'waiting', reason, ...(error && { error }) }
}
