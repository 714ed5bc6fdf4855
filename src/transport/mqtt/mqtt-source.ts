import type { SourceSettings } from '../../config/settings.ts'
import type { Logger } from '../../core/log.ts'
import type {
  AckToken,
  ConnectionState,
  Source,
  SourceListener,
  SourceMessage,
} from '../transport.ts'
import { BrokerConnection } from './broker-connection.ts'
import type { MqttParts, Ready } from './connection-owner.ts'
import type { Session } from './mqtt-session.ts'

/**
 * Receives the messages of one topic filter with QoS 0 in a clean session. The promises are those
 * of {@link Source}; `pause` reaches the broker as TCP back-pressure, so what waits stays there.
 */
export class MqttSource implements Source {
  readonly #settings: SourceSettings
  readonly #log: Logger
  readonly #connection: BrokerConnection
  #listener: SourceListener | undefined
  #session: Session | undefined
  #paused = false
  #drained = false

  constructor(settings: SourceSettings, parts: MqttParts) {
    this.#settings = settings
    this.#log = parts.log
    const { broker, clientId } = settings
    this.#connection = new BrokerConnection(
      { ...parts, broker, clientId },
      {
        opened: (session, _facts, ready) => this.#opened(session, ready),
        message: (message) => this.#message(message),
        room: () => {},
        lost: () => {
          this.#session = undefined
        },
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
    this.#session?.pause()
  }

  resume(): void {
    this.#paused = false
    if (!this.#drained) this.#session?.resume()
  }

  /** Nothing to do: with QoS 0 no message carries a token. */
  acknowledge(_token: AckToken): void {}

  drain(): void {
    this.#drained = true
    // What the broker still has stays there: with QoS 0 nobody could settle it any more.
    this.#session?.pause()
  }

  close(): Promise<void> {
    this.#drained = true
    return this.#connection.close()
  }

  #opened(session: Session, ready: Ready): void {
    this.#session = session
    if (this.#paused || this.#drained) session.pause()
    const { topic, retained } = this.#settings
    session.subscribe(topic, { retained }, (code) => ready({ filter: topic, code }))
  }

  #message(message: SourceMessage): void {
    if (this.#drained) return
    try {
      this.#listener?.message(message)
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
}
