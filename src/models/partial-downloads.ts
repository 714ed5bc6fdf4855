import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../core/clock.ts'
import type { PartialFile } from './byte-range.ts'
import { isSha256 } from './digest.ts'

/** Downloads that are kept to be gone on with; the oldest goes first. */
export const partialsMax = 8
/** What nobody came back for in this time is removed. */
const partialAgeMaxMs = 7 * 24 * 60 * 60_000

/** The file that is being downloaded, in a temporary folder. */
export const downloadFileName = 'package.zip'
const recordName = 'download.json'

/** What has to be known of a download to go on with it. */
interface DownloadRecord {
  readonly format: 1
  readonly addressFingerprint: string
  /** Without credentials and query. */
  readonly address: string
  readonly validator: string
  readonly total?: number
  /** Milliseconds since 1970. */
  readonly startedAt: number
}

/**
 * Downloads that did not come to their end, `.edgeboot/partial/<fingerprint of the address>`: what is
 * there is not fetched again. Each is the temporary folder of its download, renamed, so that it
 * belongs to one process at a time; also that of a process that was killed. Nothing in here is
 * trusted: a package that was fetched in parts is checked as any other.
 */
export class PartialDownloads {
  readonly #folder: string
  readonly #clock: Clock

  /** @param storeFolder - `<models folder>/.edgeboot` */
  constructor(storeFolder: string, clock: Clock) {
    this.#folder = join(storeFolder, 'partial')
    this.#clock = clock
  }

  /**
   * Takes what there is from an address.
   *
   * @param into - An empty temporary folder, which it becomes.
   */
  async claim(addressFingerprint: string, into: string): Promise<PartialFile | undefined> {
    try {
      await rename(join(this.#folder, addressFingerprint), into)
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      throw thrown
    }
    const record = await readRecord(into)
    const bytes = await sizeOf(join(into, downloadFileName))
    if (record?.addressFingerprint === addressFingerprint && bytes > 0 && !this.#isOld(record)) {
      const { validator, total } = record
      if (total === undefined || bytes <= total) {
        return { bytes, validator, ...(total !== undefined && { total }) }
      }
    }
    await rm(into, { recursive: true, force: true })
    await mkdir(into)
    return undefined
  }

  /** Notes in a temporary folder what has to be known to go on with its download. */
  async note(
    folder: string,
    record: Pick<DownloadRecord, 'addressFingerprint' | 'address' | 'validator' | 'total'>,
  ): Promise<void> {
    const startedAt = this.#clock.now()
    await writeFile(
      join(folder, recordName),
      JSON.stringify({ format: 1, ...record, startedAt } satisfies DownloadRecord),
    )
  }

  /** The file is not the one that was begun, and cannot be gone on with. */
  async forget(folder: string): Promise<void> {
    await rm(join(folder, recordName), { force: true })
  }

  /**
   * Keeps a download that ended before its end.
   *
   * @param folder - Temporary; gone afterwards when there was something to keep.
   * @returns Whether there was.
   */
  async keep(folder: string): Promise<boolean> {
    const record = await readRecord(folder)
    if (record === undefined || this.#isOld(record)) return false
    if ((await sizeOf(join(folder, downloadFileName))) === 0) return false
    for (const name of await readdir(folder)) {
      if (name === recordName || name === downloadFileName) continue
      await rm(join(folder, name), { recursive: true, force: true })
    }
    const target = join(this.#folder, record.addressFingerprint)
    await mkdir(this.#folder, { recursive: true })
    await rm(target, { recursive: true, force: true })
    await rename(folder, target)
    await this.prune()
    return true
  }

  /**
   * Removes what is too old or too much.
   *
   * @param countMax - How many may stay.
   */
  async prune(countMax = partialsMax): Promise<void> {
    for (const { folder } of (await this.list()).slice(countMax)) {
      await rm(folder, { recursive: true, force: true })
    }
  }

  /** All that could be gone on with, the latest first; what is too old comes last. */
  async list(): Promise<{ folder: string; address: string; bytes: number; isOld: boolean }[]> {
    const names = await readdir(this.#folder).catch(() => [])
    const found = await Promise.all(
      names.map(async (name) => {
        const folder = join(this.#folder, name)
        const record = await readRecord(folder)
        const bytes = await sizeOf(join(folder, downloadFileName))
        const isOld = record === undefined || this.#isOld(record)
        const { address = name, startedAt = 0 } = record ?? {}
        return { folder, address, bytes, isOld, startedAt }
      }),
    )
    return found.toSorted((a, b) => b.startedAt - a.startedAt)
  }

  #isOld({ startedAt }: DownloadRecord): boolean {
    return this.#clock.now() - startedAt > partialAgeMaxMs
  }
}

async function readRecord(folder: string): Promise<DownloadRecord | undefined> {
  try {
    const value: unknown = JSON.parse(await readFile(join(folder, recordName), 'utf8'))
    return isDownloadRecord(value) ? value : undefined
  } catch {
    return undefined
  }
}

function isDownloadRecord(value: unknown): value is DownloadRecord {
  if (typeof value !== 'object' || value === null) return false
  const { format, addressFingerprint, address, validator, total, startedAt } = value as Record<
    string,
    unknown
  >
  return (
    format === 1 &&
    isSha256(addressFingerprint) &&
    typeof address === 'string' &&
    typeof validator === 'string' &&
    // It becomes a header.
    /^[\x20-\x7e]{1,200}$/.test(validator) &&
    (total === undefined || Number.isSafeInteger(total)) &&
    typeof startedAt === 'number'
  )
}

async function sizeOf(file: string): Promise<number> {
  return await stat(file).then(
    (stats) => (stats.isFile() ? stats.size : 0),
    () => 0,
  )
}
