import type { SourceSettings } from '../../config/settings.ts'
import type { Logger } from '../../core/log.ts'
import { topicMatcher } from '../../core/mqtt-topic.ts'
import type {
  AckToken,
  ConnectionState,
  Source,
  SourceListener,
  SourceMessage,
} from '../transport.ts'
import { parseBrokerAddress } from './broker-address.ts'
import { BrokerConnection } from './broker-connection.ts'
import type { ConnectionFacts, MqttParts, Ready } from './connection-owner.ts'
import { KeptSession } from './kept-session.ts'
import type { Session } from './mqtt-session.ts'
import { ReceiveWindow } from './receive-window.ts'

/**
 * Receives the messages of one topic filter. The promises are those of {@link Source}; `pause`
 * reaches the broker as TCP back-pressure, so what waits stays there.
 *
 * With QoS 0 the session is clean. With QoS 1 the broker keeps it while we are away, and every
 * message stays with the broker until it is acknowledged: what is not comes again, marked as a
 * duplicate, with the next connection (MQTT 5.0, 4.4).
 */
export class MqttSource implements Source {
  readonly #settings: SourceSettings
  readonly #log: Logger
  readonly #connection: BrokerConnection
  readonly #kept: KeptSession
  readonly #window: ReceiveWindow
  readonly #matches: (topic: string) => boolean
  #listener: SourceListener | undefined
  #session: Session | undefined
  #facts: ConnectionFacts | undefined
  /** Messages of this connection may be for subscriptions that are gone. */
  #mayBeStray = false
  #toldOfExcess = false
  #toldOfLowerQos = false
  /** The seconds granted, when that was told: it is so with every connection. */
  #toldOfExpiry: number | undefined
  #paused = false
  #drained = false

  constructor(settings: SourceSettings, parts: MqttParts) {
    this.#settings = settings
    this.#log = parts.log
    const { broker, clientId, qos, sessionExpirySeconds, window } = settings
    this.#kept = new KeptSession(settings, parseBrokerAddress(broker.url).text, parts.log)
    this.#window = new ReceiveWindow(window)
    this.#matches = topicMatcher(settings.topic)
    const keptForSeconds = qos === 1 ? sessionExpirySeconds : 0
    this.#connection = new BrokerConnection(
      { ...parts, broker, clientId, keptForSeconds, receiveMaximum: window },
      {
        opened: (session, facts, ready) => this.#opened(session, facts, ready),
        message: (message) => this.#message(message),
        room: () => {},
        isReading: () => this.#isReading,
        lost: () => this.#lost(),
        state: (state) => this.#state(state),
      },
    )
  }

  start(listener: SourceListener): Promise<void> {
    this.#listener = listener
    this.#connection.start()
    return Promise.resolve()
  }

  pause(): void {
    this.#paused = true
    this.#steer()
  }

  resume(): void {
    this.#paused = false
    this.#steer()
  }

  acknowledge(token: AckToken): void {
    // The broker sends again what an older connection left, under ids of its own.
    if (token.epoch !== this.#facts?.epoch) return
    this.#session?.acknowledge(token.id)
    this.#window.acknowledged()
    if (this.#window.isFull) this.#release()
  }

  drain(): void {
    this.#drained = true
    // What the broker still has stays there.
    this.#steer()
  }

  async close(): Promise<void> {
    this.#drained = true
    // The session writes what was acknowledged before it says goodbye.
    const closed = this.#connection.close()
    this.#lost()
    await closed
    await this.#kept.close()
  }

  get #isReading(): boolean {
    return !this.#paused && !this.#drained && !this.#window.isFull
  }

  #steer(): void {
    if (this.#isReading) this.#session?.resume()
    else this.#session?.pause()
  }

  #opened(session: Session, facts: ConnectionFacts, ready: Ready): void {
    this.#session = session
    this.#facts = facts
    const { qos, topic } = this.#settings
    this.#mayBeStray = qos === 1 && facts.sessionPresent && !/^(\$share\/[^/]+\/)?#$/.test(topic)
    if (!this.#isReading) session.pause()
    if (qos === 0) {
      this.#kept.forget()
      this.#subscribe(session, facts, ready)
      return
    }
    this.#checkExpiry(facts)
    const isCurrent = (): boolean => this.#session === session
    void this.#kept
      .prepare(session, facts, isCurrent, () => this.#tellOfLoss())
      .then(() => {
        if (isCurrent()) this.#subscribe(session, facts, ready)
      })
  }

  /** After every CONNACK: it costs nothing, and mends a session whose subscription is gone. */
  #subscribe(session: Session, facts: ConnectionFacts, ready: Ready): void {
    const { topic, qos, retained } = this.#settings
    const whichKept = facts.sessionPresent ? 'new' : 'all'
    const options = { qos, retained: retained ? whichKept : 'none' } as const
    session.subscribe(topic, options, (code) => {
      if (code < 128) {
        this.#kept.subscribed()
        // A broker that takes nothing above QoS 0 has nothing above it to send.
        const granted = Math.min(code, facts.qosMax)
        if (granted < qos) this.#tellOfLowerQos(granted)
      }
      ready({ filter: topic, code })
    })
  }

  #lost(): void {
    this.#session = undefined
    this.#facts = undefined
    this.#toldOfExcess = false
    this.#window.clear()
  }

  #message(message: SourceMessage): void {
    if (this.#drained) return
    const isStray = this.#mayBeStray && !this.#matches(message.topic)
    const told = isStray ? { ...message, stray: true } : message
    if (this.#window.admit(told)) {
      this.#pass(told)
      return
    }
    this.#session?.pause()
    this.#tellOfExcess()
  }

  /** Passes on what came beyond the window, and reads again when there is room. */
  #release(): void {
    if (this.#drained) return
    for (;;) {
      const message = this.#window.release()
      if (message === undefined) break
      this.#pass(message)
    }
    this.#steer()
  }

  #pass(message: SourceMessage): void {
    try {
      this.#listener?.message(message)
    } catch (error) {
      this.#threw(error)
    }
  }

  #tellOfLoss(): void {
    try {
      this.#listener?.sessionLost()
    } catch (error) {
      this.#threw(error)
    }
  }

  #state(state: ConnectionState): void {
    try {
      this.#listener?.state(state)
    } catch (error) {
      this.#threw(error)
    }
  }

  /** A listener must not throw; one that does must not take the connection with it. */
  #threw(error: unknown): void {
    const problem = error instanceof Error ? error.message : String(error)
    this.#log.error('source.listener-threw', { topic: this.#settings.topic, problem })
  }

  #tellOfLowerQos(granted: number): void {
    if (this.#toldOfLowerQos) return
    this.#toldOfLowerQos = true
    const { broker, clientId, topic, qos } = this.#settings
    this.#log.warn('broker.qos-lowered', {
      broker: broker.name,
      clientId,
      topic,
      asked: qos,
      granted,
      meaning: 'the broker sends these messages once and forgets them: a failure here loses them',
      fix: 'let the broker allow QoS 1 for this user and topic',
    })
  }

  /** MQTT 5.0, 3.2.2.3.2: the broker may keep the session for a shorter time than asked. */
  #checkExpiry({ keptForSeconds: granted }: ConnectionFacts): void {
    const { broker, clientId, sessionExpirySeconds: asked } = this.#settings
    const isLower = granted < asked
    if (isLower && granted !== this.#toldOfExpiry) {
      this.#log.warn('broker.expiry-lowered', {
        broker: broker.name,
        clientId,
        askedSeconds: asked,
        grantedSeconds: granted,
        meaning:
          'the broker keeps the session for a shorter time than asked: when edgeboot is away for ' +
          'longer than that, messages are lost',
        fix: 'let the broker keep sessions for longer',
      })
    }
    this.#toldOfExpiry = isLower ? granted : undefined
  }

  #tellOfExcess(): void {
    if (this.#toldOfExcess || this.#facts?.protocol !== '5') return
    this.#toldOfExcess = true
    const { broker, clientId, window } = this.#settings
    this.#log.info('broker.receive-maximum-exceeded', {
      broker: broker.name,
      clientId,
      window,
      meaning:
        'the broker sends more messages without an acknowledgement than it was asked to; ' +
        'edgeboot stops reading instead, and nothing is lost',
    })
  }
}
