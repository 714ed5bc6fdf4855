/** A source without a broker, for tests of what stands behind it. */
import type { EdgebootError } from '../core/errors.ts'
import type {
  AckToken,
  ConnectionState,
  Source,
  SourceListener,
  SourceMessage,
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

function waiting(
  reason: string,
  error: EdgebootError | undefined,
): Extract<ConnectionState, { reason: string }> {
  return { status: 'waiting', reason, ...(error && { error }) }
}
