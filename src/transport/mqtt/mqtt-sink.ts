import type { SinkSettings } from '../../config/settings.ts'
import type { Clock, Timer } from '../../core/clock.ts'
import type { Logger } from '../../core/log.ts'
import { isTopicTooLong } from '../../core/mqtt-topic.ts'
import { OccasionalLog } from '../../core/occasional-log.ts'
import type {
  ConnectionState,
  PublishOutcome,
  SinkListener,
  SinkMessage,
  UnsettledResult,
  WithdrawableSink,
} from '../transport.ts'
import { BrokerConnection } from './broker-connection.ts'
import type { ConnectionFacts, MqttParts } from './connection-owner.ts'
import { InFlight } from './in-flight.ts'
import type { OutgoingPublish, Session } from './mqtt-session.ts'
import { Outbox, type OutboxBounds, type OutboxEntry } from './outbox.ts'
import { measurePublish, remainingBytesMax } from './publish-packet.ts'
import { publishVerdict, reasonWords } from './reason-codes.ts'
import { RefusalBackoff } from './refusal-backoff.ts'

/** A publisher receives nothing, so it leaves the standard's own number. */
const receiveMaximum = 65_535

/** With QoS 1 whoever publishes keeps the bounds; nothing is dropped for want of room. */
const unbounded: OutboxBounds = {
  itemsMax: Number.POSITIVE_INFINITY,
  bytesMax: Number.POSITIVE_INFINITY,
  whenFull: 'block',
}

/**
 * Publishes results. The promises are those of {@link WithdrawableSink}.
 *
 * With QoS 0 a result is settled when the operating system has its bytes, with QoS 1 when the
 * broker has answered it. Until then it is ours: one whose connection breaks first goes back to
 * the front and is sent again (within its deadline with QoS 0; marked as a duplicate with QoS 1),
 * so it may arrive twice. The session is always clean: nothing in a broker's session helps a
 * publisher, since what is not confirmed is here. One that the broker refuses for now goes back to
 * its place too, see {@link RefusalBackoff}. `settled` may be called from within `publish`.
 */
export class MqttSink implements WithdrawableSink {
  readonly #settings: SinkSettings
  readonly #clock: Clock
  readonly #log: Logger
  readonly #occasionalLog: OccasionalLog
  readonly #connection: BrokerConnection
  readonly #outbox: Outbox
  /** Given to the session and not yet answered. Bounded by the session's `hasRoom`. */
  readonly #inFlight = new InFlight()
  readonly #backoff: RefusalBackoff
  #listener: SinkListener | undefined
  #session: Session | undefined
  #facts: ConnectionFacts | undefined
  /** What the broker lets us publish with. */
  #qos: 0 | 1
  #retain: boolean
  #published = 0
  #toldOfLimits = new Set<string>()
  /** Ends the waiting of the oldest result. */
  #timer: Timer | undefined
  #closing: Promise<void> | undefined
  #emptied: (() => void) | undefined

  constructor(settings: SinkSettings, bounds: OutboxBounds, parts: MqttParts) {
    this.#settings = settings
    this.#clock = parts.clock
    this.#log = parts.log
    this.#occasionalLog = new OccasionalLog(parts.log, parts.clock)
    this.#outbox = new Outbox(settings.qos === 0 ? bounds : unbounded)
    this.#backoff = new RefusalBackoff(parts.clock, parts.random, () => this.#send())
    const { broker, clientId, qos } = settings
    this.#qos = qos
    this.#retain = broker.retain
    this.#connection = new BrokerConnection(
      { ...parts, broker, clientId, keptForSeconds: 0, receiveMaximum },
      {
        opened: (session, facts, ready) => {
          this.#opened(session, facts)
          ready()
          this.#send()
        },
        message: () => {},
        room: () => this.#send(),
        isReading: () => true,
        lost: () => this.#lost(),
        state: (state) => this.#state(state),
      },
    )
  }

  start(listener: SinkListener): Promise<void> {
    this.#listener = listener
    this.#connection.start()
    return Promise.resolve()
  }

  get pending(): number {
    return this.#outbox.length + this.#inFlight.size
  }

  /** Nothing goes to the disk from here. */
  get spooled(): number {
    return 0
  }

  get waitingSince(): number | undefined {
    const sent = this.#inFlight.oldest?.since ?? Number.POSITIVE_INFINITY
    const waiting = this.#outbox.oldest?.since ?? Number.POSITIVE_INFINITY
    const since = Math.min(sent, waiting)
    return since === Number.POSITIVE_INFINITY ? undefined : since
  }

  publish(message: SinkMessage, settled: (outcome: PublishOutcome) => void): void {
    const since = this.#clock.monotonic()
    const { qos, timeoutMs } = this.#settings
    const deadlineAt = qos === 0 ? since + timeoutMs : Number.POSITIVE_INFINITY
    const sequence = this.#published++
    const entry = { message, settled, since, sequence, deadlineAt, mayHaveArrived: false }
    if (this.#closing !== undefined) {
      this.#settle(entry, 'closed')
      return
    }
    if (this.#session !== undefined && this.#maySend && this.#outbox.length === 0) {
      this.#sendOne(this.#session, entry)
      return
    }
    const dropped = this.#outbox.push(entry)
    this.#watchOldest()
    for (const each of dropped) this.#settle(each, 'queue-full')
  }

  withdraw(which: 'waiting' | 'all'): readonly UnsettledResult[] {
    return this.#withdraw(which)
  }

  #withdraw(which: 'waiting' | 'all'): readonly OutboxEntry[] {
    if (which === 'all') this.#outbox.putBack(this.#inFlight.takeAll())
    const withdrawn = this.#outbox.takeAll()
    this.#watchOldest()
    this.#tellEmptied()
    return withdrawn
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
    this.#backoff.reset()
    // The session stops calling back as soon as it disconnects; what it had is settled below.
    this.#session = undefined
    const closed = this.#connection.close()
    for (const entry of this.#withdraw('all')) this.#settle(entry, 'closed')
    await closed
  }

  get #maySend(): boolean {
    return this.#session?.hasRoom === true && this.#backoff.maySend
  }

  #opened(session: Session, facts: ConnectionFacts): void {
    this.#session = session
    this.#facts = facts
    const { qos, broker } = this.#settings
    this.#qos = facts.qosMax === 0 ? 0 : qos
    this.#retain = broker.retain && facts.retainAvailable
    if (this.#qos < qos) {
      this.#tellOfLimit('broker.qos-lowered', {
        meaning: 'the broker takes QoS 0 only: results on their way are lost when it fails',
        fix: 'let the broker allow QoS 1, or set qos: 0 to say that this is meant',
      })
    }
    if (this.#retain !== broker.retain) {
      this.#tellOfLimit('broker.retain-unavailable', {
        meaning: 'the broker keeps no messages: results are published without the retain flag',
        fix: 'let the broker allow retained messages, or set retain: false',
      })
    }
  }

  #send(): void {
    // Looked up each time: settling a result may end the session.
    while (this.#session !== undefined && this.#maySend) {
      const entry = this.#outbox.shift()
      if (entry === undefined) break
      this.#sendOne(this.#session, entry)
    }
    this.#watchOldest()
  }

  #sendOne(session: Session, entry: OutboxEntry): void {
    const { topic, payload, userProperties, sharedProperties } = entry.message
    const outgoing: OutgoingPublish = {
      topic,
      payload,
      qos: this.#qos,
      retain: this.#retain,
      duplicate: this.#qos === 1 && entry.mayHaveArrived,
      userProperties,
      sharedProperties,
    }
    if (this.#isTooLarge(outgoing)) {
      this.#settle(entry, 'too-large')
      return
    }
    this.#inFlight.add(entry)
    this.#backoff.sent(entry)
    session.publish(outgoing, (code) => this.#answered(entry, code))
  }

  #answered(entry: OutboxEntry, code: number): void {
    const verdict = publishVerdict(code)
    // False when it was withdrawn meanwhile; what the broker says of itself holds all the same.
    const isOurs = this.#inFlight.delete(entry)
    if (verdict === 'again') {
      this.#backoff.refused()
      if (isOurs) this.#refusedForNow(entry, code)
      return
    }
    if (isOurs) this.#answeredForGood(entry, verdict, code)
    this.#backoff.answered(entry)
  }

  #refusedForNow(entry: OutboxEntry, code: number): void {
    this.#outbox.putBack([entry])
    this.#occasionalLog.write('warn', 'result.refused-for-now', `again/${code}`, () => ({
      ...this.#refusal(entry, code),
      meaning: 'the broker has no room for it now: it is sent again, and the others wait behind it',
    }))
  }

  #answeredForGood(entry: OutboxEntry, verdict: 'published' | 'refused', code: number): void {
    if (verdict === 'refused') {
      this.#occasionalLog.write('error', 'result.refused', `refused/${code}`, () => ({
        ...this.#refusal(entry, code),
        meaning: 'the broker will not take this result: it is counted as refused',
        fix: "check the topic and the broker's access rules for this user",
      }))
    }
    this.#settle(entry, verdict)
  }

  #refusal(entry: OutboxEntry, code: number): Readonly<Record<string, unknown>> {
    const { broker, clientId } = this.#settings
    const reason = reasonWords(code, { clientId, protocol: this.#facts?.protocol ?? '5' })
    return { broker: broker.name, topic: entry.message.topic, reasonCode: code, reason }
  }

  #isTooLarge(outgoing: OutgoingPublish): boolean {
    const { topic, payload } = outgoing
    if (isTopicTooLong(topic)) return true
    // The exact size is measured when it is sent; most brokers have no limit to hold it against,
    // and topic and properties cannot fill the half of MQTT's own.
    const packetBytesMax = this.#facts?.packetBytesMax ?? Number.POSITIVE_INFINITY
    const isUnlimited = packetBytesMax === Number.POSITIVE_INFINITY
    if (isUnlimited && payload.length < remainingBytesMax / 2) return false
    const measured = measurePublish(outgoing, this.#facts?.protocol ?? '5')
    return measured.packetBytes > packetBytesMax || measured.remainingBytes > remainingBytesMax
  }

  #lost(): void {
    this.#session = undefined
    this.#facts = undefined
    this.#backoff.reset()
    const unanswered = this.#inFlight.takeAll()
    if (this.#qos === 1) for (const entry of unanswered) entry.mayHaveArrived = true
    this.#outbox.putBack(unanswered)
    this.#watchOldest()
  }

  /** Sets the timer for the oldest result; those behind it expire later. With QoS 1 none does. */
  #watchOldest(): void {
    if (this.#settings.qos === 1) return
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
  #settle(entry: OutboxEntry, outcome: PublishOutcome): void {
    try {
      entry.settled(outcome)
    } catch (error) {
      this.#threw(error)
    }
    this.#tellEmptied()
  }

  #tellEmptied(): void {
    if (this.#emptied !== undefined && this.pending === 0) this.#emptied()
  }

  #state(state: ConnectionState): void {
    try {
      this.#listener?.state(state)
    } catch (error) {
      this.#threw(error)
    }
  }

  #threw(error: unknown): void {
    const problem = error instanceof Error ? error.message : String(error)
    this.#log.error('sink.listener-threw', { problem })
  }

  /** Once: it will say the same with every connection. */
  #tellOfLimit(event: string, words: { readonly meaning: string; readonly fix: string }): void {
    if (this.#toldOfLimits.has(event)) return
    this.#toldOfLimits.add(event)
    const { broker, clientId } = this.#settings
    this.#log.warn(event, { broker: broker.name, clientId, ...words })
  }
}
