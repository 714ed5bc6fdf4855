/**
 * One MQTT session over one connection, as everything above it sees it. It is tried once: when it
 * ends, another is opened. MQTT.js stands behind it now, our own session next.
 */
import type { BrokerSettings } from '../../config/settings.ts'
import type { Clock } from '../../core/clock.ts'
import type { SourceMessage } from '../transport.ts'
import type { BrokerAddress } from './broker-address.ts'
import type { TlsMaterial } from './broker-socket.ts'

/** A version of MQTT, as people write it. */
export type MqttProtocol = '5' | '3.1.1'

/** Everything needed to open a session. */
export interface SessionOptions {
  readonly broker: BrokerSettings
  readonly address: BrokerAddress
  readonly tls: TlsMaterial
  readonly clientId: string
  readonly protocol: MqttProtocol
  readonly clock: Clock
}

/** What the broker said of itself in its CONNACK. */
export interface SessionFacts {
  /** Largest packet that it takes, in bytes; MQTT 5 only. */
  readonly packetBytesMax?: number
}

/** Why a session is over. */
export type SessionEnd =
  /** The socket closed or failed. `error` is what Node said, if it said anything. */
  | { readonly kind: 'socket'; readonly error?: Error }
  /** The broker answered CONNECT with this code (of its own version: 1–5, or 128 and above). */
  | { readonly kind: 'refused'; readonly code: number }
  /** The broker sent an MQTT 5 DISCONNECT with this code. */
  | { readonly kind: 'disconnected'; readonly code: number }
  /** Nothing came back for one and a half keep-alive intervals. */
  | { readonly kind: 'silent' }
  /** What came was not MQTT. */
  | { readonly kind: 'protocol'; readonly error: Error }

/** Whether the broker closed the connection without a word, which resets it when bytes were unread. */
export function isClosedByBroker(end: SessionEnd): boolean {
  if (end.kind !== 'socket') return false
  if (end.error === undefined) return true
  const code: unknown = (end.error as { code?: unknown }).code
  return code === 'ECONNRESET' || code === 'EPIPE'
}

/** What a session tells its owner. None of these may throw. */
export interface SessionListener {
  /** CONNACK is there. At most once. */
  opened(facts: SessionFacts): void
  message(message: SourceMessage): void
  /** There is room to publish again, after `hasRoom` was false. */
  room(): void
  /** It is over. Exactly once and last, unless `disconnect` or `destroy` came before. */
  ended(end: SessionEnd): void
}

/** A message for {@link Session.publish}. */
export interface OutgoingPublish {
  readonly topic: string
  readonly payload: Uint8Array
  readonly retain: boolean
  /** Left out on 3.1.1, which has no place for them. */
  readonly userProperties?: Readonly<Record<string, string>>
}

/**
 * One MQTT session. `subscribe` and `publish` may be called once it is `opened`.
 */
export interface Session {
  /**
   * Subscribes with QoS 0.
   *
   * @param options.retained - False asks an MQTT 5 broker to leave out messages that it kept.
   * @param answered - Gets the code of the SUBACK: 128 and above is a refusal. Not called when the
   * session ends first.
   */
  subscribe(
    filter: string,
    options: { readonly retained: boolean },
    answered: (code: number) => void,
  ): void
  /**
   * Publishes with QoS 0. Packets leave in the order of the calls.
   *
   * @param written - Called in the same order when the operating system has the bytes; not called
   * when the session ends first.
   */
  publish(message: OutgoingPublish, written: () => void): void
  /** False when enough bytes wait for the socket: hold the rest back until `room`. */
  readonly hasRoom: boolean
  /** Stops and starts reading; at most one more message comes after `pause`. Idempotent. */
  pause(): void
  resume(): void
  /** Sends what is written and DISCONNECT, and closes, forcibly after `deadlineMs`. Never rejects. */
  disconnect(deadlineMs: number): Promise<void>
  /** Closes at once. Nothing is called afterwards. */
  destroy(): void
}

/**
 * Begins to open a session.
 *
 * @throws whatever Node says of a certificate or a key that it cannot parse.
 */
export type OpenSession = (options: SessionOptions, listener: SessionListener) => Session
