import { open, readFile, rename } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { isSha256 } from '../digest.ts'
import { syncFolder } from '../unpack-zip.ts'

/** A package that runs in an environment. */
export interface EnvironmentUser {
  readonly model: string
  /** Of its zip; absent for a folder. */
  readonly sha256?: string
  /** Absolute; of a package that is used where it lies. */
  readonly folder?: string
}

/**
 * `environment.json` of an environment, written last: without it, it is not whole. For the removal
 * of those that nobody uses.
 */
export interface EnvironmentRecord {
  readonly format: 1
  readonly hash: string
  /** The text of `requirements.txt`. */
  readonly requirements: string
  /** The interpreter that it was made with, links resolved, and its version. */
  readonly interpreter: string
  readonly version: string
  /** ISO 8601. */
  readonly builtAt: string
  /** ISO 8601; of the last time that a package was resolved to it. */
  readonly lastUsed: string
  /** The packages that were resolved to it, the latest last; at most {@link usersMax}. */
  readonly usedBy: readonly EnvironmentUser[]
}

/** How many packages a record names. */
export const usersMax = 100

/** The record of an environment, if it is whole. */
export async function readEnvironmentRecord(
  folder: string,
): Promise<EnvironmentRecord | undefined> {
  try {
    const text = await readFile(join(folder, 'environment.json'), 'utf8')
    const record = JSON.parse(text) as EnvironmentRecord
    const isWhole =
      record.format === 1 && Array.isArray(record.usedBy) && record.usedBy.every(isUser)
    return isWhole && typeof record.lastUsed === 'string' ? record : undefined
  } catch {
    return undefined
  }
}

function isUser(user: unknown): boolean {
  if (typeof user !== 'object' || user === null) return false
  const { model, sha256, folder } = user as Record<string, unknown>
  const isPlace = folder === undefined || typeof folder === 'string'
  return typeof model === 'string' && (sha256 === undefined || isSha256(sha256)) && isPlace
}

/** Writes or replaces the record in one step, so that it survives a power cut. */
export async function writeEnvironmentRecord(
  folder: string,
  record: EnvironmentRecord,
): Promise<void> {
  const file = join(folder, 'environment.json')
  const temporary = join(folder, `environment.${process.pid}.tmp`)
  {
    await using handle = await open(temporary, 'w', 0o644)
    await handle.writeFile(JSON.stringify(record, undefined, 2) + '\n')
    await handle.sync()
  }
  await rename(temporary, file)
  await syncFolder(dirname(file))
}

/** The record with one more use. */
export function withUse(
  record: EnvironmentRecord,
  user: EnvironmentUser,
  now: string,
): EnvironmentRecord {
  const others = record.usedBy.filter(
    ({ model, sha256, folder }) =>
      model !== user.model || sha256 !== user.sha256 || folder !== user.folder,
  )
  return { ...record, lastUsed: now, usedBy: [...others, user].slice(-usersMax) }
}
