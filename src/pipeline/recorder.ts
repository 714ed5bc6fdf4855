/** What of a pipeline outlives its host. Implemented in `host/recorder/`: nothing here touches a file. */

/** Counts that can be put down as plain numbers. */
export interface RecordableCounts {
  /** Fills in the counts in the order of `bookNames`. */
  fillBooks(values: Float64Array): void
}

/** An event that may have killed a runner, or the host. */
export interface RecordedSuspect {
  /** The `edgeboot-id` that its result has, which is the same when it comes again. */
  readonly id: string
  /** Times that its runner died while it was alone. */
  readonly attempts: number
  /** Suspects of one number are tried together. */
  readonly group: number
}

/**
 * Keeps what the next host has to know of this one. What was written when a call returns survives
 * the sudden death of every process of ours, not that of the machine. Nothing throws: a disk that
 * does not take it is logged, and messages go on.
 */
export interface Recorder {
  /**
   * Begins the records of this host. Call once, when the host before is gone, and before all else.
   *
   * @returns Whom to suspect: what was suspect already, and what was in flight when the last host
   * died; at most {@link suspectsMax}.
   */
  open(): readonly RecordedSuspect[]
  /** Puts the counts down. */
  books(counts: RecordableCounts): void
  /**
   * Puts down which events a runner is about to get that may take the host with it.
   *
   * @param place - From 0; one batch each.
   * @param ids - Empty when they are out of it.
   */
  flight(place: number, ids: readonly string[]): void
  /** Puts down all suspects, in place of those before. */
  suspects(suspects: readonly RecordedSuspect[]): void
  /** The host ends in order: no event is to blame for it. Idempotent; later calls do nothing. */
  close(): void
}

/** Suspects that are remembered; of more, the oldest are forgotten. */
export const suspectsMax = 4096
