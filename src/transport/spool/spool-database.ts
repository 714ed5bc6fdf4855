import type { DatabaseSync, StatementSync } from 'node:sqlite'
import {
  decodeState,
  recordChecksum,
  stateChecksum,
  type EncodedRecord,
  type RecordRow,
  type SpoolState,
} from './spool-record.ts'
import { clockSetSince } from './spool-clock.ts'
import { SpoolDamage } from './spool-error.ts'
import { pageBytes } from './sqlite-pages.ts'

/** Without the write-ahead log and its synchronisation, for a file that is built beside the real one. */
type Durability = 'durable' | 'scratch'

/** Above this a check at opening would hold up the event loop; damage is then found on reading. */
const checkedBytesMax = 64 * 1024 * 1024

const pragmas: Readonly<Record<Durability, string>> = {
  // Exclusive: a second edgeboot on the same folder is turned away, and no shared memory is needed.
  // The lock is the process's own, so one that was killed leaves none.
  durable: `PRAGMA locking_mode = EXCLUSIVE; PRAGMA page_size = ${pageBytes};
    PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA fullfsync = ON;`,
  scratch: `PRAGMA locking_mode = EXCLUSIVE; PRAGMA page_size = ${pageBytes};
    PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;`,
}

/** The tables, word for word as SQLite keeps them, with the page on which each begins. */
const tables: readonly { readonly rootpage: bigint; readonly sql: string }[] = [
  {
    rootpage: 2n,
    sql: `CREATE TABLE records (seq INTEGER PRIMARY KEY, revision INTEGER, created INTEGER,
  checksum INTEGER, topic TEXT, properties TEXT, payload BLOB)`,
  },
  {
    rootpage: 3n,
    sql: `CREATE TABLE state (id INTEGER PRIMARY KEY, revision INTEGER, first INTEGER, next INTEGER,
  bytes INTEGER, salvaged INTEGER, checksum INTEGER)`,
  },
]

const sizeOfRow =
  "octet_length(topic) + octet_length(coalesce(properties, '')) + octet_length(payload)"

/**
 * The SQLite file of a spool and its statements. It knows rows; what they mean is for
 * `SqliteSpool`. Everything may throw what SQLite throws.
 */
export class SpoolDatabase {
  readonly #database: DatabaseSync
  readonly #statements = new Map<string, StatementSync>()
  #isSynchronous = true

  constructor(file: string, durability: Durability) {
    // Loaded when a spool is first needed: it costs memory and time, and most never are.
    const { DatabaseSync } = process.getBuiltinModule('node:sqlite')
    this.#database = new DatabaseSync(file)
    try {
      this.#database.exec(pragmas[durability])
      this.#prepareTables()
    } catch (error) {
      this.close()
      throw error
    }
  }

  /** Makes the tables of a new file. A bit that flipped in the description of one hides all of it. */
  #prepareTables(): void {
    const found = this.#prepare('SELECT rootpage, sql FROM sqlite_schema ORDER BY rowid').all()
    if (found.length === 0 && this.#pages <= 1) {
      this.transaction('durable', () => {
        for (const { sql } of tables) this.#database.exec(sql)
      })
      return
    }
    const isSound =
      found.length === tables.length &&
      tables.every(({ rootpage, sql }, i) => {
        const row = found[i]
        return row?.['rootpage'] === rootpage && row['sql'] === sql
      })
    if (!isSound) throw new SpoolDamage('the description of its tables is damaged')
  }

  get #pages(): number {
    return Number(this.#get('PRAGMA page_count')?.['page_count'])
  }

  get isOpen(): boolean {
    return this.#database.isOpen
  }

  /** What SQLite's own check finds wrong, in one clause; a file above 64 MiB is not checked. */
  check(): string | undefined {
    if (this.#pages * pageBytes > checkedBytesMax) return undefined
    const found = this.#get('PRAGMA quick_check(1)')?.['quick_check']
    return found === 'ok' ? undefined : String(found)
  }

  /** Runs `body` as one transaction. A durable one is on the disk on return. */
  transaction(durability: 'durable' | 'later', body: () => void): void {
    const isSynchronous = durability === 'durable'
    if (this.#isSynchronous !== isSynchronous) {
      this.#database.exec(`PRAGMA synchronous = ${isSynchronous ? 'FULL' : 'NORMAL'}`)
      this.#isSynchronous = isSynchronous
    }
    this.#database.exec('BEGIN IMMEDIATE')
    try {
      body()
      this.#database.exec('COMMIT')
    } catch (error) {
      // Some errors have rolled it back already.
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK')
      throw error
    }
  }

  insert(seq: number, revision: number, record: EncodedRecord): void {
    const { created, topic, properties, payload } = record
    // Of two versions of a record, which only a salvage sees, the later is the true one.
    this.#prepare(
      `INSERT INTO records VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (seq) DO UPDATE SET
        revision = excluded.revision, created = excluded.created, checksum = excluded.checksum,
        topic = excluded.topic, properties = excluded.properties, payload = excluded.payload
        WHERE excluded.revision > records.revision`,
    ).run(seq, revision, created, recordChecksum(seq, revision, record), topic, properties, payload)
  }

  /** The rows from `from` up to but without `to`, in order. */
  rows(from: number, to: number): Iterable<RecordRow> {
    const select = 'SELECT * FROM records WHERE seq >= ? AND seq < ? ORDER BY seq'
    // The columns are those of the table; of their types nothing is assumed.
    return this.#prepare(select).iterate(from, to) as Iterable<unknown> as Iterable<RecordRow>
  }

  /** Every number, in order. */
  *seqs(): Generator<number> {
    for (const row of this.#prepare('SELECT seq FROM records ORDER BY seq').iterate()) {
      yield Number(row['seq'])
    }
  }

  /** The number of each row with its size, in order. */
  *sizes(): Generator<{ seq: number; size: number }> {
    const select = `SELECT seq, ${sizeOfRow} AS size FROM records ORDER BY seq`
    for (const row of this.#prepare(select).iterate()) {
      yield { seq: Number(row['seq']), size: Number(row['size']) }
    }
  }

  sizeBefore(before: number): number {
    const select = `SELECT sum(${sizeOfRow}) AS size FROM records WHERE seq < ?`
    return Number(this.#get(select, before)?.['size'] ?? 0)
  }

  sizeOfAll(): number {
    return Number(this.#get(`SELECT sum(${sizeOfRow}) AS size FROM records`)?.['size'] ?? 0)
  }

  /**
   * The number of the oldest record created at `created` or later, or when the clock was not set
   * yet.
   */
  firstSince(created: number): number | undefined {
    const select = 'SELECT seq FROM records WHERE created >= ? OR created < ? ORDER BY seq LIMIT 1'
    const seq = this.#get(select, created, clockSetSince)?.['seq']
    return seq === undefined ? undefined : Number(seq)
  }

  removeBefore(before: number): void {
    this.#prepare('DELETE FROM records WHERE seq < ?').run(before)
  }

  /** Removes those outside of `first` … `next` that are not later than `revision`. */
  removeStale(state: Pick<SpoolState, 'first' | 'next' | 'revision'>): void {
    this.#prepare('DELETE FROM records WHERE NOT (seq >= ? AND seq < ?) AND revision <= ?').run(
      state.first,
      state.next,
      state.revision,
    )
  }

  state(): SpoolState | undefined {
    const row = this.#get('SELECT * FROM state WHERE id = 1')
    return row === undefined ? undefined : decodeState(row)
  }

  writeState(state: SpoolState): void {
    const { revision, first, next, bytes, salvaged } = state
    this.#prepare('INSERT OR REPLACE INTO state VALUES (1, ?, ?, ?, ?, ?, ?)').run(
      revision,
      first,
      next,
      bytes,
      salvaged,
      stateChecksum(state),
    )
  }

  /** Highest revision of a record. */
  newestRevision(): number {
    const row = this.#get('SELECT max(revision) AS revision FROM records')
    return Number(row?.['revision'] ?? 0)
  }

  /** Moves the log into the file, so that even without its log it is whole. */
  checkpoint(): void {
    this.#database.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  }

  /** Gives the room of an empty file above a megabyte back. */
  shrink(): void {
    if (this.#pages * pageBytes <= 1024 * 1024) return
    this.#database.exec('VACUUM')
    this.checkpoint()
  }

  /** Never throws: what could not be moved into the file stays in its log. */
  close(): void {
    this.#statements.clear()
    if (!this.#database.isOpen) return
    try {
      this.#database.close()
    } catch {
      // Closed all the same.
    }
  }

  #get(sql: string, ...values: number[]): Record<string, unknown> | undefined {
    return this.#prepare(sql).get(...values)
  }

  #prepare(sql: string): StatementSync {
    let statement = this.#statements.get(sql)
    if (statement === undefined) {
      statement = this.#database.prepare(sql)
      // A flipped bit makes numbers that would not fit otherwise, which throws.
      statement.setReadBigInts(true)
      this.#statements.set(sql, statement)
    }
    return statement
  }
}
