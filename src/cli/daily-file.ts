import {
  closeSync,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { Clock } from '../core/clock.ts'
import { EdgebootError } from '../core/errors.ts'

/** A day that logs more than this gets a second file. */
const fileBytesMax = 64 * 1024 * 1024

/** What a {@link DailyFile} is made of. */
export interface DailyFileOptions {
  /** Where today's lines are. */
  readonly path: string
  /** Files of earlier days that are kept, besides today's. */
  readonly keepFiles: number
  readonly clock: Pick<Clock, 'now'>
  /** Default 64 MiB. */
  readonly fileBytesMax?: number
}

/**
 * A log file that begins anew every day, as pyboot's does: today's lines are always in `path`,
 * those of an earlier day in `path.2026-01-31` (`path.2026-01-31.1` when that day filled several).
 * The oldest files are removed. No timer: the day is looked at with every line, and when opening
 * what an earlier run left. Lines are in the file when `write` returns.
 */
export class DailyFile {
  readonly #path: string
  readonly #keepFiles: number
  readonly #clock: Pick<Clock, 'now'>
  readonly #fileBytesMax: number
  #descriptor: number | undefined
  #bytes = 0
  #day: { readonly name: string; readonly from: number; readonly until: number }

  constructor(options: DailyFileOptions) {
    this.#path = options.path
    this.#keepFiles = options.keepFiles
    this.#clock = options.clock
    this.#fileBytesMax = options.fileBytesMax ?? fileBytesMax
    this.#day = dayOf(options.clock.now())
  }

  /**
   * Opens the file, with its folder.
   *
   * @throws EdgebootError `CLI_LOG_FILE` when that cannot be.
   */
  open(): void {
    try {
      mkdirSync(dirname(this.#path), { recursive: true })
      const left = statSync(this.#path, { throwIfNoEntry: false })
      const leftOn = left === undefined ? this.#day : dayOf(left.mtimeMs)
      if (leftOn.name !== this.#day.name) this.#setAside(leftOn.name)
      this.#reopen()
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause)
      const text = `The log file ${this.#path} cannot be written: ${why}.`
      throw new EdgebootError('CLI_LOG_FILE', text, { details: { where: this.#path }, cause })
    }
  }

  /** @throws What the file system says, such as that the disk is full. */
  write(line: string): void {
    const now = this.#clock.now()
    const isAnotherDay = now < this.#day.from || now >= this.#day.until
    if (isAnotherDay || this.#bytes >= this.#fileBytesMax) {
      this.close()
      this.#setAside(this.#day.name)
      this.#day = dayOf(now)
    }
    if (this.#descriptor === undefined) this.#reopen()
    this.#bytes += writeSync(this.#descriptor!, line)
  }

  /** Waits until what was written is on the disk. */
  flush(): void {
    if (this.#descriptor !== undefined) fsyncSync(this.#descriptor)
  }

  /** Idempotent; a later `write` opens it again. */
  close(): void {
    if (this.#descriptor === undefined) return
    closeSync(this.#descriptor)
    this.#descriptor = undefined
  }

  #reopen(): void {
    this.#descriptor = openSync(this.#path, 'a', 0o640)
    this.#bytes = fstatSync(this.#descriptor).size
  }

  /**
   * Gives the file the name of its day, and removes the oldest of its kind. Where that is not
   * possible, as when somebody has removed the file, writing goes on in `path`.
   */
  #setAside(day: string): void {
    try {
      const numbers = this.#earlier()
        .filter((file) => file.day === day)
        .map((file) => file.number)
      const number = numbers.length === 0 ? 0 : Math.max(...numbers) + 1
      renameSync(this.#path, `${this.#path}.${day}${number === 0 ? '' : `.${number}`}`)
      const kept = this.#earlier().toSorted(
        (a, b) => b.day.localeCompare(a.day) || b.number - a.number,
      )
      for (const { path } of kept.slice(this.#keepFiles)) rmSync(path, { force: true })
    } catch {
      // The line that is about to be written matters more.
    }
  }

  #earlier(): { readonly path: string; readonly day: string; readonly number: number }[] {
    const folder = dirname(this.#path)
    const start = `${basename(this.#path)}.`
    return readdirSync(folder).flatMap((name) => {
      if (!name.startsWith(start)) return []
      const found = /^(\d{4}-\d{2}-\d{2})(?:\.(\d+))?$/.exec(name.slice(start.length))
      if (found === null) return []
      return [{ path: join(folder, name), day: found[1]!, number: Number(found[2] ?? 0) }]
    })
  }
}

/** The day in the machine's own time zone that a moment lies in. */
function dayOf(ms: number): { name: string; from: number; until: number } {
  const from = new Date(ms)
  from.setHours(0, 0, 0, 0)
  const until = new Date(from)
  until.setDate(until.getDate() + 1)
  const month = String(from.getMonth() + 1).padStart(2, '0')
  const day = String(from.getDate()).padStart(2, '0')
  const name = `${String(from.getFullYear()).padStart(4, '0')}-${month}-${day}`
  return { name, from: from.getTime(), until: until.getTime() }
}
