import { open, readFile, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import { isSha256 } from './digest.ts'
import type { PackageProof } from './package-proof.ts'
import { syncFolder } from './unpack-zip.ts'
import { parseVersionRecord, type VersionRecord } from './version-record.ts'

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

/** What reading a record comes to. A record that cannot be understood is not trusted in part. */
export type ReadRecord<T> =
  | { readonly kind: 'record'; readonly record: T }
  | { readonly kind: 'absent' }
  | { readonly kind: 'unreadable'; readonly reason: string }

/** Reads a `package.json` of the store. */
export function readPackageRecord(file: string): Promise<ReadRecord<PackageRecord>> {
  return readRecord(file, (value) => (isPackageRecord(value) ? value : undefined))
}

/** Reads what the store knows of a model name, `active/<model>.json`. */
export function readVersionRecord(file: string): Promise<ReadRecord<VersionRecord>> {
  return readRecord(file, parseVersionRecord)
}

/** Reads a `proof.json` of the store. */
export function readProof(file: string): Promise<ReadRecord<PackageProof>> {
  return readRecord(file, (value) => (isPackageProof(value) ? value : undefined))
}

/** Writes a record into a new file and makes it survive a power cut. */
export async function writeRecord(
  file: string,
  record: PackageRecord | PackageProof | VersionRecord,
): Promise<void> {
  await using handle = await open(file, 'wx', 0o644)
  await handle.writeFile(JSON.stringify(record, undefined, 2) + '\n')
  await handle.sync()
}

/** Replaces a record in one step: at every moment the old or the new one is there, whole. */
export async function replaceRecord(
  file: string,
  temporaryFile: string,
  record: PackageProof | VersionRecord,
): Promise<void> {
  await writeRecord(temporaryFile, record)
  await rename(temporaryFile, file)
  await syncFolder(dirname(file))
}

async function readRecord<T>(
  file: string,
  parse: (value: unknown) => T | undefined,
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
    const record = parse(JSON.parse(text))
    if (record !== undefined) return { kind: 'record', record }
    return { kind: 'unreadable', reason: 'it lacks what a record must have' }
  } catch {
    return { kind: 'unreadable', reason: 'it is not JSON' }
  }
}

function isPackageRecord(value: unknown): value is PackageRecord {
  if (typeof value !== 'object' || value === null) return false
  const { format, sha256, md5, bytes, address, root } = value as Record<string, unknown>
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

function isPackageProof(value: unknown): value is PackageProof {
  if (typeof value !== 'object' || value === null) return false
  const { format, isNamed, signature } = value as Record<string, unknown>
  if (format !== 1 || (isNamed !== undefined && isNamed !== true)) return false
  if (signature === undefined) return true
  if (typeof signature !== 'object' || signature === null) return false
  const { keyId, publicKey, trustedComment } = signature as Record<string, unknown>
  return [keyId, publicKey, trustedComment].every((text) => typeof text === 'string')
}
