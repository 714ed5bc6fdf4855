/** What lies between a connection to a broker and the source or sink above it. */
import type { BrokerSettings } from '../../config/settings.ts'
import type { Clock } from '../../core/clock.ts'
import type { Logger } from '../../core/log.ts'
import type { ConnectionState, SourceMessage } from '../transport.ts'
import type { MqttProtocol, OpenSession, Session, SessionFacts } from './mqtt-session.ts'

/** What everything over MQTT needs from outside. */
export interface MqttParts {
  readonly clock: Clock
  /** Source in [0, 1) for jitter. */
  readonly random: () => number
  readonly log: Logger
  readonly openSession: OpenSession
}

/** What a connection needs besides. */
export interface BrokerConnectionParts extends MqttParts {
  readonly broker: BrokerSettings
  readonly clientId: string
  /** Seconds for which the broker keeps the session while we are away; 0 asks for a clean one. */
  readonly keptForSeconds: number
  /** QoS 1 messages that may come without an acknowledgement. */
  readonly receiveMaximum: number
}

/** What is known of a session once it is open. */
export interface ConnectionFacts extends SessionFacts {
  readonly protocol: MqttProtocol
  /** Of the tokens of its messages. */
  readonly epoch: number
}

/** The source or the sink above a connection. None of these may throw. */
export interface BrokerConnectionOwner {
  /**
   * The broker accepted us. The connection counts as connected once `ready` was called: at once,
   * or with the code of a SUBACK for that filter.
   */
  opened(session: Session, facts: ConnectionFacts, ready: Ready): void
  message(message: SourceMessage): void
  room(): void
  /** Whether the answer to a SUBSCRIBE would be read now; it has to wait while reading is paused. */
  isReading(): boolean
  /** The session of `opened` is gone. */
  lost(): void
  state(state: ConnectionState): void
}

/** See {@link BrokerConnectionOwner.opened}. */
export type Ready = (suback?: { readonly filter: string; readonly code: number }) => void
