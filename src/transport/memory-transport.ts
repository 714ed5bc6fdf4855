/** A source and a sink without a broker, for tests of what stands between them. */
import type { EdgebootError } from '../core/errors.ts'
import type {
  AckToken,
  ConnectionState,
  PublishFailure,
  Sink,
  SinkMessage,
  Source,
  SourceListener,
  SourceMessage,
} from './transport.ts'

/** Facts of a message given to {@link MemorySource.deliver}; all have a plain default. */
export type DeliverOptions = Partial<Omit<SourceMessage, 'topic' | 'payload' | 'ack'>>

/**
 * A source that a test feeds.
 *
 * Messages wait while it is not connected, paused or not yet started, and come in order
 * afterwards, as from a broker that keeps them. With QoS 1 every message carries a token;
 * acknowledgements are kept in {@link acknowledged}, those of an older connection in
 * {@link stale}.
 */
export class MemorySource implements Source {
  /** Ids of the tokens that came back in time, in the order of the acknowledgements. */
  readonly acknowledged: number[] = []
  /** Ids of the tokens that came back after their connection was lost. */
  readonly stale: number[] = []
  #listener: SourceListener | undefined
  #waiting: { readonly message: SourceMessage; readonly counted: boolean }[] = []
  #connected = true
  #paused = false
  #drained = false
  #closed = false
  #epoch = 1
  #ids = 0
  #failOnStart: Extract<ConnectionState, { reason: string }> | undefined

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
    if (this.#drained || this.#closed) return
    const message: SourceMessage = {
      topic,
      payload: typeof payload === 'string' ? Buffer.from(payload) : payload,
      qos: 0,
      retain: false,
      duplicate: false,
      receivedAt: 0,
      ...options,
    }
    this.#waiting.push({ message, counted: message.qos > 0 })
    this.#flush()
  }

  /** The connection breaks: tokens given out so far are stale from here on. */
  lose(reason: string, error?: EdgebootError): void {
    this.#connected = false
    this.#epoch += 1
    this.#listener?.state(waiting(reason, error))
  }

  /** The connection is back. */
  reconnect(): void {
    this.#connected = true
    this.#listener?.state({ status: 'connected', protocol: 'memory' })
    this.#flush()
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

  acknowledge(token: AckToken): void {
    if (this.#closed) return
    if (token.epoch === this.#epoch) this.acknowledged.push(token.id)
    else this.stale.push(token.id)
  }

  drain(): void {
    this.#drained = true
  }

  close(): Promise<void> {
    if (!this.#closed) {
      this.#closed = true
      this.#waiting = []
      this.#listener?.state({ status: 'closed', reason: 'it was closed by edgeboot' })
    }
    return Promise.resolve()
  }

  #flush(): void {
    while (this.#connected && !this.#paused && !this.#drained && this.#listener !== undefined) {
      const next = this.#waiting.shift()
      if (next === undefined) return
      const ack = next.counted ? { ack: { epoch: this.#epoch, id: ++this.#ids } } : {}
      this.#listener.message({ ...next.message, ...ack })
    }
  }
}

/** A publish that a test may settle by hand. */
export interface HeldPublish {
  readonly message: SinkMessage
  /** Ends it; only the first call counts. */
  settle(failure?: PublishFailure): void
}

/**
 * A sink that keeps what is published.
 *
 * By default everything is published at once. After {@link hold} publishes wait in {@link held}
 * until the test settles them, in any order, or calls {@link release}. {@link failNext} scripts
 * failures.
 */
export class MemorySink implements Sink {
  /** What was published with success, in order. */
  readonly published: SinkMessage[] = []
  #listener: { state(state: ConnectionState): void } | undefined
  readonly #held: HeldPublish[] = []
  #holding = false
  #failures: PublishFailure[] = []
  #closed = false
  #failOnStart: Extract<ConnectionState, { reason: string }> | undefined

  /** Makes `start` find a broker that is away: this state instead of `connected`. */
  failOnStart(reason: string, error?: EdgebootError): void {
    this.#failOnStart = waiting(reason, error)
  }

  start(listener: { state(state: ConnectionState): void }): Promise<void> {
    this.#listener = listener
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

  /** Publishes that wait, oldest first. */
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

  /** The next publishes fail for these reasons, in order. */
  failNext(...failures: readonly PublishFailure[]): void {
    this.#failures.push(...failures)
  }

  publish(message: SinkMessage, settled: (failure?: PublishFailure) => void): void {
    if (this.#closed) {
      settled('closed')
      return
    }
    const scripted = this.#failures.shift()
    if (scripted !== undefined) {
      settled(scripted)
      return
    }
    if (!this.#holding) {
      this.published.push(message)
      settled()
      return
    }
    const settle = (failure?: PublishFailure): void => {
      const index = this.#held.indexOf(held)
      if (index < 0) return
      this.#held.splice(index, 1)
      if (failure === undefined) this.published.push(message)
      settled(failure)
    }
    const held = { message, settle }
    this.#held.push(held)
  }

  /** Settles what is held as `closed`, whatever the deadline: nobody else would end the hold. */
  close(_deadlineMs: number): Promise<void> {
    if (!this.#closed) {
      this.#closed = true
      while (this.#held.length > 0) this.#held[0]?.settle('closed')
      this.#listener?.state({ status: 'closed', reason: 'it was closed by edgeboot' })
    }
    return Promise.resolve()
  }
}

function waiting(
  reason: string,
  error: EdgebootError | undefined,
): Extract<ConnectionState, { reason: string }> {
  return { status: 'waiting', reason, ...(error && { error }) }
}
