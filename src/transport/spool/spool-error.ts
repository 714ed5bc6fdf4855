import { EdgebootError } from '../../core/errors.ts'
import { isDiskFull, isSqliteBusy, sqlite, sqliteCode } from '../../core/sqlite-error.ts'

/** SQLite reads it without complaint, and it is not what was written. */
export class SpoolDamage extends Error {}

const { perm, busy, locked, noMemory, readonly, ioError, full, cannotOpen } = sqlite
const notOfTheFile: ReadonlySet<number> = new Set([
  perm,
  busy,
  locked,
  noMemory,
  readonly,
  ioError,
  full,
  cannotOpen,
])

/**
 * Whether the fault is in the bytes of the file, and not in the disk, the permissions or another
 * process. The statements are our own and constant, so what else SQLite refuses is damage.
 */
export function isDamage(thrown: unknown): boolean {
  if (thrown instanceof SpoolDamage) return true
  const code = sqliteCode(thrown)
  return code !== 0 && !notOfTheFile.has(code)
}

/** Says what keeps a spool from its file: `SPOOL_LOCKED`, `SPOOL_DISK_FULL` or `SPOOL_UNWRITABLE`. */
export function spoolError(thrown: unknown, file: string): EdgebootError {
  if (thrown instanceof EdgebootError) return thrown
  const problem = thrown instanceof Error ? thrown.message : String(thrown)
  const about = { details: { where: file }, cause: thrown }
  if (isSqliteBusy(thrown)) {
    return new EdgebootError('SPOOL_LOCKED', `another process uses the spool ${file}`, about)
  }
  if (isDiskFull(thrown)) {
    const message = `the disk has no room for the spool ${file}: ${problem}`
    return new EdgebootError('SPOOL_DISK_FULL', message, about)
  }
  const message = `the spool ${file} cannot be written: ${problem}`
  return new EdgebootError('SPOOL_UNWRITABLE', message, about)
}
