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
  /** Valid until the message is settled; never written to. Empty when it was oversize. */
  readonly payload: Uint8Array
  /** Present when the payload was too large to be kept: the bytes that it had. */
  readonly oversizeBytes?: number
  readonly qos: 0 | 1 | 2
  readonly retain: boolean
  /** The broker says that it may have sent it before. */
  readonly duplicate: boolean
  /** It came for a subscription that the configuration no longer has: nobody wants it. */
  readonly stray?: boolean
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
  /** The broker no longer knew the session that it was to keep: what it had kept for us is gone. */
  sessionLost(): void
}

/**
 * Where messages come from.
 *
 * `start` resolves once the source has begun to try, connected or not: an absent broker is a
 * state, not an error. It reconnects by itself with jittered backoff and restores its
 * subscription. `pause` stops reading soon (a few messages may still come) and `resume` goes on;
 * both are idempotent. With QoS 1 a source never has more than its window of messages without an
 * acknowledgement, whatever the broker does. `acknowledge` must be called in the order of receipt;
 * tokens of an older connection are discarded. After `drain` no new message comes,
 * acknowledgements still go out. `close` sends those, disconnects, keeps a persistent session, is
 * idempotent and never rejects.
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
  /** Those of this result. */
  readonly userProperties?: Readonly<Record<string, string>>
  /** Sent before those: the same object for many results, which is encoded once. Never changed. */
  readonly sharedProperties?: Readonly<Record<string, string>>
}

/**
 * Why a result was given up. `closed` is the one that says nothing about it: the sink was closed
 * before the broker answered, so whoever can have the result made again should.
 */
export type PublishFailure = 'timeout' | 'queue-full' | 'too-large' | 'refused' | 'closed'

/**
 * What became of a result: published (QoS 0: handed to the socket; QoS 1: PUBACK), safe on the
 * disk until the broker is back, or given up.
 */
export type PublishOutcome = 'published' | 'spooled' | PublishFailure

/** Why a result left the disk without being published. */
export type DiscardReason =
  | 'spool-full'
  | 'spool-expired'
  | 'spool-damaged'
  | 'too-large'
  | 'refused'

/** What a sink tells its pipeline besides outcomes. None of these may throw. */
export interface SinkListener {
  /** After every change, the first connection included. */
  state(state: ConnectionState): void
  /** Results that an earlier run left on the disk; told once, before any of them moves. */
  recovered(results: number): void
  /** A result that had been `spooled`, or was recovered, is published. */
  forwarded(bytes: number): void
  /** Results that had been `spooled`, or were recovered, are given up. */
  discarded(reason: DiscardReason, results: number): void
}

/**
 * Where results go.
 *
 * `publish` never throws and never blocks: the result is sent, or waits for the broker within the
 * sink's bounds, and `settled` is called exactly once, when it is safe or given up. Results leave
 * in the order of `publish`. `pending` counts those not yet settled, `spooled` those on the disk.
 * `close` sends what it can within `deadlineMs`, settles the rest (as `spooled` where there is a
 * disk to keep them, else as `closed`), is idempotent and never rejects.
 *
 * With QoS 1 nothing is given up because of time: `timeout` and `queue-full` are for QoS 0, and
 * whoever publishes keeps `pending` within bounds.
 */
export interface Sink {
  start(listener: SinkListener): Promise<void>
  publish(message: SinkMessage, settled: (outcome: PublishOutcome) => void): void
  readonly pending: number
  readonly spooled: number
  close(deadlineMs: number): Promise<void>
}

/** A result that is not settled, and who waits for it. */
export interface UnsettledResult {
  readonly message: SinkMessage
  readonly settled: (outcome: PublishOutcome) => void
  /** When it was published, on the monotonic clock. */
  readonly since: number
}

/** A sink from which results can be taken back, to be kept on the disk instead. */
export interface WithdrawableSink extends Sink {
  /** Since when the oldest unsettled result waits, on the monotonic clock; `undefined` for none. */
  readonly waitingSince: number | undefined
  /**
   * Takes unsettled results out, oldest first, without settling them: those `waiting` to be sent,
   * or `all`, also those sent and not confirmed (a late confirmation is then ignored).
   */
  withdraw(which: 'waiting' | 'all'): readonly UnsettledResult[]
}
