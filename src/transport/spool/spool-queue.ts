import type { SpoolSettings } from '../../config/settings.ts'
import { Deque } from '../../core/deque.ts'
import type { DiscardReason, SinkMessage } from '../transport.ts'
import type { SpoolClock } from './spool-clock.ts'
import type { SpoolStore, StoredRecord } from './spool-store.ts'

/**
 * A record that was handed out to be published: `out` with the inner sink, `held` by whoever
 * withdrew it, `failed` where the inner sink gave it back, `done` published or given up.
 */
export interface HandedRecord {
  readonly record: StoredRecord
  status: 'out' | 'held' | 'failed' | 'done'
  /** It has been dropped from the disk for want of room, and is lost unless it is published yet. */
  isCondemned: boolean
}

/** A record that was passed over, among others that were handed out. */
interface SkippedRecord {
  readonly record: { readonly seq: number }
  status: 'done'
  isCondemned: boolean
}

/** A result that is to be put in front of all others, on the disk already or not. */
export interface HeadRecord {
  readonly message: SinkMessage
  readonly created: number
}

/**
 * What is on the disk, and how far it has been handed out.
 *
 * Records are handed out in order and removed in order: what is on the disk is always one run of
 * numbers. So one that is published before an older one stays until that is, and is published twice
 * if the process dies in between.
 */
export class SpoolQueue {
  readonly #store: SpoolStore
  readonly #settings: SpoolSettings
  readonly #clock: SpoolClock
  readonly #discarded: (reason: DiscardReason, results: number) => void
  /** Handed out, oldest first; what is done at its front is taken off. */
  #handed = new Deque<HandedRecord | SkippedRecord>()
  /** Handed out and not done. */
  #outstanding = 0
  /** The next to be handed out. */
  #cursor: number

  constructor(
    store: SpoolStore,
    settings: SpoolSettings,
    clock: SpoolClock,
    discarded: (reason: DiscardReason, results: number) => void,
  ) {
    this.#store = store
    this.#settings = settings
    this.#clock = clock
    this.#discarded = discarded
    this.#cursor = store.first
  }

  /** Records that are neither published nor given up. */
  get length(): number {
    return this.unhanded + this.#outstanding
  }

  /** Records that were not handed out yet. */
  get unhanded(): number {
    return Math.max(this.#store.next - this.#cursor, 0)
  }

  get outstanding(): number {
    return this.#outstanding
  }

  /** Bytes that still fit. */
  get room(): number {
    return this.#settings.bytesMax - this.#store.bytes
  }

  /** Puts results behind all others; durable on return. */
  append(records: readonly HeadRecord[]): void {
    this.#store.append(records)
  }

  /**
   * Puts results in front of all others; durable on return. They take the place of everything that
   * was handed out, so those of it that are not done must be among them.
   */
  replaceHead(records: readonly HeadRecord[]): void {
    this.#store.replaceHead(this.#cursor, records)
    this.#handed = new Deque()
    this.#outstanding = 0
    this.#cursor = this.#store.first
  }

  /** Hands out the next records; those too old or damaged are given up on the way. */
  take(itemsMax: number, bytesMax: number): readonly HandedRecord[] {
    const taken: HandedRecord[] = []
    let damaged = 0
    let expired = 0
    const { ageMsMax } = this.#settings
    const records = this.#store.read(this.#cursor, itemsMax, bytesMax)
    // What a store has lost without a trace would be asked for for ever.
    damaged += Math.max((records[0]?.seq ?? this.#store.next) - this.#cursor, 0)
    this.#cursor += damaged
    for (const record of records) {
      this.#cursor = record.seq + 1
      if ('damaged' in record) {
        damaged += 1
        this.#skip(record.seq)
      } else if (ageMsMax !== undefined && this.#clock.isOlder(record.created, ageMsMax)) {
        expired += 1
        this.#skip(record.seq)
      } else {
        const handed: HandedRecord = { record, status: 'out', isCondemned: false }
        this.#handed.push(handed)
        this.#outstanding += 1
        taken.push(handed)
      }
    }
    if (damaged > 0) this.#discarded('spool-damaged', damaged)
    if (expired > 0) this.#discarded('spool-expired', expired)
    return taken
  }

  #skip(seq: number): void {
    if (this.#handed.length === 0) return
    this.#handed.push({ record: { seq }, status: 'done', isCondemned: false })
  }

  /** A record is published or given up. */
  done(handed: HandedRecord): void {
    if (handed.status === 'done') return
    handed.status = 'done'
    this.#outstanding -= 1
    while (this.#handed.peek()?.status === 'done') this.#handed.shift()
  }

  /** Those that the inner sink gave back, oldest first. */
  failed(): readonly HandedRecord[] {
    return [...this.#handed].filter(isFailed)
  }

  /** Gives up, of what was handed out, what is not on the disk any more. */
  dropCondemned(): void {
    const condemned = [...this.#handed].filter(isLost)
    for (const handed of condemned) this.done(handed)
    if (condemned.length > 0) this.#discarded('spool-full', condemned.length)
  }

  /**
   * Takes back all that was handed out, to be handed out again.
   *
   * @returns False, and nothing changed, when some of it is done: then what is not has to be put in
   * its place with {@link replaceHead}.
   */
  rewind(): boolean {
    const handed = [...this.#handed]
    if (handed.some(({ status, isCondemned }) => status === 'done' || isCondemned)) return false
    this.#cursor = this.#end
    this.#handed = new Deque()
    this.#outstanding = 0
    return true
  }

  /** Whether there are records that can be removed. */
  get hasDone(): boolean {
    return this.#end > this.#store.first
  }

  /** Removes what is done. A crash before this is on the disk publishes it once more. */
  removeDone(): void {
    this.#store.removeBefore(this.#end)
  }

  /** Where the oldest begins that is not done. */
  get #end(): number {
    return this.#handed.peek()?.record.seq ?? this.#cursor
  }

  /** Makes room when there is too much, and gives the oldest up for it. */
  dropOldest(): void {
    if (this.#settings.whenFull !== 'drop-oldest' || this.room >= 0) return
    if (this.hasDone) this.removeDone()
    if (this.room >= 0) return
    const end = this.#store.endOfBytes(-this.room)
    this.#store.removeBefore(end)
    for (const handed of this.#handed) if (handed.record.seq < end) handed.isCondemned = true
    this.#giveUpTo(end, 'spool-full')
  }

  /** Gives up what is too old, unless it is being published. */
  dropExpired(): void {
    const { ageMsMax } = this.#settings
    if (ageMsMax === undefined || this.#outstanding > 0 || this.unhanded === 0) return
    const end = this.#store.endOfAge(Math.trunc(this.#clock.now() - ageMsMax))
    if (end <= this.#cursor) return
    this.#store.removeBefore(end)
    this.#giveUpTo(end, 'spool-expired')
  }

  #giveUpTo(end: number, reason: DiscardReason): void {
    const given = end - this.#cursor
    if (given <= 0) return
    this.#cursor = end
    this.#discarded(reason, given)
  }

  close(): void {
    this.#store.close()
  }
}

function isFailed(handed: HandedRecord | SkippedRecord): handed is HandedRecord {
  return handed.status === 'failed'
}

function isLost(handed: HandedRecord | SkippedRecord): handed is HandedRecord {
  return handed.isCondemned && handed.status !== 'done'
}
