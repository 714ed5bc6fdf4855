import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { EdgebootError } from '../core/errors.ts'
import type { Settings } from './settings.ts'

/** What SQLite says when another process has the file: `SQLITE_BUSY`. */
const busy = 5

/**
 * Keeps the state folder to one edgeboot at a time. Two would forward each other's results, and
 * each would end the sessions of the other as ones that left the configuration.
 *
 * The lock is one of the operating system, on the file `lock` through SQLite: it is gone with its
 * process, however that ended. `lock.holder` beside it says to people who has it.
 */
export class StateLock {
  readonly #database: DatabaseSync

  private constructor(database: DatabaseSync) {
    this.#database = database
  }

  /**
   * Takes the lock. Settings of QoS 0 alone need none, and get one only where there is a folder from
   * before and nobody else has it.
   *
   * @throws EdgebootError `CONFIG_STATE_IN_USE`, `CONFIG_STATE_UNUSABLE`.
   */
  static async take(settings: Settings): Promise<StateLock | undefined> {
    const keeps = settings.pipelines.some(
      ({ source, sink }) => source.qos !== 0 || sink.spool !== undefined,
    )
    if (keeps) return await this.#take(settings)
    if (!existsSync(settings.stateFolder)) return undefined
    try {
      return await this.#take(settings)
    } catch {
      return undefined
    }
  }

  static async #take(settings: Settings): Promise<StateLock> {
    // Loaded only where it is needed: it costs a start with QoS 0 time and memory.
    const { DatabaseSync } = await import('node:sqlite')
    const file = join(settings.stateFolder, 'lock')
    const database = locked(DatabaseSync, file, settings)
    writeHolder(file, settings.file)
    return new StateLock(database)
  }

  /** Gives the folder back. To be called once. */
  release(): void {
    this.#database.close()
  }
}

function locked(Database: typeof DatabaseSync, file: string, settings: Settings): DatabaseSync {
  const { stateFolder } = settings
  let database: DatabaseSync | undefined
  try {
    makeFolder(stateFolder)
    database = new Database(file, { timeout: 0 })
    // The lock alone is wanted: no byte is written for it, so that a full disk is no obstacle.
    database.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE')
    return database
  } catch (cause) {
    database?.close()
    const details = { where: settings.file, stateFolder }
    if ((cause as { errcode?: unknown }).errcode === busy) {
      const message = `the state folder ${stateFolder} is in use by another edgeboot${holder(file)}`
      throw new EdgebootError('CONFIG_STATE_IN_USE', message, { details, cause })
    }
    const why = cause instanceof Error ? cause.message : String(cause)
    const message = `the state folder ${stateFolder} cannot be used: ${why}`
    throw new EdgebootError('CONFIG_STATE_UNUSABLE', message, { details, cause })
  }
}

/** Not by Node's `recursive`: below /proc that never returns. */
function makeFolder(folder: string): void {
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() === true) return
  const parent = dirname(folder)
  if (!existsSync(parent)) makeFolder(parent)
  mkdirSync(folder)
}

/** A help for people; the lock does without. */
function writeHolder(file: string, configFile: string): void {
  try {
    writeFileSync(`${file}.holder`, `process ${process.pid}, ${configFile}\n`)
  } catch {
    // A full disk is no reason not to run.
  }
}

function holder(file: string): string {
  try {
    const text = readFileSync(`${file}.holder`, 'utf8').trim()
    return text === '' ? '' : ` (${text.slice(0, 500)})`
  } catch {
    return ''
  }
}
