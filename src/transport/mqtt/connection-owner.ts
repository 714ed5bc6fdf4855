/** What lies between a connection to a broker and the source or sink above it. */
import type { BrokerSettings } from '../../config/settings.ts'
import type { Clock } from '../../core/clock.ts'
import type { Logger } from '../../core/log.ts'
import type { ConnectionState, SourceMessage } from '../transport.ts'
import type { OpenSession, Session, SessionFacts } from './mqtt-session.ts'

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
}

/** The source or the sink above a connection. None of these may throw. */
export interface BrokerConnectionOwner {
  /**
   * The broker accepted us. The connection counts as connected once `ready` was called: at once,
   * or with the code of a SUBACK for that filter.
   */
  opened(session: Session, facts: SessionFacts, ready: Ready): void
  message(message: SourceMessage): void
  room(): void
  /** The session of `opened` is gone. */
  lost(): void
  state(state: ConnectionState): void
}

/** See {@link BrokerConnectionOwner.opened}. */
export type Ready = (suback?: { readonly filter: string; readonly code: number }) => void
