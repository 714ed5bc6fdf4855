import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { modelNameFault } from '../core/model-name.ts'
import { detectEntry, type DetectedEntry, type ReadManifest } from './detect-entry.ts'
import { isSha256 } from './digest.ts'
import { pathKind } from './path-kind.ts'
import { readPackageRecord, readVersionRecord, type PackageRecord } from './store-records.ts'
import type { VersionRecord } from './version-record.ts'

/** What is found out about a package by looking at it. */
export interface ListedEntry {
  readonly entry?: DetectedEntry
  /** Why it could not be started. */
  readonly fault?: string
}

/** A package of the store. */
export interface ListedPackage extends ListedEntry {
  readonly record: PackageRecord
  /** Absolute. */
  readonly folder: string
}

/** A model that was put into the models folder by hand. */
export interface ListedFolder extends ListedEntry {
  readonly name: string
  readonly folder: string
}

/** What a models folder holds. */
export interface StoreListing {
  readonly packages: ReadonlyMap<string, ListedPackage>
  /** By model. */
  readonly versions: ReadonlyMap<string, VersionRecord>
  readonly folders: readonly ListedFolder[]
  /** Records that cannot be read, with the reason: what they say counts as absent. */
  readonly unreadable: readonly { readonly file: string; readonly reason: string }[]
}

/**
 * Looks at all models of a models folder. Reads records and names of files; nothing of a model is
 * loaded, and nothing is written.
 */
export async function listStore(
  modelsFolder: string,
  readManifest: ReadManifest,
): Promise<StoreListing> {
  const store = join(modelsFolder, '.edgeboot')
  const unreadable: { file: string; reason: string }[] = []
  const packages = new Map<string, ListedPackage>()
  for (const sha256 of (await namesIn(join(store, 'packages'))).filter(isSha256)) {
    const file = join(store, 'packages', sha256, 'package.json')
    const read = await readPackageRecord(file)
    if (read.kind === 'unreadable') unreadable.push({ file, reason: read.reason })
    if (read.kind !== 'record' || read.record.sha256 !== sha256) continue
    const folder = join(store, 'packages', sha256, 'files', read.record.root)
    packages.set(sha256, { record: read.record, folder, ...(await look(folder, readManifest)) })
  }
  const versions = new Map<string, VersionRecord>()
  for (const name of await namesIn(join(store, 'active'))) {
    if (!name.endsWith('.json')) continue
    const file = join(store, 'active', name)
    const read = await readVersionRecord(file)
    if (read.kind === 'unreadable') unreadable.push({ file, reason: read.reason })
    if (read.kind === 'record') versions.set(name.slice(0, -'.json'.length), read.record)
  }
  return {
    packages,
    versions,
    folders: await placedFolders(modelsFolder, readManifest),
    unreadable,
  }
}

/** Folders of the models folder that hold a model; others are the user's own affair. */
async function placedFolders(
  modelsFolder: string,
  readManifest: ReadManifest,
): Promise<ListedFolder[]> {
  const folders: ListedFolder[] = []
  for (const name of await namesIn(modelsFolder)) {
    if (name.startsWith('.') || modelNameFault(name) !== undefined) continue
    const folder = join(modelsFolder, name)
    if ((await pathKind(folder)) !== 'folder') continue
    folders.push({ name, folder, ...(await look(folder, readManifest)) })
  }
  return folders
}

async function look(folder: string, readManifest: ReadManifest): Promise<ListedEntry> {
  try {
    return { entry: await detectEntry(folder, '', readManifest) }
  } catch (thrown) {
    return { fault: thrown instanceof Error ? thrown.message : String(thrown) }
  }
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).toSorted()
  } catch (thrown) {
    const code = (thrown as NodeJS.ErrnoException).code
    if (code === 'ENOENT' || code === 'ENOTDIR') return []
    throw thrown
  }
}
