import { open, type FileHandle } from 'node:fs/promises'
import { crc32 } from 'node:zlib'
import { EdgebootError } from '../../core/errors.ts'
import type { CollectedFile } from './collect-files.ts'

/** Without Zip64, which no model needs and not every tool reads. */
const zipBytesMax = 0xffff_ffff
const zipEntriesMax = 0xfffe
const copyBytes = 256 * 1024

const localHeaderBytes = 30
const centralHeaderBytes = 46
const endBytes = 22
/** Names are UTF-8. */
const utf8Flag = 0x800
/** 1 January 1980, 0:00: the beginning of time in a zip. */
const dosDate = 0x21
const madeByUnix = (3 << 8) | 20
const readableBy = 20

/**
 * Writes files as a zip whose bytes follow from their names, contents and execute bits alone: on
 * any machine, with any version of Node. Files are stored, not compressed: what zlib makes of them
 * differs from version to version and from processor to processor, and weights hardly shrink.
 *
 * @param files - In the order in which they are written.
 * @param output - Open for writing, empty.
 * @throws `MODEL_PACKAGE_TOO_LARGE` beyond 4 GiB or 65,534 files; `MODEL_PACKAGE_INVALID` when a
 * file changes meanwhile; errors of the file system as they are.
 */
export async function writeStoredZip(
  files: readonly CollectedFile[],
  output: FileHandle,
): Promise<void> {
  refuseLarge(files)
  const directory: Buffer[] = []
  let offset = 0
  for (const file of files) {
    const name = Buffer.from(file.name)
    const dataAt = offset + localHeaderBytes + name.length
    const checksum = await copy(file, output, dataAt)
    const fields = sharedFields(checksum, file.bytes, name.length)
    const local = Buffer.alloc(localHeaderBytes)
    local.writeUInt32LE(0x04034b50, 0)
    fields.copy(local, 4)
    await writeAll(output, Buffer.concat([local, name]), offset)
    directory.push(centralHeader(fields, file, offset), name)
    offset = dataAt + file.bytes
  }
  const central = Buffer.concat(directory)
  const end = Buffer.alloc(endBytes)
  end.writeUInt32LE(0x06054b50, 0)
  end.writeUInt16LE(files.length, 8)
  end.writeUInt16LE(files.length, 10)
  end.writeUInt32LE(central.length, 12)
  end.writeUInt32LE(offset, 16)
  await writeAll(output, Buffer.concat([central, end]), offset)
}

function refuseLarge(files: readonly CollectedFile[]): void {
  let bytes = endBytes
  for (const { name, bytes: content } of files) {
    bytes += content + localHeaderBytes + centralHeaderBytes + 2 * Buffer.byteLength(name)
  }
  if (bytes <= zipBytesMax && files.length <= zipEntriesMax) return
  throw new EdgebootError(
    'MODEL_PACKAGE_TOO_LARGE',
    `a package holds at most ${zipEntriesMax} files and ${zipBytesMax} bytes; this has ${files.length} and ${bytes}`,
    { fix: 'Leave out what the model does not load.' },
  )
}

/** Version needed, flags, method, time, date, checksum, sizes, length of the name: the same in both headers. */
function sharedFields(checksum: number, bytes: number, nameBytes: number): Buffer {
  const fields = Buffer.alloc(24)
  fields.writeUInt16LE(readableBy, 0)
  fields.writeUInt16LE(utf8Flag, 2)
  fields.writeUInt16LE(dosDate, 8)
  fields.writeUInt32LE(checksum, 10)
  fields.writeUInt32LE(bytes, 14)
  fields.writeUInt32LE(bytes, 18)
  fields.writeUInt16LE(nameBytes, 22)
  return fields
}

function centralHeader(fields: Buffer, { isExecutable }: CollectedFile, offset: number): Buffer {
  const central = Buffer.alloc(centralHeaderBytes)
  central.writeUInt32LE(0x02014b50, 0)
  central.writeUInt16LE(madeByUnix, 4)
  fields.copy(central, 6)
  central.writeUInt32LE(((isExecutable ? 0o100755 : 0o100644) << 16) >>> 0, 38)
  central.writeUInt32LE(offset, 42)
  return central
}

/** @returns The checksum of what was copied. */
async function copy(file: CollectedFile, output: FileHandle, at: number): Promise<number> {
  await using input = await open(file.path, 'r')
  const buffer = Buffer.allocUnsafe(copyBytes)
  let checksum = 0
  let bytes = 0
  for (;;) {
    const { bytesRead } = await input.read(buffer, 0, copyBytes)
    if (bytesRead === 0) break
    const piece = buffer.subarray(0, bytesRead)
    if (bytes + bytesRead > file.bytes) break
    checksum = crc32(piece, checksum)
    await writeAll(output, piece, at + bytes)
    bytes += bytesRead
  }
  if (bytes === file.bytes && (await input.stat()).size === file.bytes) return checksum
  throw new EdgebootError('MODEL_PACKAGE_INVALID', `${file.name} changed while it was packed`, {
    details: { where: file.path },
    fix: 'Pack again when nothing writes into the folder.',
  })
}

async function writeAll(output: FileHandle, bytes: Buffer, at: number): Promise<void> {
  let written = 0
  while (written < bytes.length) {
    const { bytesWritten } = await output.write(
      bytes,
      written,
      bytes.length - written,
      at + written,
    )
    written += bytesWritten
  }
}
