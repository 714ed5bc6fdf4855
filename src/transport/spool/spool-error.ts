import { EdgebootError } from '../../core/errors.ts'

/** What SQLite said: its primary result code, or 0 when the error is not from SQLite. */
export function sqliteCode(thrown: unknown): number {
  if (!(thrown instanceof Error) || !('errcode' in thrown)) return 0
  return Number(thrown.errcode) & 0xff
}

/** Primary result codes of SQLite (https://sqlite.org/rescode.html). */
export const sqlite = {
  perm: 3,
  busy: 5,
  locked: 6,
  readonly: 8,
  ioError: 10,
  full: 13,
  cannotOpen: 14,
} as const

const ofTheDisk: ReadonlySet<number> = new Set(Object.values(sqlite))

/** SQLite reads it without complaint, and it is not what was written. */
export class SpoolDamage extends Error {}

/**
 * Whether the fault is in the bytes of the file, and not in the disk, the permissions or another
 * process. The statements are our own and constant, so what else SQLite refuses is damage.
 */
export function isDamage(thrown: unknown): boolean {
  if (thrown instanceof SpoolDamage) return true
  const code = sqliteCode(thrown)
  return code !== 0 && code !== 7 && !ofTheDisk.has(code)
}

/** Says what keeps a spool from its file: `SPOOL_LOCKED`, `SPOOL_DISK_FULL` or `SPOOL_UNWRITABLE`. */
export function spoolError(thrown: unknown, file: string): EdgebootError {
  if (thrown instanceof EdgebootError) return thrown
  const problem = thrown instanceof Error ? thrown.message : String(thrown)
  const about = { details: { where: file }, cause: thrown }
  const code = sqliteCode(thrown)
  if (code === sqlite.busy || code === sqlite.locked) {
    return new EdgebootError('SPOOL_LOCKED', `another process uses the spool ${file}`, about)
  }
  if (code === sqlite.full || systemCode(thrown) === 'ENOSPC' || systemCode(thrown) === 'EDQUOT') {
    const message = `the disk has no room for the spool ${file}: ${problem}`
    return new EdgebootError('SPOOL_DISK_FULL', message, about)
  }
  const message = `the spool ${file} cannot be written: ${problem}`
  return new EdgebootError('SPOOL_UNWRITABLE', message, about)
}

/** `ENOENT` and the like; `undefined` when it is not an error of the system. */
export function systemCode(thrown: unknown): string | undefined {
  const hasCode = thrown instanceof Error && 'code' in thrown && typeof thrown.code === 'string'
  return hasCode ? (thrown.code as string) : undefined
}
