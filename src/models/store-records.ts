import { open, readFile, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import { syncFolder } from './unpack-zip.ts'

/** `package.json` of an unpacked package. Its presence means that the package is whole. */
export interface PackageRecord {
  readonly format: 1
  /** Of the zip, lower-case hex, like `md5`. */
  readonly sha256: string
  readonly md5: string
  /** Of the zip. */
  readonly bytes: number
  /** Where it first came from, without credentials and query. */
  readonly address: string
  /** The one top folder under which all files lie, or empty. */
  readonly root: string
  readonly files: number
  readonly unpackedBytes: number
  /** ISO 8601. */
  readonly unpackedAt: string
}

/** Which package a model name stands for. */
export interface ActiveRecord {
  readonly format: 1
  readonly sha256: string
  /** Where the configuration said it was, without credentials and query. */
  readonly address: string
  /** Tells whether the configuration still says so: the address above leaves parts out. */
  readonly addressFingerprint: string
  /** ISO 8601. */
  readonly since: string
  /** What was active before, for rollback. */
  readonly previous?: string
}

/** What reading a record comes to. A record that cannot be understood is not trusted in part. */
export type ReadRecord<T> =
  | { readonly kind: 'record'; readonly record: T }
  | { readonly kind: 'absent' }
  | { readonly kind: 'unreadable'; readonly reason: string }

/** Reads a `package.json` of the store. */
export function readPackageRecord(file: string): Promise<ReadRecord<PackageRecord>> {
  return readRecord(file, isPackageRecord)
}

/** Reads an `active/<model>.json` of the store. */
export function readActiveRecord(file: string): Promise<ReadRecord<ActiveRecord>> {
  return readRecord(file, isActiveRecord)
}

/** Writes a record into a new file and makes it survive a power cut. */
export async function writeRecord(
  file: string,
  record: PackageRecord | ActiveRecord,
): Promise<void> {
  await using handle = await open(file, 'wx', 0o644)
  await handle.writeFile(JSON.stringify(record, undefined, 2) + '\n')
  await handle.sync()
}

/** Replaces a record in one step: at every moment the old or the new one is there, whole. */
export async function replaceRecord(
  file: string,
  temporaryFile: string,
  record: ActiveRecord,
): Promise<void> {
  await writeRecord(temporaryFile, record)
  await rename(temporaryFile, file)
  await syncFolder(dirname(file))
}

/** Whether a text is a SHA-256 as the store writes it, and so is safe as the name of a folder. */
export function isSha256(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9a-f]{64}$/.test(value)
}

async function readRecord<T>(
  file: string,
  isValid: (value: Record<string, unknown>) => boolean,
): Promise<ReadRecord<T>> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (thrown) {
    const code = (thrown as NodeJS.ErrnoException).code
    if (code === 'ENOENT' || code === 'ENOTDIR') return { kind: 'absent' }
    return { kind: 'unreadable', reason: code ?? String(thrown) }
  }
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null && isValid(value as Record<string, unknown>)) {
      return { kind: 'record', record: value as T }
    }
    return { kind: 'unreadable', reason: 'it lacks what a record must have' }
  } catch {
    return { kind: 'unreadable', reason: 'it is not JSON' }
  }
}

function isPackageRecord(value: Record<string, unknown>): boolean {
  const { format, sha256, md5, bytes, address, root } = value
  return (
    format === 1 &&
    isSha256(sha256) &&
    typeof md5 === 'string' &&
    typeof bytes === 'number' &&
    typeof address === 'string' &&
    typeof root === 'string' &&
    // It becomes a part of a path.
    !/[/\\\0]/.test(root) &&
    root !== '..'
  )
}

function isActiveRecord(value: Record<string, unknown>): boolean {
  const { format, sha256, address, addressFingerprint, since, previous } = value
  return (
    format === 1 &&
    isSha256(sha256) &&
    typeof address === 'string' &&
    typeof addressFingerprint === 'string' &&
    typeof since === 'string' &&
    (previous === undefined || isSha256(previous))
  )
}
