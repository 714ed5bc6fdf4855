import { crc32 } from 'node:zlib'
import type { ExtraField } from 'yauzl'

/** Folders within folders of a package. */
const depthMax = 32
/** One file or folder name, bytes of UTF-8: what Linux file systems hold. */
const segmentBytesMax = 255
/** A whole path inside a package, bytes of UTF-8. */
const pathBytesMax = 1024

/** A name in a zip that may become a path below the folder it is unpacked to, or why it may not. */
export type CheckedName =
  | { readonly segments: readonly string[]; readonly isFolder: boolean }
  | { readonly fault: string }

/**
 * Decides whether an entry's name may become a path.
 *
 * Accepted segments are never empty, `.`, `..`, or anything with a separator, so that joining
 * them to a folder always stays below it; `.` is dropped. No segments at all: the folder itself.
 */
export function checkEntryName(name: string): CheckedName {
  if (name === '') return { fault: 'an empty name' }
  // oxlint-disable-next-line no-control-regex -- these are what is looked for
  if (/[\u0000-\u001f\u007f]/.test(name)) return { fault: 'a control character in its name' }
  if (name.includes('\\')) return { fault: 'a backslash in its name' }
  if (name.startsWith('/')) return { fault: 'an absolute path' }
  if (/^[a-z]:/i.test(name)) return { fault: 'a drive letter' }
  if (!name.isWellFormed() || name.includes('\ufffd')) {
    return { fault: 'a name that is not valid text' }
  }
  if (Buffer.byteLength(name) > pathBytesMax) {
    return { fault: `a path longer than ${pathBytesMax} bytes` }
  }
  const isFolder = name.endsWith('/')
  const parts = (isFolder ? name.slice(0, -1) : name).split('/')
  if (parts.includes('')) return { fault: 'an empty part in its path' }
  if (parts.includes('..')) return { fault: 'a path with ".."' }
  const segments = parts.filter((part) => part !== '.')
  if (segments.length > depthMax) return { fault: `more than ${depthMax} folders in its path` }
  if (segments.some((part) => Buffer.byteLength(part) > segmentBytesMax)) {
    return { fault: `a name longer than ${segmentBytesMax} bytes` }
  }
  if (segments.length === 0 && !isFolder) return { fault: 'a name that is no file' }
  return { segments, isFolder }
}

/**
 * The same for all names that a file system which ignores case or Unicode composition would take
 * for one. Packages travel through such file systems.
 */
export function foldedPath(segments: readonly string[]): string {
  return segments.join('/').normalize('NFC').toLowerCase().normalize('NFC')
}

const unicodePathField = 0x7075
const utf8Flag = 0x800

/**
 * The text of an entry's name.
 *
 * A zip says whether a name is UTF-8; without that flag it should be code page 437, but Linux and
 * macOS tools write UTF-8 there and Chinese Windows writes GBK, whose second byte may even be a
 * backslash. So: UTF-8 if it is valid, else GBK if it is valid, else a byte for a character. A
 * wrong guess gives an odd name, never an unsafe one: the text is what is checked and written.
 */
export function decodeEntryName(
  raw: Buffer,
  flags: number,
  extraFields: readonly ExtraField[],
): string {
  const unicode = unicodePath(raw, extraFields)
  if (unicode !== undefined) return unicode.toString('utf8')
  const utf8 = decoded(raw, 'utf-8')
  if (utf8 !== undefined) return utf8
  // Flagged as UTF-8 and is not: leave the marks in, the check refuses them.
  if ((flags & utf8Flag) !== 0) return raw.toString('utf8')
  return decoded(raw, 'gbk') ?? raw.toString('latin1')
}

/** Info-ZIP's second name of an entry: version 1, the checksum of the first name, UTF-8. */
function unicodePath(raw: Buffer, extraFields: readonly ExtraField[]): Buffer | undefined {
  const data = extraFields.find((field) => field.id === unicodePathField)?.data
  if (data === undefined || data.length < 6 || data[0] !== 1) return undefined
  return data.readUInt32LE(1) === crc32(raw) ? data.subarray(5) : undefined
}

function decoded(raw: Buffer, encoding: string): string | undefined {
  try {
    return new TextDecoder(encoding, { fatal: true, ignoreBOM: true }).decode(raw)
  } catch {
    return undefined
  }
}
