import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite'
import type { LetterChanges, StoredLetter } from '../pipeline/dead-letter.ts'
import { LetterDamage, NewerLetters } from './letter-error.ts'
import { decodeLetter, encodeLetter, encodeReturned, type LetterSummary } from './letter-row.ts'

/** Says to whom the file belongs: "EBDL". */
const applicationId = 0x4542444c
/** Of the tables. */
const version = 1
const pageBytes = 4096

/** Above this a check at opening would hold up the event loop; damage is then found on reading. */
const checkedBytesMax = 8 * 1024 * 1024

const tables = `
  CREATE TABLE letters (seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT, died INTEGER, kind TEXT,
    size INTEGER, wanted INTEGER, about TEXT, topic TEXT, payload BLOB);
  CREATE INDEX letters_wanted ON letters (seq) WHERE wanted IS NOT NULL;
  CREATE TABLE totals (one INTEGER PRIMARY KEY, items INTEGER, bytes INTEGER);
  INSERT INTO totals VALUES (1, 0, 0);
  CREATE TRIGGER letter_added AFTER INSERT ON letters BEGIN
    UPDATE totals SET items = items + 1, bytes = bytes + new.size; END;
  CREATE TRIGGER letter_removed AFTER DELETE ON letters BEGIN
    UPDATE totals SET items = items - 1, bytes = bytes - old.size; END;
  CREATE TRIGGER letter_changed AFTER UPDATE OF size ON letters BEGIN
    UPDATE totals SET bytes = bytes + new.size - old.size; END;
  PRAGMA application_id = ${applicationId};
  PRAGMA user_version = ${version};`

/** Everything but the payload. */
const summary = `seq, id, died, kind, wanted, about, topic, payload IS NOT NULL AS payload_kept`

/** How a file of dead letters is opened. */
export interface LetterDatabaseOptions {
  /** `read` changes nothing; `write` makes the tables of a new file. */
  readonly access: 'read' | 'write'
  /** How long to wait for another process that writes, milliseconds. Everything waits with it. */
  readonly waitMs: number
}

/** How much may be kept. */
export interface LetterBounds {
  readonly itemsMax: number
  readonly bytesMax: number
}

/**
 * The SQLite file of one pipeline's dead letters and its statements. Several processes may have it
 * open; each holds it for the length of one short transaction. Everything may throw what SQLite
 * throws, `LetterDamage` and `NewerLetters`.
 */
export class LetterDatabase {
  readonly #database: DatabaseSync
  readonly #statements = new Map<string, StatementSync>()
  readonly #isEmpty: boolean

  /** @param file - One that is there; it may be empty. */
  constructor(file: string, { access, waitMs }: LetterDatabaseOptions) {
    // Loaded when there is a letter: it costs memory and time, and most never need it.
    const { DatabaseSync } = process.getBuiltinModule('node:sqlite')
    this.#database = new DatabaseSync(file, { readOnly: access === 'read', timeout: waitMs })
    try {
      const hasTables = this.#check()
      if (access === 'write') this.#prepareToWrite()
      this.#isEmpty = access === 'read' && !hasTables
    } catch (error) {
      this.close()
      throw error
    }
  }

  #prepareToWrite(): void {
    // Room that is given back while others have the file open; must come before everything else.
    this.#database.exec(`PRAGMA auto_vacuum = INCREMENTAL; PRAGMA page_size = ${pageBytes};
      PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA fullfsync = ON;
      PRAGMA journal_size_limit = ${4 * 1024 * 1024}`)
    this.#transaction(() => {
      if (this.#isNew()) this.#database.exec(tables)
    })
  }

  #isNew(): boolean {
    const objects = Number(this.#get('SELECT count(*) AS n FROM sqlite_schema')?.['n'])
    return objects === 0 && this.#pragma('application_id') === 0
  }

  /** @returns Whether it has tables. */
  #check(): boolean {
    if (this.#isNew()) return false
    if (this.#pragma('application_id') !== applicationId) {
      throw new LetterDamage('it is a database of something else')
    }
    if (this.#pragma('user_version') > version) {
      throw new NewerLetters(`it has version ${this.#pragma('user_version')}`)
    }
    if (this.#pragma('page_count') * pageBytes > checkedBytesMax) return true
    const found = this.#get('PRAGMA quick_check(1)')?.['quick_check']
    if (found !== 'ok') throw new LetterDamage(String(found))
    return true
  }

  /**
   * Makes changes, all or none; on the disk on return.
   *
   * @returns How many of the oldest letters made room.
   */
  change({ added, removed, returned }: LetterChanges, bounds: LetterBounds): number {
    let discarded = 0
    this.#transaction(() => {
      for (const seq of removed) this.#run('DELETE FROM letters WHERE seq = ?', seq)
      for (const each of returned) {
        const before = this.summary(each.seq)
        // Somebody has dropped it meanwhile.
        if (before === undefined) continue
        const { kind, died, about } = encodeReturned(before, each)
        this.#run(
          `UPDATE letters SET wanted = NULL, kind = ?, died = ?, about = ?,
            size = size - octet_length(about) + ? WHERE seq = ?`,
          kind,
          died,
          about,
          Buffer.byteLength(about),
          each.seq,
        )
      }
      for (const letter of added) {
        const row = encodeLetter(letter, bounds.bytesMax)
        this.#run(
          `INSERT INTO letters (id, died, kind, size, about, topic, payload)
            VALUES (?, ?, ?, ?, ?, ?, ?)`,
          row.id,
          row.died,
          row.kind,
          row.size,
          row.about,
          row.topic,
          row.payload,
        )
      }
      if (added.length > 0) discarded = this.#makeRoom(bounds)
    })
    return discarded
  }

  /** Removes the oldest until the rest is within bounds. */
  #makeRoom({ itemsMax, bytesMax }: LetterBounds): number {
    let { items, bytes } = this.totals
    let discarded = 0
    let last = 0
    if (items <= itemsMax && bytes <= bytesMax) return 0
    for (const row of this.#iterate('SELECT seq, size FROM letters ORDER BY seq')) {
      if (items <= itemsMax && bytes <= bytesMax) break
      items -= 1
      bytes -= Number(row['size'])
      last = Number(row['seq'])
      discarded += 1
    }
    this.#run('DELETE FROM letters WHERE seq <= ?', last)
    return discarded
  }

  /** Letters whose replay is wanted, oldest first, without those of `except`. */
  wanted(itemsMax: number, except: ReadonlySet<number>): readonly StoredLetter[] {
    const letters: StoredLetter[] = []
    const select = 'SELECT seq FROM letters WHERE wanted IS NOT NULL ORDER BY seq'
    const seqs = [...this.#iterate(select)].map((row) => Number(row['seq']))
    for (const seq of seqs) {
      if (letters.length === itemsMax) break
      const letter = except.has(seq) ? undefined : this.letter(seq)
      if (letter !== undefined) letters.push(letter)
    }
    return letters
  }

  /** All letters, oldest first; `undefined` for each that cannot be read. */
  *summaries(): Generator<LetterSummary | undefined> {
    if (this.#isEmpty) return
    const select = `SELECT ${summary} FROM letters ORDER BY seq`
    for (const row of this.#iterate(select)) yield decodeLetter(row)
  }

  /** One letter without its payload. */
  summary(seq: number): LetterSummary | undefined {
    const row = this.#get(`SELECT ${summary} FROM letters WHERE seq = ?`, seq)
    return row && decodeLetter(row)
  }

  /** One letter with its payload. */
  letter(seq: number): (StoredLetter & LetterSummary) | undefined {
    const found = this.summary(seq)
    const payload = this.#get('SELECT payload FROM letters WHERE seq = ?', seq)?.['payload']
    return found && { ...found, ...(payload instanceof Uint8Array ? { payload } : {}) }
  }

  /** Asks for the replay of letters that have a payload. @returns How many there were. */
  want(seqs: readonly number[], at: number): number {
    const update = 'UPDATE letters SET wanted = ? WHERE seq = ? AND payload IS NOT NULL'
    return this.#each(seqs, (seq) => this.#run(update, at, seq))
  }

  /** @returns How many there were. */
  remove(seqs: readonly number[]): number {
    return this.#each(seqs, (seq) => this.#run('DELETE FROM letters WHERE seq = ?', seq))
  }

  /** Gives room back to the disk. @returns Whether there is more. */
  shrink(pages: number): boolean {
    this.#database.exec(`PRAGMA incremental_vacuum(${pages})`)
    return this.#pragma('freelist_count') > 0
  }

  get totals(): { readonly items: number; readonly bytes: number } {
    if (this.#isEmpty) return { items: 0, bytes: 0 }
    const row = this.#get('SELECT items, bytes FROM totals')
    return { items: Number(row?.['items']), bytes: Number(row?.['bytes']) }
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

  #each(seqs: readonly number[], run: (seq: number) => number): number {
    let count = 0
    this.#transaction(() => {
      for (const seq of seqs) count += run(seq)
    })
    return count
  }

  #transaction(body: () => void): void {
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

  #run(sql: string, ...values: SQLInputValue[]): number {
    return Number(this.#prepare(sql).run(...values).changes)
  }

  #get(sql: string, ...values: SQLInputValue[]): Record<string, unknown> | undefined {
    return this.#prepare(sql).get(...values)
  }

  #iterate(sql: string): Iterable<Record<string, unknown>> {
    return this.#prepare(sql).iterate()
  }

  #pragma(name: 'application_id' | 'user_version' | 'page_count' | 'freelist_count'): number {
    return Number(this.#get(`PRAGMA ${name}`)?.[name])
  }

  #prepare(sql: string): StatementSync {
    let statement = this.#statements.get(sql)
    if (statement === undefined) {
      statement = this.#database.prepare(sql)
      this.#statements.set(sql, statement)
    }
    return statement
  }
}
