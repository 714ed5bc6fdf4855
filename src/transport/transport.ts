/**
 * The two ends of a pipeline, and what is promised about them. MQTT implements them, and so does
 * memory, for tests. `test/contract/` runs one suite over all of them.
 */
import type { EdgebootError } from '../core/errors.ts'

/** Names a message to its source for the acknowledgement; opaque to everyone else. */
export interface AckToken {
  /** Connection on which the message came. Acknowledgements of an older one are discarded. */
  readonly epoch: number
  readonly id: number
}

/** A message as it came from a broker. */
export interface SourceMessage {
  readonly topic: string
  /** Valid until the message is settled; never written to. */
  readonly payload: Uint8Array
  readonly qos: 0 | 1 | 2
  readonly retain: boolean
  readonly duplicate: boolean
  /** MQTT 5 only. */
  readonly userProperties?: Readonly<Record<string, string | string[]>>
  /** Milliseconds since 1970. */
  readonly receivedAt: number
  /** Present when the broker waits for an acknowledgement (QoS 1). */
  readonly ack?: AckToken
}

/** How a connection fares. `reason` is one sentence, present unless connected. */
export type ConnectionState =
  | { readonly status: 'connected'; readonly protocol: string }
  | {
      readonly status: 'connecting' | 'waiting' | 'taken' | 'closed'
      readonly reason: string
      readonly error?: EdgebootError
    }

/** What a source tells its pipeline. None of these may throw. */
export interface SourceListener {
  /** Called in the order in which the broker sent them. */
  message(message: SourceMessage): void
  /** After every change, the first connection included. */
  state(state: ConnectionState): void
}

/**
 * Where messages come from.
 *
 * `start` resolves once the source has begun to try, connected or not: an absent broker is a
 * state, not an error. It reconnects by itself with jittered backoff and restores its
 * subscription. `pause` stops reading soon (a few messages may still come) and `resume` goes on;
 * both are idempotent. `acknowledge` must be called in the order of receipt; tokens of an older
 * connection are discarded. After `drain` no new message comes, acknowledgements still go out.
 * `close` disconnects, keeps a persistent session, is idempotent and never rejects.
 */
export interface Source {
  start(listener: SourceListener): Promise<void>
  pause(): void
  resume(): void
  acknowledge(token: AckToken): void
  drain(): void
  close(): Promise<void>
}

/** A result on its way out. */
export interface SinkMessage {
  readonly topic: string
  readonly payload: Uint8Array
  readonly userProperties?: Readonly<Record<string, string>>
}

/** Why a result was not published; `undefined` is success. */
export type PublishFailure = 'timeout' | 'queue-full' | 'too-large' | 'closed'

/**
 * Where results go.
 *
 * `publish` never throws and never blocks: the result is sent, or waits for the broker within the
 * sink's bounds, and `settled` is called exactly once, when it is safe (QoS 0: handed to the
 * socket; QoS 1: PUBACK) or given up. Results leave in the order of `publish`. `pending` counts
 * those not yet settled. `close` sends what it can within `deadlineMs`, settles the rest as
 * `closed`, is idempotent and never rejects.
 */
export interface Sink {
  start(listener: { state(state: ConnectionState): void }): Promise<void>
  publish(message: SinkMessage, settled: (failure?: PublishFailure) => void): void
  readonly pending: number
  close(deadlineMs: number): Promise<void>
}
