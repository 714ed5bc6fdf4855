import {
  chmodSync,
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { makeDurableFolder, syncFile } from '../../core/durable-folder.ts'
import { sqlite, sqliteCode } from '../../core/sqlite-error.ts'
import {
  recordsInTail,
  removeDatabase,
  salvage,
  type DamagedLog,
  type SalvageReport,
} from './salvage.ts'
import { SpoolDatabase } from './spool-database.ts'
import { isDamage, SpoolDamage } from './spool-error.ts'
import type { SoundRecord } from './spool-record.ts'
import { inspectLog, type LogInspection } from './write-ahead-log.ts'

/** Damaged files that are kept for whoever wants to look into them. */
const damagedFilesMax = 2

/** Whether an earlier run left a spool, or one that was being salvaged. */
export function hasSpoolFile(file: string): boolean {
  return existsSync(file) || existsSync(salvageFile(file))
}

/** A file that was opened, and what had to be done for it. */
export interface OpenedFile {
  readonly database: SpoolDatabase
  /** Present when the file was damaged and has been replaced. */
  readonly salvaged?: SalvagedFile
  /** Records of a commit that was interrupted or cut short: SQLite has forgotten them. */
  readonly tail: readonly SoundRecord[]
}

/** A damaged file that was replaced by what could be read of it. */
export interface SalvagedFile extends SalvageReport {
  readonly problem: string
  readonly keptAs: string
}

/**
 * Opens the file of a spool, or makes it; one that is damaged is salvaged first.
 *
 * @param now - Milliseconds since 1970, for the name under which a damaged file is kept.
 * @throws What SQLite or the system throws; never for damage.
 */
export function openSpoolFile(file: string, now: number): OpenedFile {
  makeDurableFolder(dirname(file))
  finishSalvage(file)
  const log = inspectLog(readLog(file))
  const problem = fileProblem(file, log)
  if (problem === undefined) {
    const tail = log.tail.length === 0 ? [] : recordsInTail(file, log)
    try {
      return { database: openSound(file), tail }
    } catch (error) {
      if (!(error instanceof Error) || !isDamage(error)) throw error
      return replaceDamaged(file, log, error.message, now)
    }
  }
  refuseLocked(file)
  return replaceDamaged(file, log, problem, now)
}

/**
 * Puts what can be read of a damaged file in its place and keeps the damaged one beside it.
 *
 * A crash at any point leaves either the damaged file as it was, or the new one complete.
 *
 * @param log - The frames of its write-ahead log; closing a database empties the log itself.
 */
export function replaceDamaged(
  file: string,
  log: DamagedLog,
  problem: string,
  now: number,
): OpenedFile {
  const report = salvage(file, log, salvageFile(file))
  const keptAs = `${file}.damaged-${new Date(now).toISOString().replaceAll(/[:.]/g, '')}`
  removeDatabase(keptAs)
  if (existsSync(file)) renameSync(file, keptAs)
  if (existsSync(`${file}-wal`)) renameSync(`${file}-wal`, `${keptAs}-wal`)
  finishSalvage(file)
  forgetOldDamage(file)
  return { database: openSound(file), tail: [], salvaged: { ...report, problem, keptAs } }
}

/** @throws What SQLite throws, or `SpoolDamage`. */
function openSound(file: string): SpoolDatabase {
  const isNew = !existsSync(file)
  if (isNew) {
    closeSync(openSync(file, 'wx', 0o600))
    // SQLite gives its log the permissions of the file. The name has to survive a crash as well.
    syncFile(dirname(file))
  } else {
    chmodSync(file, 0o600)
  }
  const database = new SpoolDatabase(file, 'durable')
  try {
    const problem = isNew ? undefined : database.check()
    if (problem !== undefined) throw new SpoolDamage(problem)
    if (database.state() === undefined) rebuildState(database)
    return database
  } catch (error) {
    database.close()
    throw error
  }
}

/** Writes the state row of a new file, or of one whose row is damaged, from what is there. */
function rebuildState(database: SpoolDatabase): void {
  let first: number | undefined
  let next = 1
  for (const seq of database.seqs()) {
    first ??= seq
    next = seq + 1
  }
  const revision = database.newestRevision() + 1
  const bytes = database.sizeOfAll()
  database.transaction('durable', () =>
    database.writeState({ revision, first: first ?? 1, next, bytes, salvaged: 0 }),
  )
  // From here on the tables are in the file itself, whatever becomes of the log.
  database.checkpoint()
}

/** What is wrong with a file at first sight. SQLite would open some of these, and lose what is in them. */
function fileProblem(file: string, log: LogInspection): string | undefined {
  if (log.problem !== undefined) return `its write-ahead log: ${log.problem}`
  const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0
  if (size === 0)
    return log.frames.length + log.tail.length > 0 ? 'it is empty, and its log is not' : undefined
  return headerProblem(readHeader(file))
}

/** Fields of the header whose values are known (SQLite's file format, 1.3). */
function headerProblem(header: Buffer): string | undefined {
  const isSound =
    header.subarray(0, 16).toString('latin1') === 'SQLite format 3\0' &&
    header.readUInt16BE(16) === 4096 &&
    // 1 while it is being made, 2 with a write-ahead log.
    (header[18] === 1 || header[18] === 2) &&
    header[19] === header[18] &&
    header.subarray(20, 24).equals(Buffer.from([0, 64, 32, 32]))
  return isSound ? undefined : 'its header is damaged'
}

function readHeader(file: string): Buffer {
  const header = Buffer.alloc(100)
  const descriptor = openSync(file, 'r')
  try {
    readSync(descriptor, header, 0, header.length, 0)
  } finally {
    closeSync(descriptor)
  }
  return header
}

function readLog(file: string): Buffer {
  return existsSync(`${file}-wal`) ? readFileSync(`${file}-wal`) : Buffer.alloc(0)
}

/** What looks like damage may be another process at work. @throws SQLite's "database is locked". */
function refuseLocked(file: string): void {
  if (!existsSync(file)) return
  try {
    new SpoolDatabase(file, 'durable').close()
  } catch (error) {
    if (sqliteCode(error) === sqlite.busy) throw error
  }
}

function salvageFile(file: string): string {
  return `${file}.salvaging`
}

/** Takes the last steps of a salvage: the new file is complete once the damaged one is out of the way. */
function finishSalvage(file: string): void {
  const fresh = salvageFile(file)
  if (!existsSync(fresh)) return
  if (existsSync(file)) {
    removeDatabase(fresh)
    return
  }
  rmSync(`${file}-wal`, { force: true })
  renameSync(fresh, file)
  syncFile(dirname(file))
}

function forgetOldDamage(file: string): void {
  const prefix = `${basename(file)}.damaged-`
  const kept = readdirSync(dirname(file)).filter(
    (name) => name.startsWith(prefix) && !name.endsWith('-wal'),
  )
  // Their names sort by time.
  for (const name of kept.toSorted().slice(0, -damagedFilesMax)) {
    removeDatabase(join(dirname(file), name))
  }
}
