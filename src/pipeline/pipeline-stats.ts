/** Why an event or a message produced no published result. Every one that did not is counted here. */
export const dropReasons = [
  /** Not UTF-8, not JSON, too deep, too large, or with a `__proto__` key. */
  'decode',
  /** A message that the broker had kept, when the rule does not want those. */
  'retained',
  /** It came for a subscription that the configuration no longer has. */
  'unsubscribed',
  /** No device entry of the func fits. */
  'device',
  /** `when` is false, or asks for a key that the message lacks. */
  'when',
  /** The queue was full. */
  'queue-full',
  /** The model returned `None`, `null`, `"null"` or `{}`. */
  'empty',
  /** The handler threw or returned what JSON cannot hold. */
  'model',
  /** The handler did not answer in time, attempt after attempt. */
  'deadline',
  /** The runner died with this event, attempt after attempt. */
  'crash',
  /** The topic template gave a topic that MQTT forbids. */
  'topic',
  /** The output broker did not take it in time, or its queue was full. */
  'publish',
  /** The result is larger than MQTT allows or the output broker takes. */
  'too-large',
  /** The output broker refused the result with a reason code: it may not be published there. */
  'refused',
  /** The model cannot be started, time after time: the pipeline is BROKEN. */
  'broken',
  /** The pipeline was stopped before its turn came. */
  'stopped',
  /** Left with the input broker, unacknowledged, when the pipeline stopped or its host died: it sends it again. */
  'unacknowledged',
  /** The spool was full, and its oldest results made room. */
  'spool-full',
  /** It waited on the disk for longer than `spool.maxAge`. */
  'spool-expired',
  /** Its record in the spool was damaged. */
  'spool-damaged',
] as const

/** See {@link dropReasons}. */
export type DropReason = (typeof dropReasons)[number]

/** Upper bounds of the latency histogram, milliseconds; the last bucket has none. Growing by about a third. */
export const latencyBoundsMs: readonly number[] = [
  0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.7, 1, 1.4, 2, 2.8, 4, 5, 7, 10, 14, 20, 28, 40, 50, 70, 100, 140,
  200, 280, 400, 500, 700, 1000, 1400, 2000, 2800, 4000, 5000, 7000, 10_000, 20_000, 40_000, 60_000,
]

/**
 * The counts of one pipeline. They add up:
 * `received + fannedOut + recovered + replayed + deadLetterCopies =
 * published + sum(dropped) + inMotion + spooled`.
 */
export interface PipelineStats {
  /** Messages from the source. */
  readonly received: number
  readonly receivedBytes: number
  /** Events beyond one per message: a message that fits three devices is three events. */
  readonly fannedOut: number
  /**
   * Results that the spool held when the pipeline began, less those that earlier hosts of it left
   * there.
   */
  readonly recovered: number
  /** Messages that the broker marked as possibly sent before (DUP). */
  readonly redelivered: number
  /** Times that the broker had lost the session that it was to keep. */
  readonly sessionsLost: number
  readonly published: number
  readonly publishedBytes: number
  readonly dropped: Readonly<Record<DropReason, number>>
  /** Events that are kept as dead letters: a part of `dropped`. */
  readonly deadLettered: number
  /** Dead letters that made room for newer ones. */
  readonly deadLettersDiscarded: number
  /** Copies of dead letters that were given to the output broker. */
  readonly deadLetterCopies: number
  /** Dead letters that were run again. */
  readonly replayed: number
  /** Events waiting for a runner: pyboot's `pre_queue`. */
  readonly preQueue: number
  /** Events in a runner. */
  readonly inRunners: number
  /** Results waiting for the output broker: pyboot's `post_queue`. */
  readonly postQueue: number
  /** Events that were given up, and wait for the disk to keep them. */
  readonly deadLettersWaiting: number
  /** Events that are in the pipeline in any place but the spool. */
  readonly inMotion: number
  /** Results on the disk. */
  readonly spooled: number
  /** Messages received and not yet acknowledged (QoS 1). */
  readonly unacknowledged: number
  /** Events given to a runner again after it died. */
  readonly retried: number
  readonly runnerRestarts: number
  /** Runners that were replaced by a fresh one because they held too much memory. */
  readonly runnerRecycles: number
  readonly reconnects: number
  /** From receipt to published. `counts[i]` are those at or below `latencyBoundsMs[i]` and above the one before. */
  readonly latency: { readonly counts: readonly number[]; readonly sumMs: number }
}
