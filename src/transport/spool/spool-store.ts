import type { SinkMessage } from '../transport.ts'

/** A result on its way to the disk. */
export interface NewRecord {
  readonly message: SinkMessage
  /** Milliseconds since 1970, on the clock of the spool. */
  readonly created: number
}

/** A result on the disk. */
export interface StoredRecord extends NewRecord {
  readonly seq: number
  /** What it counts for in `bytes`: topic, properties and payload. */
  readonly size: number
}

/** A record that cannot be read any more. It was logged by the store. */
export interface DamagedRecord {
  readonly seq: number
  readonly damaged: true
}

/**
 * Results on a disk, oldest first, numbered without a gap from `first` up to but without `next`.
 *
 * What adds is durable on return, and done completely or not at all; what removes need not survive
 * a crash (the results would be published once more). Everything throws `EdgebootError`:
 * `SPOOL_DISK_FULL`, `SPOOL_UNWRITABLE`; damage is never thrown, but salvaged and reported.
 */
export interface SpoolStore {
  readonly first: number
  readonly next: number
  /** Topics, properties and payloads together. */
  readonly bytes: number
  /** Puts results behind all others. */
  append(records: readonly NewRecord[]): void
  /** Puts results in front of all others, in the place of those before `before`. */
  replaceHead(before: number, records: readonly NewRecord[]): void
  /**
   * Reads from `from` on, at most `itemsMax`, and stops once there are `bytesMax`; at least one when
   * there is one. The numbers have no gap: what is lost is in it as damaged.
   */
  read(from: number, itemsMax: number, bytesMax: number): readonly (StoredRecord | DamagedRecord)[]
  /** Removes all before `before`. */
  removeBefore(before: number): void
  /** Up to where to remove in order to free this many bytes. */
  endOfBytes(bytes: number): number
  /** Up to where everything was created before `created`. */
  endOfAge(created: number): number
  /** The latest stamp of a record; `undefined` when there is none. */
  readonly newestCreated: number | undefined
  /** Idempotent; never throws. */
  close(): void
}
