import type { SinkSettings } from '../../config/settings.ts'
import type { Clock, Timer } from '../../core/clock.ts'
import { Deque } from '../../core/deque.ts'
import type { Logger } from '../../core/log.ts'
import { isTopicTooLong } from '../../core/mqtt-topic.ts'
import type { ConnectionState, PublishFailure, Sink, SinkMessage } from '../transport.ts'
import { BrokerConnection } from './broker-connection.ts'
import type { MqttParts } from './connection-owner.ts'
import type { OutgoingPublish, Session } from './mqtt-session.ts'
import { Outbox, type OutboxBounds, type OutboxEntry } from './outbox.ts'
import { measurePublish, remainingBytesMax } from './publish-packet.ts'

/**
 * Publishes results with QoS 0. The promises are those of {@link Sink}.
 *
 * A result is settled when the operating system has its bytes. Until then it is ours: one whose
 * connection breaks first goes back to the front and is sent again, within its deadline, so it may
 * in rare cases arrive twice. `settled` may be called from within `publish`.
 */
export class MqttSink implements Sink {
  readonly #settings: SinkSettings
  readonly #clock: Clock
  readonly #log: Logger
  readonly #connection: BrokerConnection
  readonly #outbox: Outbox
  /** Given to the session and not yet written, in order. Bounded by the session's `hasRoom`. */
  #inFlight = new Deque<OutboxEntry>()
  #listener: { state(state: ConnectionState): void } | undefined
  #session: Session | undefined
  #packetBytesMax = Number.POSITIVE_INFINITY
  /** Ends the waiting of the oldest result. */
  #timer: Timer | undefined
  #closing: Promise<void> | undefined
  #emptied: (() => void) | undefined

  constructor(settings: SinkSettings, bounds: OutboxBounds, parts: MqttParts) {
    this.#settings = settings
    this.#clock = parts.clock
    this.#log = parts.log
    this.#outbox = new Outbox(bounds)
    const { broker, clientId } = settings
    this.#connection = new BrokerConnection(
      { ...parts, broker, clientId },
      {
        opened: (session, facts, ready) => {
          this.#session = session
          this.#packetBytesMax = facts.packetBytesMax ?? Number.POSITIVE_INFINITY
          ready()
          this.#send()
        },
        message: () => {},
        room: () => this.#send(),
        lost: () => this.#lost(),
        state: (state) => this.#state(state),
      },
    )
  }

  start(listener: { state(state: ConnectionState): void }): Promise<void> {
    this.#listener = listener
    this.#connection.start()
    return Promise.resolve()
  }

  get pending(): number {
    return this.#outbox.length + this.#inFlight.length
  }

  publish(message: SinkMessage, settled: (failure?: PublishFailure) => void): void {
    const deadlineAt = this.#clock.monotonic() + this.#settings.timeoutMs
    const entry: OutboxEntry = { message, settled, deadlineAt }
    if (this.#closing !== undefined) {
      this.#settle(entry, 'closed')
      return
    }
    if (this.#session?.hasRoom === true && this.#outbox.length === 0) {
      this.#sendOne(this.#session, entry)
      return
    }
    const dropped = this.#outbox.push(entry)
    this.#watchOldest()
    for (const each of dropped) this.#settle(each, 'queue-full')
  }

  close(deadlineMs: number): Promise<void> {
    this.#closing ??= this.#close(deadlineMs)
    return this.#closing
  }

  async #close(deadlineMs: number): Promise<void> {
    if (this.pending > 0) {
      await new Promise<void>((resolve) => {
        const timer = this.#clock.after(deadlineMs, resolve, { keepAlive: true })
        this.#emptied = () => {
          timer.cancel()
          resolve()
        }
      })
    }
    this.#timer?.cancel()
    // The session stops calling back as soon as it disconnects; what it had is settled below.
    this.#session = undefined
    const closed = this.#connection.close()
    const left = [...this.#inFlight, ...this.#outbox.expired(Number.POSITIVE_INFINITY)]
    this.#inFlight = new Deque()
    for (const entry of left) this.#settle(entry, 'closed')
    await closed
  }

  #send(): void {
    // Looked up each time: settling a result may end the session.
    while (this.#session?.hasRoom === true) {
      const entry = this.#outbox.shift()
      if (entry === undefined) break
      this.#sendOne(this.#session, entry)
    }
    this.#watchOldest()
  }

  #sendOne(session: Session, entry: OutboxEntry): void {
    const { topic, payload, userProperties } = entry.message
    const outgoing: OutgoingPublish = {
      topic,
      payload,
      retain: this.#settings.broker.retain,
      ...(userProperties !== undefined && { userProperties }),
    }
    if (this.#isTooLarge(outgoing)) {
      this.#settle(entry, 'too-large')
      return
    }
    this.#inFlight.push(entry)
    session.publish(outgoing, () => {
      // They are written in the order of the calls.
      const written = this.#inFlight.shift()
      if (written !== undefined) this.#settle(written)
    })
  }

  #isTooLarge(outgoing: OutgoingPublish): boolean {
    const { topic, payload } = outgoing
    if (isTopicTooLong(topic)) return true
    // The exact size is measured when it is sent; most brokers have no limit to hold it against,
    // and topic and properties cannot fill the half of MQTT's own.
    const isUnlimited = this.#packetBytesMax === Number.POSITIVE_INFINITY
    if (isUnlimited && payload.length < remainingBytesMax / 2) return false
    const measured = measurePublish(outgoing, '5')
    return (
      measured.packetBytes > this.#packetBytesMax || measured.remainingBytes > remainingBytesMax
    )
  }

  #lost(): void {
    this.#session = undefined
    this.#packetBytesMax = Number.POSITIVE_INFINITY
    this.#outbox.putBack(this.#inFlight)
    this.#inFlight = new Deque()
    this.#watchOldest()
  }

  /** Sets the timer for the oldest result; those behind it expire later. */
  #watchOldest(): void {
    const oldest = this.#outbox.oldest
    if (oldest === undefined) {
      this.#timer?.cancel()
      this.#timer = undefined
      return
    }
    const waitMs = Math.max(oldest.deadlineAt - this.#clock.monotonic(), 0)
    this.#timer ??= this.#clock.after(waitMs, () => {
      this.#timer = undefined
      const expired = this.#outbox.expired(this.#clock.monotonic())
      this.#watchOldest()
      for (const entry of expired) this.#settle(entry, 'timeout')
    })
  }

  /** Tells what became of a result. Its last act on it, so `settled` may publish the next. */
  #settle(entry: OutboxEntry, failure?: PublishFailure): void {
    try {
      entry.settled(failure)
    } catch (error) {
      const problem = error instanceof Error ? error.message : String(error)
      this.#log.error('sink.listener-threw', { problem })
    }
    if (this.#emptied !== undefined && this.pending === 0) this.#emptied()
  }

  #state(state: ConnectionState): void {
    try {
      this.#listener?.state(state)
    } catch (error) {
      const problem = error instanceof Error ? error.message : String(error)
      this.#log.error('sink.listener-threw', { problem })
    }
  }
}
