import { lstat, readdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { ModelSource } from '../config/settings.ts'
import type { Clock } from '../core/clock.ts'
import { expectedDigests, hasDigest, matchesDigests } from './digest.ts'
import { readEnvironmentRecord } from './environments/environment-record.ts'
import type { ModelVersions } from './model-versions.ts'
import { addressFingerprint } from './package-address.ts'
import type { PackageFolder } from './package-folder.ts'
import { pathKind } from './path-kind.ts'
import { keptVersions, type VersionRecord } from './version-record.ts'

/** What is younger may be about to be used by somebody who has not said so yet. */
const packageAgeMinMs = 60 * 60_000
/** An environment without its record is being built, for as long as this. */
const buildAgeMaxMs = 24 * 60 * 60_000

/** Something of the store that nobody needs. */
export interface Garbage {
  readonly kind: 'package' | 'partial download' | 'environment'
  /** The first digits of a digest, or an address without credentials. */
  readonly name: string
  /** Absolute. */
  readonly folder: string
  readonly bytes: number
}

/** What decides what is needed. */
export interface GarbageOptions {
  readonly modelsFolder: string
  readonly versions: ModelVersions
  readonly packages: PackageFolder
  /** Models of the configuration; absent when none is known: then more is kept. */
  readonly sources?: readonly ModelSource[]
  /** Versions of each model that are kept besides those that are needed, the latest that served. */
  readonly keep: number
  readonly clock: Clock
}

/**
 * What can be removed from the store. Needed is: what is active, previous or proven for any model, and
 * so what is pinned; what the configuration names by digest, or had last from an address of its; the
 * latest `keep` versions that served; what came within the last hour. Environments are needed by the
 * packages and folders that run in them. Removes nothing.
 */
export async function findGarbage(options: GarbageOptions): Promise<Garbage[]> {
  const { packages, modelsFolder, clock } = options
  const needed = await neededVersions(options)
  const garbage: Garbage[] = []
  const gone = new Set<string>()
  for (const { sha256, folder, unpackedAt } of await packages.all()) {
    const isYoung = clock.now() - Date.parse(unpackedAt) < packageAgeMinMs
    if (needed.has(sha256) || isYoung) continue
    gone.add(sha256)
    garbage.push({
      kind: 'package',
      name: sha256.slice(0, 12),
      folder,
      bytes: await sizeOf(folder),
    })
  }
  for (const { folder, address, isOld } of await packages.partials.list()) {
    const isWanted = options.sources?.some((source) => comesFrom(source, folder)) ?? true
    if (isWanted && !isOld) continue
    garbage.push({ kind: 'partial download', name: address, folder, bytes: await sizeOf(folder) })
  }
  const environments = join(modelsFolder, '.edgeboot', 'environments')
  for (const name of await namesIn(environments)) {
    const folder = join(environments, name)
    if (!(await isUnusedEnvironment(folder, modelsFolder, packages, gone, clock))) continue
    garbage.push({
      kind: 'environment',
      name: name.slice(0, 12),
      folder,
      bytes: await sizeOf(folder),
    })
  }
  return garbage
}

/** Removes one thing: gone from where it was in one step, so that nobody sees a part of it. */
export async function removeGarbage({ folder }: Garbage, packages: PackageFolder): Promise<void> {
  const temporary = await packages.makeTemporary()
  try {
    await rename(folder, join(temporary, 'garbage'))
  } finally {
    await rm(temporary, { recursive: true, force: true })
  }
}

async function neededVersions(options: GarbageOptions): Promise<ReadonlySet<string>> {
  const { versions, packages, sources, keep } = options
  const needed = new Set<string>()
  const add = (sha256: string): void => void needed.add(sha256)
  for (const model of await versions.models()) {
    const record = await versions.read(model)
    keptVersions(record).forEach(add)
    servedLast(record, keep).forEach(add)
    const configured = sources?.filter(({ name }) => name === model)
    for (const { sha256, addressFingerprint: from } of record.origins) {
      const isCurrent = configured?.some(({ address }) => isAddress(address, from)) ?? true
      if (isCurrent) add(sha256)
    }
  }
  const named = (sources ?? []).map(expectedDigests).filter(hasDigest)
  for (const stored of await packages.all()) {
    if (named.some((expected) => matchesDigests(stored, expected))) add(stored.sha256)
  }
  return needed
}

function servedLast({ history }: VersionRecord, count: number): string[] {
  return [...new Set(history.map(({ sha256 }) => sha256))].slice(0, count)
}

/** A zip in the models folder has no address in the configuration. */
function isAddress(address: string | undefined, fingerprint: string): boolean {
  return address === undefined || addressFingerprint(address) === fingerprint
}

function comesFrom({ address, mirrors = [] }: ModelSource, partial: string): boolean {
  const all = address === undefined ? mirrors : [address, ...mirrors]
  return all.some((one) => partial.endsWith(addressFingerprint(one)))
}

/** Used by nobody but packages that are or will be gone. */
async function isUnusedEnvironment(
  folder: string,
  modelsFolder: string,
  packages: PackageFolder,
  gone: ReadonlySet<string>,
  clock: Clock,
): Promise<boolean> {
  const record = await readEnvironmentRecord(folder)
  if (record === undefined) {
    const stats = await stat(folder).catch(() => undefined)
    return stats !== undefined && clock.now() - stats.mtimeMs > buildAgeMaxMs
  }
  if (clock.now() - Date.parse(record.lastUsed) < packageAgeMinMs) return false
  for (const { model, sha256, folder: place = join(modelsFolder, model) } of record.usedBy) {
    if (sha256 === undefined) {
      if ((await pathKind(place)) === 'folder') return false
    } else if (!gone.has(sha256) && (await packages.find(sha256)) !== undefined) return false
  }
  return true
}

/** Of all files below; links are not followed. */
async function sizeOf(path: string): Promise<number> {
  const stats = await lstat(path).catch(() => undefined)
  if (stats === undefined) return 0
  if (!stats.isDirectory()) return stats.size
  let bytes = 0
  for (const name of await namesIn(path)) bytes += await sizeOf(join(path, name))
  return bytes
}

async function namesIn(folder: string): Promise<string[]> {
  return await readdir(folder).catch(() => [])
}
