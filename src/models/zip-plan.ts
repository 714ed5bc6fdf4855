import type { Entry, ZipFile } from 'yauzl'
import type { ModelsSettings } from '../config/settings.ts'
import { EdgebootError } from '../core/errors.ts'
import { checkEntryName, decodeEntryName, foldedPath } from './entry-name.ts'

/** The limits that unpacking keeps. */
export type UnpackLimits = Pick<
  ModelsSettings['limits'],
  'unpackedBytesMax' | 'entriesMax' | 'ratioMax'
>

/** All names, comments and extra fields of a zip together, which are read into memory. */
const directoryBytesMax = 16 * 1024 * 1024

/** A file that will be written. */
export interface PlannedFile {
  readonly entry: Entry
  /** For messages. */
  readonly name: string
  /** Below the target folder; never empty, never leaves it. */
  readonly segments: readonly string[]
  /** Whether its owner may execute it: all that is taken of its mode. */
  readonly isExecutable: boolean
}

/** What a zip unpacks to, checked as far as its directory goes and before anything is written. */
export interface ZipPlan {
  readonly files: readonly PlannedFile[]
  /** All folders, parents before their children. */
  readonly folders: readonly (readonly string[])[]
  /** The one top folder under which all files lie, or empty. */
  readonly root: string
  /** Of all files together, as the zip declares them. */
  readonly bytes: number
}

/** `MODEL_PACKAGE_INVALID` with the reason. */
export function invalidPackage(zipFile: string, reason: string, cause?: unknown): EdgebootError {
  return new EdgebootError('MODEL_PACKAGE_INVALID', `the package is refused: ${reason}`, {
    details: { where: zipFile },
    cause,
  })
}

/** `MODEL_PACKAGE_TOO_LARGE` with the reason. */
export function largePackage(zipFile: string, reason: string): EdgebootError {
  return new EdgebootError('MODEL_PACKAGE_TOO_LARGE', `the package is refused: ${reason}`, {
    details: { where: zipFile },
  })
}

/**
 * Reads the directory of a zip and refuses it as a whole when one entry is not plain: one bad
 * name means that the author's tool, or the author, is not to be trusted with the rest.
 *
 * @param zip - Opened with lazy entries, undecoded names and no automatic close.
 * @param zipFile - For messages.
 * @throws `MODEL_PACKAGE_INVALID`, `MODEL_PACKAGE_TOO_LARGE`, and errors of yauzl as they are.
 */
export async function planZip(
  zip: ZipFile,
  zipFile: string,
  limits: UnpackLimits,
): Promise<ZipPlan> {
  if (zip.entryCount > limits.entriesMax) {
    throw largePackage(
      zipFile,
      `it has ${zip.entryCount} entries, more than models.limits.entriesMax, ${limits.entriesMax}`,
    )
  }
  const tree = new Tree(zipFile)
  let directoryBytes = 0
  let declaredBytes = 0
  for await (const entry of zip.eachEntry()) {
    directoryBytes += entry.fileNameLength + entry.extraFieldLength + entry.fileCommentLength
    if (directoryBytes > directoryBytesMax) {
      throw invalidPackage(zipFile, `its directory is larger than ${directoryBytesMax} bytes`)
    }
    declaredBytes += entry.uncompressedSize
    if (declaredBytes > limits.unpackedBytesMax) throw unpackedTooLarge(zipFile, limits)
    tree.add(entry)
  }
  refuseOverlaps(tree.files, zipFile)
  if (tree.files.length === 0) throw invalidPackage(zipFile, 'it is a zip without files')
  return {
    files: tree.files,
    folders: tree.folders,
    root: rootOf(tree.files),
    bytes: declaredBytes,
  }
}

/** The refusal of a package that grows too large, by what it says or by what comes out. */
export function unpackedTooLarge(zipFile: string, limits: UnpackLimits): EdgebootError {
  return largePackage(
    zipFile,
    `it unpacks to more than models.limits.unpackedBytesMax, ${limits.unpackedBytesMax} bytes`,
  )
}

/** Collects entries and refuses those that are not plain, or meet another. */
class Tree {
  readonly files: PlannedFile[] = []
  readonly folders: (readonly string[])[] = []
  readonly #zipFile: string
  /** Folded path to the path as first written. */
  readonly #folderNames = new Map<string, string>()
  readonly #fileNames = new Map<string, string>()

  constructor(zipFile: string) {
    this.#zipFile = zipFile
  }

  add(entry: Entry): void {
    const name = decodeEntryName(entry.fileNameRaw, entry.generalPurposeBitFlag, entry.extraFields)
    const checked = checkEntryName(name)
    if ('fault' in checked) throw this.#refuse(name, `has ${checked.fault}`)
    const fault = entryFault(entry, checked.isFolder)
    if (fault !== undefined) throw this.#refuse(name, fault)
    const { segments, isFolder } = checked
    if (isJunk(segments)) return
    for (let depth = 1; depth < segments.length; depth++) {
      this.#addFolder(segments.slice(0, depth), name)
    }
    if (segments.length === 0) return
    if (isFolder) this.#addFolder(segments, name)
    else this.#addFile(entry, segments, name)
  }

  #addFolder(segments: readonly string[], name: string): void {
    const folded = foldedPath(segments)
    if (this.#fileNames.has(folded)) throw this.#refuse(name, 'makes a folder of what is a file')
    const path = segments.join('/')
    const known = this.#folderNames.get(folded)
    if (known === path) return
    if (known !== undefined) throw this.#refuse(name, `differs from "${known}" in case only`)
    this.#folderNames.set(folded, path)
    this.folders.push(segments)
  }

  #addFile(entry: Entry, segments: readonly string[], name: string): void {
    const folded = foldedPath(segments)
    if (this.#folderNames.has(folded)) throw this.#refuse(name, 'makes a file of what is a folder')
    const known = this.#fileNames.get(folded)
    if (known === segments.join('/')) throw this.#refuse(name, 'is there twice')
    if (known !== undefined) throw this.#refuse(name, `differs from "${known}" in case only`)
    this.#fileNames.set(folded, segments.join('/'))
    const isExecutable = ((entry.externalFileAttributes >>> 16) & 0o100) !== 0
    this.files.push({ entry, name, segments, isExecutable })
  }

  #refuse(name: string, fault: string): EdgebootError {
    const shown = name.length > 100 ? name.slice(0, 100) + '…' : name
    return invalidPackage(this.#zipFile, `the entry ${JSON.stringify(shown)} ${fault}`)
  }
}

const encryptedFlag = 0x1
const maskedFlag = 0x2000

/** What an entry is, besides its name. */
function entryFault(entry: Entry, isFolder: boolean): string | undefined {
  if ((entry.generalPurposeBitFlag & (encryptedFlag | maskedFlag)) !== 0) return 'is encrypted'
  if (entry.compressionMethod !== 0 && entry.compressionMethod !== 8) {
    return `is compressed by method ${entry.compressionMethod}, which is neither stored nor deflate`
  }
  const fileType = (entry.externalFileAttributes >>> 16) & 0o170000
  if (fileType === 0o120000) return 'is a symbolic link'
  if (fileType === 0o040000 && !isFolder) return 'is a folder by its mode and a file by its name'
  if (![0, 0o100000, 0o040000].includes(fileType)) return 'is a device, a pipe or a socket'
  if (isFolder && entry.uncompressedSize > 0) return 'is a folder with content'
  return undefined
}

/** What macOS adds and no model needs. */
function isJunk(segments: readonly string[]): boolean {
  return segments[0] === '__MACOSX' || segments.at(-1) === '.DS_Store'
}

/** Entries that share bytes are how a small zip becomes a large one; honest tools make none. */
function refuseOverlaps(files: readonly PlannedFile[], zipFile: string): void {
  const ordered = [...files].sort(
    (a, b) => a.entry.relativeOffsetOfLocalHeader - b.entry.relativeOffsetOfLocalHeader,
  )
  const localHeaderBytes = 30
  let end = 0
  for (const { entry, name } of ordered) {
    if (entry.relativeOffsetOfLocalHeader < end) {
      throw invalidPackage(zipFile, `the entry ${JSON.stringify(name)} overlaps another`)
    }
    end = entry.relativeOffsetOfLocalHeader + localHeaderBytes + entry.compressedSize
  }
}

function rootOf(files: readonly PlannedFile[]): string {
  const first = files[0]?.segments[0] ?? ''
  return files.every(({ segments }) => segments.length > 1 && segments[0] === first) ? first : ''
}
