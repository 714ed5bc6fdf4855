import { EdgebootError } from '../core/errors.ts'
import { isDiskFull, isSqliteBusy, sqlite, sqliteCode } from '../core/sqlite-error.ts'

/** The file is not what we write: its bytes are damaged, or it is another program's. */
export class LetterDamage extends Error {}

/** Written by a newer edgeboot, in a form that this one does not know. */
export class NewerLetters extends Error {}

/** SQLite's extended code for a file that is shorter than it says. */
const shortRead = 522

/** Whether nothing can be done with the file but to put it aside. */
export function isUseless(thrown: unknown): thrown is Error {
  if (thrown instanceof LetterDamage || thrown instanceof NewerLetters) return true
  const code = sqliteCode(thrown)
  // The statements are constant: a table that one of them misses was there once.
  if (code === sqlite.corrupt || code === sqlite.notADatabase || code === sqlite.error) return true
  return code === sqlite.ioError && (thrown as { errcode?: unknown }).errcode === shortRead
}

/**
 * Says what is wrong with a file of dead letters: `DEAD_LETTERS_LOCKED`, `DEAD_LETTERS_DISK_FULL`,
 * `DEAD_LETTERS_NEWER`, `DEAD_LETTERS_DAMAGED` or `DEAD_LETTERS_UNUSABLE`.
 */
export function letterError(thrown: unknown, file: string): EdgebootError {
  if (thrown instanceof EdgebootError) return thrown
  const problem = thrown instanceof Error ? thrown.message : String(thrown)
  const about = { details: { where: file }, cause: thrown }
  if (isSqliteBusy(thrown)) {
    const message = `another process holds the dead letters ${file} for too long`
    return new EdgebootError('DEAD_LETTERS_LOCKED', message, about)
  }
  if (isDiskFull(thrown)) {
    const message = `the disk has no room for the dead letters ${file}: ${problem}`
    return new EdgebootError('DEAD_LETTERS_DISK_FULL', message, about)
  }
  if (thrown instanceof NewerLetters) {
    const message = `a newer edgeboot has written the dead letters ${file}`
    return new EdgebootError('DEAD_LETTERS_NEWER', message, about)
  }
  if (isUseless(thrown)) {
    const message = `the dead letters ${file} are damaged: ${problem}`
    return new EdgebootError('DEAD_LETTERS_DAMAGED', message, about)
  }
  const message = `the dead letters ${file} cannot be used: ${problem}`
  return new EdgebootError('DEAD_LETTERS_UNUSABLE', message, about)
}
