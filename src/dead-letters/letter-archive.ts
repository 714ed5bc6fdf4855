import { readdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { EdgebootError } from '../core/errors.ts'
import { systemCode } from '../core/sqlite-error.ts'
import type { StoredLetter } from '../pipeline/dead-letter.ts'
import { LetterDatabase } from './letter-database.ts'
import { letterError } from './letter-error.ts'
import type { LetterSummary } from './letter-row.ts'

/** How long a command waits for a host that writes. */
const waitMs = 5000
/** Letters of one transaction: a host that wants to write waits no longer than for these. */
const chunkItemsMax = 100
/** Pages that are given back to the disk at once. */
const chunkPages = 256

/** A letter, and the file that it is in. Without what makes it large. */
export interface ArchivedLetter extends Omit<LetterSummary, 'userProperties'> {
  readonly file: string
}

/** What a folder of dead letters holds. */
export interface ArchiveContent {
  /** Those given up last come first. */
  readonly letters: readonly ArchivedLetter[]
  /** Letters that say nothing any more, by file. */
  readonly unreadable: ReadonlyMap<string, number>
  /** Why files could not be read. */
  readonly problems: readonly EdgebootError[]
}

/**
 * All dead letters of an instance, whether it runs or not: every file of the folder, also of rules
 * and funcs that are gone from the configuration. Hosts may write to the files at the same time, so
 * whatever is changed is changed in short transactions.
 */
export class LetterArchive {
  readonly #folder: string

  constructor(folder: string) {
    this.#folder = folder
  }

  /** @param filter - What is kept of each file. */
  read(filter: (letter: LetterSummary) => boolean = () => true): ArchiveContent {
    const letters: ArchivedLetter[] = []
    const unreadable = new Map<string, number>()
    const problems: EdgebootError[] = []
    for (const file of this.#files()) {
      try {
        this.#use(file, 'read', (database) => {
          for (const summary of database.summaries()) {
            if (summary === undefined) unreadable.set(file, (unreadable.get(file) ?? 0) + 1)
            else if (filter(summary)) letters.push({ ...light(summary), file })
          }
        })
      } catch (thrown) {
        problems.push(letterError(thrown, file))
      }
    }
    // The number decides between those of one moment.
    letters.sort((one, other) => other.diedAt - one.diedAt || other.seq - one.seq)
    return { letters, unreadable, problems }
  }

  /**
   * One letter with all that is known of it; `undefined` when it is gone meanwhile.
   *
   * @throws EdgebootError `DEAD_LETTERS_…`
   */
  letter({ file, seq }: ArchivedLetter): (StoredLetter & LetterSummary) | undefined {
    return this.#use(file, 'read', (database) => database.letter(seq))
  }

  /**
   * Asks for the replay of letters; those without a payload are left out.
   *
   * @returns How many will be replayed.
   * @throws EdgebootError `DEAD_LETTERS_…`
   */
  want(letters: readonly ArchivedLetter[], at: number): number {
    return this.#change(letters, (database, seqs) => database.want(seqs, at))
  }

  /**
   * Removes letters and gives their room back to the disk.
   *
   * @returns How many there were.
   * @throws EdgebootError `DEAD_LETTERS_…`
   */
  drop(letters: readonly ArchivedLetter[]): number {
    return this.#change(
      letters,
      (database, seqs) => database.remove(seqs),
      (database) => {
        while (database.shrink(chunkPages)) {
          // A host may write in between.
        }
      },
    )
  }

  #change(
    letters: readonly ArchivedLetter[],
    change: (database: LetterDatabase, seqs: readonly number[]) => number,
    finish: (database: LetterDatabase) => void = () => {},
  ): number {
    let count = 0
    for (const [file, inFile] of Map.groupBy(letters, (letter) => letter.file)) {
      const seqs = inFile.map(({ seq }) => seq)
      this.#use(file, 'write', (database) => {
        for (let i = 0; i < seqs.length; i += chunkItemsMax) {
          count += change(database, seqs.slice(i, i + chunkItemsMax))
        }
        finish(database)
      })
    }
    return count
  }

  #use<T>(file: string, access: 'read' | 'write', work: (database: LetterDatabase) => T): T {
    let database: LetterDatabase | undefined
    try {
      database = new LetterDatabase(file, { access, waitMs })
      return work(database)
    } catch (error) {
      throw letterError(error, file)
    } finally {
      database?.close()
    }
  }

  /** @throws EdgebootError `DEAD_LETTERS_UNUSABLE` for a folder that may not be read. */
  #files(): readonly string[] {
    try {
      const names = readdirSync(this.#folder).filter((name) => name.endsWith('.sqlite'))
      return names.toSorted().map((name) => join(this.#folder, basename(name)))
    } catch (thrown) {
      // None was ever written.
      if (systemCode(thrown) === 'ENOENT') return []
      throw letterError(thrown, this.#folder)
    }
  }
}

/** A list may hold many of them. */
function light(summary: LetterSummary): Omit<LetterSummary, 'userProperties'> {
  const { userProperties: _left, error, ...facts } = summary
  const { stack: _out, ...short } = error
  return { ...facts, error: short }
}
