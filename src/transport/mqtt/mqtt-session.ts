/**
 * One MQTT session over one connection, as everything above it sees it. It is tried once: when it
 * ends, another is opened.
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
  /** Goes into the token of every QoS 1 message of this session. */
  readonly epoch: number
  /**
   * Seconds for which the broker keeps the session after a disconnect (MQTT 5; a 3.1.1 broker keeps
   * it for ever). 0 asks for a clean one.
   */
  readonly keptForSeconds: number
  /** QoS 1 messages that may come without an acknowledgement: the Receive Maximum of MQTT 5. */
  readonly receiveMaximum: number
}

/** What the broker said of itself in its CONNACK; the defaults of the standard where it said nothing. */
export interface SessionFacts {
  /** The broker knows this session from before: it may send again what we never acknowledged. */
  readonly sessionPresent: boolean
  /**
   * Seconds for which it keeps the session after a disconnect: what we asked for, unless it said
   * otherwise (MQTT 5.0, 3.2.2.3.2).
   */
  readonly keptForSeconds: number
  /** Largest packet that it takes, in bytes; `Infinity` when it named none, as on 3.1.1. */
  readonly packetBytesMax: number
  /** Highest QoS that it takes from us. */
  readonly qosMax: 0 | 1 | 2
  /** Whether it keeps messages with the retain flag; one that does not refuses them. */
  readonly retainAvailable: boolean
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
  /** What came was not MQTT, or broke its rules; it was told so where MQTT 5 allows. */
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
  /** QoS 1 carries a token: hand its id to `acknowledge` when the message is dealt with. */
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
  readonly qos: 0 | 1
  readonly retain: boolean
  /** It was sent before, on a connection that broke before the PUBACK (DUP). Always false with QoS 0. */
  readonly duplicate: boolean
  /** Left out on 3.1.1, which has no place for them. */
  readonly userProperties?: Readonly<Record<string, string>> | undefined
  /** More of them, sent before: the same object for many messages, which is encoded once. */
  readonly sharedProperties?: Readonly<Record<string, string>> | undefined
}

/**
 * One MQTT session. Everything but `pause`, `resume`, `disconnect` and `destroy` may be called once
 * it is `opened`.
 */
export interface Session {
  /**
   * Subscribes.
   *
   * @param options.retained - Which of the messages that the broker had kept it sends (MQTT 5's
   * Retain Handling): all, those of a subscription that it did not know yet, or none. A 3.1.1
   * broker sends all.
   * @param answered - Gets the code of the SUBACK: 128 and above is a refusal, below it the QoS
   * granted. Not called when the session ends first.
   */
  subscribe(
    filter: string,
    options: { readonly qos: 0 | 1; readonly retained: 'all' | 'new' | 'none' },
    answered: (code: number) => void,
  ): void
  /** Unsubscribes. @param answered - As for `subscribe`; 3.1.1 knows no refusal. */
  unsubscribe(filter: string, answered: (code: number) => void): void
  /**
   * Publishes. Packets leave in the order of the calls, `hasRoom` or not: the owner holds back.
   *
   * @param done - Not called when the session ends first. With QoS 0 called in the same order when
   * the operating system has the bytes, with 0. With QoS 1 called with the reason code of the
   * PUBACK: 128 and above is a refusal, after which the broker does not want it again.
   */
  publish(message: OutgoingPublish, done: (code: number) => void): void
  /**
   * False when enough bytes wait for the socket, or when as many QoS 1 messages are without a
   * PUBACK as the broker's Receive Maximum and our own cap allow: hold the rest back until `room`.
   */
  readonly hasRoom: boolean
  /**
   * Sends the PUBACK for a message of this session. Those of one turn of the event loop leave in
   * one write, in the order of the calls.
   */
  acknowledge(id: number): void
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
