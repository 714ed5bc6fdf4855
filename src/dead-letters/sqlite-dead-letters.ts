import { closeSync, existsSync, openSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { DeadLetterStoreSettings } from '../config/settings.ts'
import type { Clock } from '../core/clock.ts'
import { makeDurableFolder, syncFile } from '../core/durable-folder.ts'
import type { Logger } from '../core/log.ts'
import { systemCode } from '../core/sqlite-error.ts'
import type { DeadLetterStore, LetterChanges, StoredLetter } from '../pipeline/dead-letter.ts'
import { LetterDatabase } from './letter-database.ts'
import { isUseless, letterError } from './letter-error.ts'

/** How long everything waits for another process that holds the file. */
const waitMs = 2000
/** Files put aside that are kept for whoever wants to look into them. */
const asideMax = 2

/** What a store needs from around it. */
export interface SqliteDeadLettersParts {
  readonly settings: DeadLetterStoreSettings
  readonly clock: Pick<Clock, 'now'>
  readonly log: Logger
}

/**
 * Dead letters in an SQLite file, which is made with the first of them. The promises are those of
 * {@link DeadLetterStore}.
 *
 * Durable: a write-ahead log with an fsync for each commit, and the folder synchronised when the
 * file is made. Shared: `edgeboot dlq` may have it open at the same time. A file that is damaged, of
 * something else, or of a newer edgeboot is put aside, whole, and a new one begun; one that was
 * deleted or exchanged while it was open is noticed. Readable for its owner alone, since payloads
 * may be confidential.
 */
export class SqliteDeadLetters implements DeadLetterStore {
  readonly #parts: SqliteDeadLettersParts
  #database: LetterDatabase | undefined
  /** Of the file that is open. */
  #inode = 0

  constructor(parts: SqliteDeadLettersParts) {
    this.#parts = parts
  }

  isThere(): boolean {
    return existsSync(this.#parts.settings.file)
  }

  write(changes: LetterChanges): number {
    return this.#use((database) => database.change(changes, this.#parts.settings))
  }

  wanted(itemsMax: number, except: ReadonlySet<number>): readonly StoredLetter[] {
    return this.#use((database) => database.wanted(itemsMax, except))
  }

  close(): void {
    this.#database?.close()
    this.#database = undefined
  }

  /** @throws EdgebootError `DEAD_LETTERS_…`, never for damage. */
  #use<T>(work: (database: LetterDatabase) => T): T {
    const { file } = this.#parts.settings
    try {
      try {
        return work(this.#open())
      } catch (error) {
        if (!isUseless(error)) throw error
        this.#putAside(error.message)
        return work(this.#open())
      }
    } catch (error) {
      // Whatever it was: the next attempt begins from what is on the disk.
      this.close()
      throw letterError(error, file)
    }
  }

  #open(): LetterDatabase {
    const { file } = this.#parts.settings
    const inode = statSync(file, { throwIfNoEntry: false })?.ino
    if (this.#database !== undefined && inode === this.#inode) return this.#database
    this.close()
    if (inode === undefined) create(file)
    this.#database = new LetterDatabase(file, { access: 'write', waitMs })
    this.#inode = statSync(file).ino
    return this.#database
  }

  #putAside(problem: string): void {
    const { settings, clock, log } = this.#parts
    const { file } = settings
    this.close()
    const keptAs = `${file}.damaged-${new Date(clock.now()).toISOString().replaceAll(/[:.]/g, '')}`
    renameSync(file, keptAs)
    if (existsSync(`${file}-wal`)) renameSync(`${file}-wal`, `${keptAs}-wal`)
    rmSync(`${file}-shm`, { force: true })
    forgetOld(file)
    log.error('dead-letter.damaged', { file, problem, keptAs })
  }
}

function create(file: string): void {
  makeDurableFolder(dirname(file))
  // What a deleted file has left would be taken for the new one's.
  for (const ending of ['-wal', '-shm']) rmSync(file + ending, { force: true })
  try {
    closeSync(openSync(file, 'wx', 0o600))
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw error
  }
  syncFile(dirname(file))
}

function forgetOld(file: string): void {
  const prefix = `${basename(file)}.damaged-`
  const folder = dirname(file)
  const kept = readdirSync(folder).filter(
    (name) => name.startsWith(prefix) && !name.endsWith('-wal'),
  )
  // Their names sort by time.
  for (const name of kept.toSorted().slice(0, -asideMax)) {
    for (const ending of ['', '-wal']) rmSync(join(folder, name + ending), { force: true })
  }
}
