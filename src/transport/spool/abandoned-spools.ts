import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Logger } from '../../core/log.ts'
import { isSqliteBusy, sqliteCode, systemCode } from '../../core/sqlite-error.ts'
import { removeDatabase } from './salvage.ts'
import { clockSetSince } from './spool-clock.ts'
import { decodeState } from './spool-record.ts'
import { inspectLog } from './write-ahead-log.ts'

/** Where to look, and what to leave alone. */
export interface AbandonedSpoolsOptions {
  /** Folder of the spools. One that is not there has none. */
  readonly folder: string
  /** Files that a pipeline of the configuration uses: they may be open this very moment. */
  readonly inUse: ReadonlySet<string>
  readonly log: Logger
}

/** What is in a spool that nobody uses. */
type Content =
  | { readonly results: number; readonly since?: number }
  /** `problem` is a clause. */
  | { readonly problem: string }

/**
 * Tells of spools that no pipeline uses: results wait in them for a rule, func or broker that was
 * renamed or removed, and nobody would ever send them. Empty ones are deleted.
 *
 * Reads only; takes a millisecond or two for each file. SQLite is loaded when there is one. Never
 * throws.
 */
export function tellOfAbandonedSpools({ folder, inUse, log }: AbandonedSpoolsOptions): void {
  for (const file of abandonedFiles(folder, inUse)) {
    const content = contentOf(file)
    if ('results' in content && content.results === 0 && remove(file)) continue
    log.warn('spool.abandoned', {
      file,
      ...('results' in content
        ? {
            results: content.results,
            ...(content.since !== undefined && { since: new Date(content.since).toISOString() }),
          }
        : { reason: content.problem }),
      meaning: 'results wait in this file, and no pipeline of the configuration sends them',
      fix:
        'to have them sent, put the names of the rule, its func and its output broker back as ' +
        'they were, and its spool on; to give them up, delete the file',
    })
  }
}

/** Also one whose salvage was cut short: then the file itself may have another name for now. */
function abandonedFiles(folder: string, inUse: ReadonlySet<string>): readonly string[] {
  let names: readonly string[]
  try {
    names = readdirSync(folder)
  } catch {
    // None was ever written; one that cannot be read is the pipelines' to report.
    return []
  }
  const bases = names.flatMap((name) => /^(.*\.sqlite)(?:\.salvaging)?$/.exec(name)?.[1] ?? [])
  return [...new Set(bases)].toSorted().flatMap((name) => {
    const file = join(folder, name)
    return inUse.has(file) ? [] : [file]
  })
}

function contentOf(file: string): Content {
  if (!existsSync(file)) return { problem: 'it is damaged, and what could be read is beside it' }
  const log = `${file}-wal`
  const hadLog = existsSync(log)
  try {
    // A commit that was cut short may hold results that the tables do not show.
    const { tail, problem } = inspectLog(hadLog ? readFileSync(log) : Buffer.alloc(0))
    if (tail.length > 0 || problem !== undefined)
      return { problem: 'its last commit is incomplete' }
    return readContent(file)
  } catch (thrown) {
    return { problem: problemOf(thrown) }
  } finally {
    // Made by the reading; a spool in use has no shared memory.
    if (!hadLog) rmSync(log, { force: true })
    rmSync(`${file}-shm`, { force: true })
  }
}

/** @throws what SQLite says. */
function readContent(file: string): Content {
  const { DatabaseSync } = process.getBuiltinModule('node:sqlite')
  const database = new DatabaseSync(file, { readOnly: true })
  try {
    const select = (sql: string): Record<string, unknown> | undefined => {
      const statement = database.prepare(sql)
      statement.setReadBigInts(true)
      return statement.get()
    }
    const row = select('SELECT * FROM state WHERE id = 1')
    const state = row && decodeState(row)
    if (state === undefined) return { problem: 'it is damaged' }
    const oldest = select('SELECT created FROM records ORDER BY seq LIMIT 1')
    const created = Number(oldest?.['created'])
    // Before that the clock of the machine was not set; after it, a bit may have flipped.
    const isStamp = created >= clockSetSince && created <= 8.64e15
    return { results: state.next - state.first, ...(isStamp && { since: created }) }
  } finally {
    database.close()
  }
}

function problemOf(thrown: unknown): string {
  if (isSqliteBusy(thrown)) return 'another process uses it'
  const message = thrown instanceof Error ? thrown.message : String(thrown)
  const words = sqliteCode(thrown) === 0 ? (systemCode(thrown) ?? message) : message
  return `it cannot be read: ${words}`
}

/** @returns Whether it is gone. */
function remove(file: string): boolean {
  try {
    removeDatabase(file)
    return true
  } catch {
    return false
  }
}
