import { closeSync, existsSync, fstatSync, openSync, readSync, rmSync } from 'node:fs'
import { syncFile } from '../../core/durable-folder.ts'
import { decodeRow, decodeState, type SoundRecord, type SpoolState } from './spool-record.ts'
import { SpoolDatabase } from './spool-database.ts'
import { cellsOf, pageBytes, type Cell, type PageLookup } from './sqlite-pages.ts'
import type { LogInspection } from './write-ahead-log.ts'

/** What came out of a damaged file. */
export interface SalvageReport {
  readonly recovered: number
  /** Numbers that should be there and are not, such as `17, 40-43`; empty for none. */
  readonly missing: string
  readonly missingCount: number
}

/** The frames of a write-ahead log, whatever state it is in. */
export type DamagedLog = Pick<LogInspection, 'frames' | 'tail'>

/** Ranges that are named; what is beyond is only counted. */
const rangesMax = 20

/**
 * Builds a new spool, complete and on the disk, out of all that can be read of a damaged one, which
 * stays as it is.
 *
 * Every page of the file and of its log is read, reachable or not, so one that is damaged costs
 * what is on it. The checksum of each record says whether it is one, and the state row which of
 * them had not been removed yet; where that is lost too, removed ones may come back and be
 * published again. Takes about a second for 100 MB and holds up everything.
 *
 * @param file - The damaged one. Nobody may have it open.
 * @param log - The frames of its write-ahead log.
 * @param target - Where to build; what is there is overwritten.
 */
export function salvage(file: string, log: DamagedLog, target: string): SalvageReport {
  removeDatabase(target)
  closeSync(openSync(target, 'wx', 0o600))
  const fresh = new SpoolDatabase(target, 'scratch')
  try {
    const report = fill(fresh, file, log)
    fresh.close()
    syncFile(target)
    return report
  } catch (error) {
    fresh.close()
    removeDatabase(target)
    throw error
  }
}

function fill(fresh: SpoolDatabase, file: string, log: DamagedLog): SalvageReport {
  let report: SalvageReport = { recovered: 0, missing: '', missingCount: 0 }
  fresh.transaction('later', () => {
    let known: SpoolState | undefined
    using pages = new PageFile(file)
    for (const row of rowsOf(pages, log)) {
      if ('next' in row) {
        if (known === undefined || row.revision > known.revision) known = row
      } else {
        fresh.insert(row.record.seq, row.revision, row.encoded)
      }
    }
    if (known !== undefined) fresh.removeStale(known)
    report = settle(fresh, known)
  })
  return report
}

/** Writes the state of what was found, and counts what was not. */
function settle(fresh: SpoolDatabase, known: SpoolState | undefined): SalvageReport {
  let first = known?.first
  let next = known?.next ?? 1
  let recovered = 0
  let missingCount = 0
  const ranges: string[] = []
  let expected = first
  const gap = (from: number, to: number): void => {
    missingCount += to - from
    if (ranges.length < rangesMax) ranges.push(to - from === 1 ? `${from}` : `${from}-${to - 1}`)
  }
  for (const seq of fresh.seqs()) {
    recovered += 1
    if (first === undefined || seq < first) first = expected = seq
    if (expected !== undefined && seq > expected) gap(expected, seq)
    expected = seq + 1
    next = Math.max(next, expected)
  }
  if (expected !== undefined && expected < next) gap(expected, next)
  fresh.writeState({
    revision: Math.max(known?.revision ?? 0, fresh.newestRevision()) + 1,
    first: first ?? 1,
    next,
    bytes: fresh.sizeOfAll(),
    salvaged: 1,
  })
  return { recovered, missing: ranges.join(', '), missingCount }
}

/** Every sound record and state row of a file and its log. */
function* rowsOf(file: PageFile, log: DamagedLog): Generator<SoundRecord | SpoolState> {
  const lookup = newestPages(file, log)
  for (let number = 1; number <= file.pages; number++) {
    const image = file.read(number)
    if (image !== undefined) yield* rowsOn(image, number, lookup)
  }
  for (const { page, pageNumber } of log.frames) yield* rowsOn(page, pageNumber, lookup)
  for (const { page, pageNumber } of log.tail) {
    for (const row of rowsOn(page, pageNumber, lookup)) {
      // What a commit that may never have been completed was about to say is no measure of loss.
      if (!('next' in row)) yield row
    }
  }
}

/**
 * The sound records in the tail of a log, as they would be had its last commit been completed. The
 * file is only read.
 */
export function recordsInTail(file: string, log: DamagedLog): SoundRecord[] {
  using pages = new PageFile(file)
  const lookup = newestPages(pages, log)
  const rows = log.tail.flatMap(({ page, pageNumber }) => [...rowsOn(page, pageNumber, lookup)])
  return rows.filter((row): row is SoundRecord => 'record' in row)
}

function newestPages(file: PageFile, log: DamagedLog): PageLookup {
  const frames = [...log.frames, ...log.tail]
  const newest = new Map(frames.map((frame) => [frame.pageNumber, frame.page]))
  return (number) => newest.get(number) ?? file.read(number)
}

function* rowsOn(
  page: Buffer,
  number: number,
  lookup: PageLookup,
): Generator<SoundRecord | SpoolState> {
  for (const cell of cellsOf(page, number === 1 ? 100 : 0, lookup)) {
    const row = recordOf(cell) ?? stateOf(cell)
    if (row !== undefined) yield row
  }
}

/** The first column stands for the number of the row, and is empty. */
function recordOf({ rowid, values }: Cell): SoundRecord | undefined {
  const [, revision, created, checksum, topic, properties, payload] = values
  return decodeRow({ seq: rowid, revision, created, checksum, topic, properties, payload })
}

function stateOf({ values }: Cell): SpoolState | undefined {
  const [, revision, first, next, bytes, salvaged, checksum] = values
  return decodeState({ revision, first, next, bytes, salvaged, checksum })
}

/** The pages of a file, none where there is no file. */
class PageFile {
  readonly pages: number
  readonly #descriptor: number | undefined

  constructor(file: string) {
    this.#descriptor = existsSync(file) ? openSync(file, 'r') : undefined
    const size = this.#descriptor === undefined ? 0 : fstatSync(this.#descriptor).size
    this.pages = Math.ceil(size / pageBytes)
  }

  /** What a file that was cut short lacks of its last page is zeros. */
  read(number: number): Buffer | undefined {
    if (this.#descriptor === undefined || number < 1 || number > this.pages) return undefined
    const page = Buffer.alloc(pageBytes)
    try {
      readSync(this.#descriptor, page, 0, pageBytes, (number - 1) * pageBytes)
      return page
    } catch {
      // A sector that cannot be read costs what is on it.
      return undefined
    }
  }

  [Symbol.dispose](): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor)
  }
}

/** Removes a database with all that SQLite puts beside it. */
export function removeDatabase(file: string): void {
  for (const ending of ['', '-wal', '-shm', '-journal']) rmSync(`${file}${ending}`, { force: true })
}
