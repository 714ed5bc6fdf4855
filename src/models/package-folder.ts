import { randomUUID } from 'node:crypto'
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import type { Clock } from '../core/clock.ts'
import type { LogFields } from '../core/log.ts'
import { isSha256, matchesDigests, type ExpectedDigests } from './digest.ts'
import { pathKind } from './path-kind.ts'
import type { PackageProof } from './package-proof.ts'
import { PartialDownloads } from './partial-downloads.ts'
import { readPackageRecord, readProof, replaceRecord, type PackageRecord } from './store-records.ts'
import { syncFolder } from './unpack-zip.ts'

/** A package in the store, whole. */
export interface StoredPackage {
  readonly sha256: string
  readonly md5: string
  /** Absolute; what the zip held. */
  readonly filesFolder: string
  /** Absolute; the one top folder of the zip, else the same. */
  readonly rootFolder: string
  /** What was found out while its zip was there. */
  readonly proof?: PackageProof
}

/** Something temporary of another live process is left alone for this long. */
const temporaryAgeMaxMs = 24 * 60 * 60_000

/**
 * The store on the disk, `<models folder>/.edgeboot`:
 *
 * - `packages/<sha256>/files/…` and, written last, `packages/<sha256>/package.json`. The folder
 *   appears by one rename, complete; one without a valid record counts as absent. `proof.json`
 *   beside it says what is known of its origin.
 * - `active/<model>.json` says which package a model name stands for: see {@link ModelVersions}.
 * - `partial/<address>`: see {@link PartialDownloads}.
 * - `tmp/<pid>-<start of the process>-<random>` while something is under way.
 *
 * Several processes may share it. Errors of the file system come as they are.
 */
export class PackageFolder {
  readonly partials: PartialDownloads
  readonly #packages: string
  readonly #temporary: string
  readonly #clock: Clock
  readonly #warn: (event: string, fields: LogFields) => void

  /** @param warn - Hears of records that cannot be read. */
  constructor(
    modelsFolder: string,
    clock: Clock,
    warn: (event: string, fields: LogFields) => void,
  ) {
    const store = join(modelsFolder, '.edgeboot')
    this.#packages = join(store, 'packages')
    this.#temporary = join(store, 'tmp')
    this.partials = new PartialDownloads(store, clock)
    this.#clock = clock
    this.#warn = warn
  }

  /** The package of this digest, if it is there and whole. */
  async find(sha256: string): Promise<StoredPackage | undefined> {
    const folder = join(this.#packages, sha256)
    const file = join(folder, 'package.json')
    const read = await readPackageRecord(file)
    if (read.kind === 'unreadable') {
      this.#warn('model.record-unreadable', { file, reason: read.reason })
    }
    if (read.kind !== 'record' || read.record.sha256 !== sha256) return undefined
    const { record } = read
    const filesFolder = join(folder, 'files')
    const rootFolder = join(filesFolder, record.root)
    if ((await pathKind(rootFolder)) !== 'folder') return undefined
    const proof = await readProof(join(folder, 'proof.json'))
    return {
      sha256,
      md5: record.md5,
      filesFolder,
      rootFolder,
      ...(proof.kind === 'record' && { proof: proof.record }),
    }
  }

  /** All packages that are whole. */
  async all(): Promise<
    { sha256: string; md5: string; folder: string; address: string; unpackedAt: string }[]
  > {
    const found = []
    for (const name of await this.#names()) {
      const folder = join(this.#packages, name)
      const read = await readPackageRecord(join(folder, 'package.json'))
      if (read.kind !== 'record' || read.record.sha256 !== name) continue
      const { sha256, md5, address, unpackedAt } = read.record
      found.push({ sha256, md5, folder, address, unpackedAt })
    }
    return found
  }

  /** A package that is what the configuration asks for. */
  async findMatching(expected: ExpectedDigests): Promise<StoredPackage | undefined> {
    const names = expected.sha256 === undefined ? await this.#names() : [expected.sha256.hex]
    for (const name of names) {
      const stored = await this.find(name)
      if (stored !== undefined && matchesDigests(stored, expected)) return stored
    }
    return undefined
  }

  /**
   * Moves a finished package into the store.
   *
   * @param folder - Temporary, on the same file system; holds `files` and `package.json`.
   * @returns The package of the store: another process may have been first.
   */
  async install(
    folder: string,
    record: PackageRecord,
    proof: PackageProof,
  ): Promise<StoredPackage> {
    const target = join(this.#packages, record.sha256)
    await mkdir(this.#packages, { recursive: true })
    await syncFolder(folder)
    for (let attempt = 1; ; attempt++) {
      try {
        await rename(folder, target)
        await syncFolder(this.#packages)
        break
      } catch (thrown) {
        const code = (thrown as NodeJS.ErrnoException).code
        if ((code !== 'ENOTEMPTY' && code !== 'EEXIST') || attempt === 3) throw thrown
      }
      const other = await this.find(record.sha256)
      if (other !== undefined) return await this.prove(other, proof)
      // Somebody's half: no process of ours leaves one, and nobody uses it.
      await rm(target, { recursive: true, force: true })
    }
    const filesFolder = join(target, 'files')
    const { sha256, md5, root } = record
    return { sha256, md5, filesFolder, rootFolder: join(filesFolder, root), proof }
  }

  /** Adds to what is known of a package. Writes nothing that is written already. */
  async prove(stored: StoredPackage, proof: PackageProof): Promise<StoredPackage> {
    const merged: PackageProof = { ...stored.proof, ...proof }
    if (isDeepStrictEqual(merged, stored.proof)) return stored
    const file = join(this.#packages, stored.sha256, 'proof.json')
    await replaceRecord(file, await this.temporaryFile(), merged)
    return { ...stored, proof: merged }
  }

  /** Makes a folder for something under way. Whoever asks removes it. */
  async makeTemporary(): Promise<string> {
    const folder = this.#temporaryPath()
    await mkdir(folder, { recursive: true })
    return folder
  }

  /** A name for a file that is about to be renamed to another place of the store. */
  async temporaryFile(): Promise<string> {
    await mkdir(this.#temporary, { recursive: true })
    return `${this.#temporaryPath()}.json`
  }

  /**
   * Removes what killed processes left, but for downloads that can be gone on with.
   *
   * @returns How many things were removed.
   */
  async removeLeftovers(): Promise<number> {
    let removed = 0
    for (const name of await namesIn(this.#temporary)) {
      if (await this.#inUse(name)) continue
      const path = join(this.#temporary, name)
      if (await this.partials.keep(path)) continue
      await rm(path, { recursive: true, force: true })
      removed += 1
    }
    await this.partials.prune()
    return removed
  }

  async #inUse(name: string): Promise<boolean> {
    const [, pidText, start] = /^(\d{1,10})-(\d{1,16})-/.exec(name) ?? []
    if (pidText === undefined) return false
    const pid = Number(pidText)
    // In a container a new process often has the number of the one that was killed.
    if (pid === process.pid) return start === processStart()
    if (!isAlive(pid)) return false
    try {
      const { mtimeMs } = await stat(join(this.#temporary, name))
      return this.#clock.now() - mtimeMs < temporaryAgeMaxMs
    } catch {
      return true
    }
  }

  async #names(): Promise<string[]> {
    return (await namesIn(this.#packages)).filter(isSha256)
  }

  #temporaryPath(): string {
    return join(this.#temporary, `${process.pid}-${processStart()}-${randomUUID()}`)
  }
}

/** With the process number it names one process, also after a restart. */
function processStart(): string {
  return String(Math.floor(performance.timeOrigin))
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (thrown) {
    return (thrown as NodeJS.ErrnoException).code === 'EPERM'
  }
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder)
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw thrown
  }
}
