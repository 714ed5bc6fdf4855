/** What SQLite says when something goes wrong, for those who keep a file with it. */

/** Its primary result code, or 0 when the error is not from SQLite. */
export function sqliteCode(thrown: unknown): number {
  if (!(thrown instanceof Error) || !('errcode' in thrown)) return 0
  return Number(thrown.errcode) & 0xff
}

/** Primary result codes of SQLite (https://sqlite.org/rescode.html). */
export const sqlite = {
  error: 1,
  perm: 3,
  busy: 5,
  locked: 6,
  noMemory: 7,
  readonly: 8,
  ioError: 10,
  corrupt: 11,
  full: 13,
  cannotOpen: 14,
  notADatabase: 26,
} as const

/** Whether another connection holds the file. */
export function isSqliteBusy(thrown: unknown): boolean {
  const code = sqliteCode(thrown)
  return code === sqlite.busy || code === sqlite.locked
}

/** Whether there is no room on the disk, whoever says so. */
export function isDiskFull(thrown: unknown): boolean {
  const code = systemCode(thrown)
  return sqliteCode(thrown) === sqlite.full || code === 'ENOSPC' || code === 'EDQUOT'
}

/** `ENOENT` and the like; `undefined` when it is not an error of the system. */
export function systemCode(thrown: unknown): string | undefined {
  const hasCode = thrown instanceof Error && 'code' in thrown && typeof thrown.code === 'string'
  return hasCode ? (thrown.code as string) : undefined
}
