import type { Clock } from '../../core/clock.ts'
import type { Logger } from '../../core/log.ts'
import { sqlite, sqliteCode } from '../../core/sqlite-error.ts'
import { removeDatabase } from './salvage.ts'
import type { SpoolDatabase } from './spool-database.ts'
import { isDamage, SpoolDamage, spoolError } from './spool-error.ts'
import { openSpoolFile, replaceDamaged, type OpenedFile, type SalvagedFile } from './spool-file.ts'
import { decodeRow, encodeRecord, type SoundRecord, type SpoolState } from './spool-record.ts'
import type { DamagedRecord, NewRecord, SpoolStore, StoredRecord } from './spool-store.ts'

/** Where a spool is, and what it needs from around it. */
export interface SqliteSpoolParts {
  readonly file: string
  readonly clock: Pick<Clock, 'now'>
  readonly log: Logger
}

/**
 * A spool in an SQLite file. The promises are those of {@link SpoolStore}.
 *
 * Durable: a write-ahead log with an fsync for each commit, and the folder synchronised when the
 * file is made. Exclusive: a second process gets `SPOOL_LOCKED`; the lock dies with its process.
 * One that is damaged is salvaged when that is noticed, at opening or later, and the damaged file
 * is kept beside it. Files are readable for their owner alone, since results may be confidential.
 *
 * SQLite is synchronous, on the event loop, on purpose. It is used only while the broker is away or
 * too slow, the acknowledgement has to wait for the fsync anyway, and commits are in groups:
 * 0.5 ms for one record of 300 bytes, 0.5 ms for 32, 1.5 ms for 256 (medians on two busy cores with
 * a virtual disk). A thread would cost more than that in copies for each group.
 */
export class SqliteSpool implements SpoolStore {
  readonly #parts: SqliteSpoolParts
  #database: SpoolDatabase
  #state: SpoolState
  #isClosed = false

  /**
   * Opens the file, or makes it with the folders above it.
   *
   * @throws EdgebootError `SPOOL_LOCKED`, `SPOOL_DISK_FULL` or `SPOOL_UNWRITABLE`; never for damage.
   */
  constructor(parts: SqliteSpoolParts) {
    this.#parts = parts
    try {
      const opened = openSpoolFile(parts.file, parts.clock.now())
      this.#database = opened.database
      this.#state = this.#take(opened)
      this.#addTail(opened.tail)
    } catch (error) {
      throw spoolError(error, parts.file)
    }
  }

  get first(): number {
    return this.#state.first
  }

  get next(): number {
    return this.#state.next
  }

  get bytes(): number {
    return this.#state.bytes
  }

  get newestCreated(): number | undefined {
    return this.#guard(() => {
      // A stamp that is not what was written would make everything else too old.
      const [row] = this.#database.rows(this.next - 1, this.next)
      return row && decodeRow(row)?.record.created
    })
  }

  append(records: readonly NewRecord[]): void {
    this.#guard(() => this.#insert(this.#state.next, records, this.#state.first))
  }

  replaceHead(before: number, records: readonly NewRecord[]): void {
    this.#guard(() => this.#insert(before - records.length, records, before))
  }

  /** Writes records from `seq` on, in the place of those before `before`. */
  #insert(seq: number, records: readonly NewRecord[], before: number): void {
    const revision = this.#state.revision + 1
    let { bytes } = this.#state
    this.#database.transaction('durable', () => {
      if (before > this.#state.first) {
        bytes -= this.#database.sizeBefore(before)
        this.#database.removeBefore(before)
      }
      for (const [index, record] of records.entries()) {
        const encoded = encodeRecord(record)
        this.#database.insert(seq + index, revision, encoded)
        bytes += encoded.size
      }
      const isAtEnd = seq === this.#state.next
      this.#write({
        revision,
        first: isAtEnd ? before : seq,
        next: isAtEnd ? seq + records.length : this.#state.next,
        bytes,
      })
    })
    this.#committed()
  }

  removeBefore(end: number): void {
    this.#guard(() => {
      const before = Math.min(end, this.#state.next)
      if (before <= this.#state.first) return
      const isEmpty = before >= this.#state.next
      try {
        this.#remove(before, isEmpty)
      } catch (error) {
        // SQLite needs room to remove something. Where nothing is left to keep, the file can go.
        if (!isEmpty || sqliteCode(error) !== sqlite.full) throw error
        this.#startAnew()
      }
      if (isEmpty) this.#database.shrink()
    })
  }

  #remove(before: number, isEmpty: boolean): void {
    this.#database.transaction('later', () => {
      const freed = isEmpty ? this.#state.bytes : this.#database.sizeBefore(before)
      this.#database.removeBefore(before)
      this.#write({
        revision: this.#state.revision + 1,
        first: before,
        bytes: Math.max(this.#state.bytes - freed, 0),
        ...(isEmpty && { salvaged: 0 }),
      })
    })
    this.#committed()
  }

  #startAnew(): void {
    this.#database.close()
    removeDatabase(this.#parts.file)
    this.#state = { ...this.#state, first: this.#state.next, bytes: 0, salvaged: 0 }
    this.#reopen()
  }

  read(
    from: number,
    itemsMax: number,
    bytesMax: number,
  ): readonly (StoredRecord | DamagedRecord)[] {
    return this.#guard(() => this.#read(Math.max(from, this.first), itemsMax, bytesMax))
  }

  #read(from: number, itemsMax: number, bytesMax: number): (StoredRecord | DamagedRecord)[] {
    const records: (StoredRecord | DamagedRecord)[] = []
    const to = Math.min(from + itemsMax, this.next)
    let bytes = 0
    for (const row of this.#database.rows(from, to)) {
      this.#passGap(records, from, Number(row.seq))
      const sound = decodeRow(row)
      if (sound === undefined) {
        const { file } = this.#parts
        const fields = { seq: Number(row.seq), created: String(row.created), file }
        this.#parts.log.error('spool.record-damaged', fields)
        records.push({ seq: fields.seq, damaged: true })
        continue
      }
      records.push(sound.record)
      bytes += sound.record.size
      if (bytes >= bytesMax) return records
    }
    this.#passGap(records, from, to)
    return records
  }

  /** Puts what is lost between the last of `records` and `seq` into them. */
  #passGap(records: (StoredRecord | DamagedRecord)[], from: number, seq: number): void {
    const expected = from + records.length
    if (seq === expected) return
    // Only a salvaged file may lack records: its log line has named them.
    if (this.#state.salvaged === 0 || seq < expected) {
      throw new SpoolDamage(`record ${expected} is missing, ${seq} is there`)
    }
    for (let lost = expected; lost < seq; lost++) records.push({ seq: lost, damaged: true })
  }

  endOfBytes(bytes: number): number {
    return this.#guard(() => {
      let freed = 0
      for (const { seq, size } of this.#database.sizes()) {
        if (freed >= bytes) return seq
        freed += size
      }
      return this.next
    })
  }

  endOfAge(created: number): number {
    return this.#guard(() => this.#database.firstSince(created) ?? this.next)
  }

  close(): void {
    this.#isClosed = true
    this.#database.close()
  }

  /** What the state will be if the transaction succeeds. */
  #pending: SpoolState | undefined

  #write(change: Partial<SpoolState>): void {
    this.#pending = { ...this.#state, ...change }
    this.#database.writeState(this.#pending)
  }

  #committed(): void {
    this.#state = this.#pending ?? this.#state
  }

  /** Salvages the file when it turns out to be damaged, and tries once more. */
  #guard<T>(work: () => T): T {
    try {
      if (this.#isClosed) throw new Error('it is closed')
      if (!this.#database.isOpen) this.#reopen()
      return work()
    } catch (error) {
      if (!isDamage(error)) throw this.#error(error)
      const problem = error instanceof Error ? error.message : String(error)
      try {
        // Closing moves the log into the file.
        this.#database.close()
        const none = { frames: [], tail: [] }
        const opened = replaceDamaged(this.#parts.file, none, problem, this.#parts.clock.now())
        this.#database = opened.database
        this.#state = this.#take(opened)
        return work()
      } catch (second) {
        throw this.#error(second)
      }
    }
  }

  /** After a salvage for which there was no room, or when the file was removed. */
  #reopen(): void {
    const opened = openSpoolFile(this.#parts.file, this.#parts.clock.now())
    this.#database = opened.database
    const state = this.#take(opened)
    const { next } = this.#state
    // In a new file the numbers go on: others know them.
    this.#state = state.first === state.next ? { ...state, first: next, next } : state
  }

  #error(thrown: unknown): Error {
    return spoolError(thrown, this.#parts.file)
  }

  #take(opened: OpenedFile): SpoolState {
    if (opened.salvaged !== undefined) this.#tell(opened.salvaged)
    const state = opened.database.state()
    if (state === undefined) throw new Error('its state row was not written')
    return state
  }

  #tell({ problem, keptAs, recovered, missing, missingCount }: SalvagedFile): void {
    this.#parts.log.error('spool.damaged', {
      file: this.#parts.file,
      problem,
      keptAs,
      recovered,
      missing,
      missingCount,
    })
  }

  /**
   * Takes in the records of a last commit that is not complete. Where the process was killed in it
   * they were not acknowledged, and come again; where the log was cut short they are all there is.
   */
  #addTail(tail: readonly SoundRecord[]): void {
    const { first, next, revision } = this.#state
    const newer = new Map(
      tail.filter((each) => each.revision > revision).map((each) => [each.record.seq, each.record]),
    )
    const inOrder = [...newer.values()].toSorted((one, other) => one.seq - other.seq)
    const behind = inOrder.filter(({ seq }) => seq >= next)
    const before = inOrder.filter(({ seq }) => seq < first)
    if (behind.length > 0) this.append(behind)
    if (before.length > 0) this.replaceHead(first, before)
    const records = behind.length + before.length
    if (records === 0) return
    this.#parts.log.warn('spool.commit-recovered', { file: this.#parts.file, records })
  }
}
