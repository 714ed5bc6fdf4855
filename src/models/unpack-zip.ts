import { mkdir, open, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { crc32 } from 'node:zlib'
import { openPromise, type Entry, type ZipFile } from 'yauzl'
import { EdgebootError } from '../core/errors.ts'
import { assertRoom } from './disk-room.ts'
import { isSystemError } from './store-error.ts'
import {
  invalidPackage,
  largePackage,
  planZip,
  unpackedTooLarge,
  type PlannedFile,
  type UnpackLimits,
} from './zip-plan.ts'

/** Below this a package may be as well compressed as it likes. */
const ratioFloorBytes = 1024 * 1024

/** What the file system may add to each file. */
const blockBytes = 4096

/** What a zip became. */
export interface UnpackedZip {
  /** Regular files written. */
  readonly files: number
  /** Their sizes together. */
  readonly bytes: number
  /** The one top folder under which all of them lie, or empty. */
  readonly root: string
}

/**
 * Unpacks a zip that nobody vouches for into a new folder.
 *
 * All entries are checked before the first byte is written, as is the room on the disk; sizes are
 * counted as inflated, every file is compared with its checksum and fsynced, as are the folders.
 * Nothing is ever written outside `targetFolder`. Of a file's mode it is kept whether its owner may
 * execute it, and nothing else. What macOS adds (`__MACOSX`, `.DS_Store`) is left out. After an
 * error the folder may hold a part: its owner removes it.
 *
 * @param targetFolder - Absolute; must not exist, its parent must.
 * @throws `MODEL_PACKAGE_INVALID` with the reason, `MODEL_PACKAGE_TOO_LARGE`, `MODEL_DISK_FULL`, the reason of
 * `signal`, and errors of the file system as they are.
 */
export async function unpackZip(
  zipFile: string,
  targetFolder: string,
  limits: UnpackLimits,
  signal?: AbortSignal,
): Promise<UnpackedZip> {
  const zip = await openZip(zipFile)
  try {
    const plan = await planZip(zip, zipFile, limits)
    await assertRoom({
      folder: dirname(targetFolder),
      bytes: plan.bytes + plan.files.length * blockBytes,
      doing: 'unpack the package',
      where: zipFile,
    })
    const meter = new Meter(zipFile, zip.fileSize, limits, signal)
    await makeFolder(targetFolder)
    for (const folder of plan.folders) await makeFolder(join(targetFolder, ...folder))
    for (const file of plan.files) {
      await writeEntry(zip, zipFile, file, join(targetFolder, ...file.segments), meter)
    }
    for (const folder of plan.folders.toReversed()) {
      await syncFolder(join(targetFolder, ...folder))
    }
    await syncFolder(targetFolder)
    return { files: plan.files.length, bytes: meter.bytes, root: plan.root }
  } catch (thrown) {
    // What is neither ours nor the disk's is yauzl's or zlib's opinion of the file.
    if (thrown instanceof EdgebootError || isSystemError(thrown)) throw thrown
    if (signal?.aborted) throw thrown
    throw invalidPackage(zipFile, `it is damaged: ${messageOf(thrown)}`, thrown)
  } finally {
    zip.close()
  }
}

/** Makes what was written in a folder, or renamed into it, survive a power cut. */
export async function syncFolder(folder: string): Promise<void> {
  await using handle = await open(folder, 'r')
  await handle.sync()
}

async function openZip(zipFile: string): Promise<ZipFile> {
  try {
    // Names are decoded and checked by us: yauzl takes the bytes of Chinese Windows for others.
    const zip = await openPromise(zipFile, { autoClose: false, decodeStrings: false })
    // A failing close comes as an event that nobody would hear, which ends a process.
    zip.on('error', () => {})
    return zip
  } catch (thrown) {
    if (isSystemError(thrown)) throw thrown
    throw invalidPackage(zipFile, await whyNotZip(zipFile, messageOf(thrown)), thrown)
  }
}

/** A login page in place of the file is so common that it is worth a sentence of its own. */
async function whyNotZip(zipFile: string, reason: string): Promise<string> {
  if ((await stat(zipFile)).size === 0) return 'it is empty'
  await using handle = await open(zipFile, 'r')
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(64), 0, 64, 0)
  const start = buffer.toString('latin1', 0, bytesRead).trimStart()
  if (/^<(!doctype|html|\?xml)/i.test(start)) return 'it is a web page, not a zip'
  if (start.startsWith('PK\u0003\u0004')) return `it is a zip that is damaged or cut off: ${reason}`
  return 'it is not a zip'
}

async function makeFolder(folder: string): Promise<void> {
  await mkdir(folder)
  // The umask of a service must not decide whether a runner can read its model.
  await using handle = await open(folder, 'r')
  await handle.chmod(0o755)
}

async function writeEntry(
  zip: ZipFile,
  zipFile: string,
  { entry, name, isExecutable }: PlannedFile,
  path: string,
  meter: Meter,
): Promise<void> {
  const header = await zip.readLocalFileHeaderPromise(entry)
  if (!header.fileName.equals(entry.fileNameRaw)) {
    throw invalidPackage(zipFile, `the entry ${JSON.stringify(name)} has two different names`)
  }
  await using handle = await open(path, 'wx', 0o644)
  let checksum = 0
  for await (const chunk of await openContent(zip, entry)) {
    meter.add(chunk.byteLength)
    checksum = crc32(chunk, checksum)
    await handle.appendFile(chunk)
  }
  if (checksum !== entry.crc32) {
    throw invalidPackage(zipFile, `the entry ${JSON.stringify(name)} has a wrong checksum`)
  }
  await handle.chmod(isExecutable ? 0o755 : 0o644)
  await handle.sync()
}

/** Must be read at once: what fails before somebody reads is heard by nobody. */
async function openContent(zip: ZipFile, entry: Entry): Promise<AsyncIterable<Buffer>> {
  const content = await zip.openReadStreamPromise(entry)
  // Without it, a failure that comes before or after the reading would end the process.
  content.on('error', () => {})
  return content as AsyncIterable<Buffer>
}

/** Counts what really comes out, since sizes in a zip are only what its author says, and knows when to stop. */
class Meter {
  bytes = 0
  readonly #zipFile: string
  readonly #zipBytes: number
  readonly #limits: UnpackLimits
  readonly #signal: AbortSignal | undefined

  constructor(
    zipFile: string,
    zipBytes: number,
    limits: UnpackLimits,
    signal: AbortSignal | undefined,
  ) {
    this.#zipFile = zipFile
    this.#zipBytes = zipBytes
    this.#limits = limits
    this.#signal = signal
  }

  add(bytes: number): void {
    this.#signal?.throwIfAborted()
    this.bytes += bytes
    if (this.bytes > this.#limits.unpackedBytesMax) {
      throw unpackedTooLarge(this.#zipFile, this.#limits)
    }
    const { ratioMax } = this.#limits
    if (this.bytes > ratioFloorBytes && this.bytes > this.#zipBytes * ratioMax) {
      throw largePackage(
        this.#zipFile,
        `it unpacks to more than models.limits.ratioMax, ${ratioMax}, times its size: a bomb, or mostly zeros`,
      )
    }
  }
}

function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown)
}
