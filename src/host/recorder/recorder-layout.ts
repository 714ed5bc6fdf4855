/**
 * What lies where in a recorder file. Everything is in *blocks*: a head of 24 bytes, then the
 * content. What must survive a write that is cut short has two slots that are written in turns; the
 * valid block with the highest sequence counts. Places are multiples of a page, so that a block that
 * fits one page is never half written by a process that is killed.
 *
 * ```text
 * 0          headers A, B    JSON: who writes, the names of the counts, sums of earlier hosts
 * 64 KiB     books A, B      counts of this host, a float64 each
 * 72 KiB     suspects A, B   JSON
 * 1,096 KiB  flights         one block per place: ids of 27 bytes
 * ```
 *
 * The file is sparse: a place that was never written takes no room.
 */
import { crc32 } from 'node:zlib'

const pageBytes = 4096
/** Bytes before the content of a block. */
export const blockHeadBytes = 24
/** `EBr1`: the last character is the version of this layout. */
const magic = 0x31724245

/** A stretch of the file for blocks of one kind. */
export interface Region {
  readonly offset: number
  readonly bytes: number
}

const headerBytes = 32 * 1024
const suspectsBytes = 512 * 1024

export const headerSlots: readonly Region[] = [0, 1].map((slot) => ({
  offset: slot * headerBytes,
  bytes: headerBytes,
}))
export const booksSlots: readonly Region[] = [0, 1].map((slot) => ({
  offset: 2 * headerBytes + slot * pageBytes,
  bytes: pageBytes,
}))
export const suspectsSlots: readonly Region[] = [0, 1].map((slot) => ({
  offset: 2 * headerBytes + 2 * pageBytes + slot * suspectsBytes,
  bytes: suspectsBytes,
}))
const flightsOffset = 2 * headerBytes + 2 * pageBytes + 2 * suspectsBytes

/** Characters of an event's id: those of `ResultIds`. */
export const idBytes = 27

/** Room for one batch of ids. */
export function flightBytes(batchSize: number): number {
  return Math.ceil((blockHeadBytes + batchSize * idBytes) / pageBytes) * pageBytes
}

/** Where a batch in flight is put down. */
export function flightRegion(place: number, bytes: number): Region {
  return { offset: flightsOffset + place * bytes, bytes }
}

/** A piece of the file that proves itself. */
export interface Block {
  /** Of the host that wrote it. */
  readonly generation: number
  /** Grows with every block of its kind. */
  readonly sequence: number
  readonly content: Buffer
}

/** A block that is written again and again: its content is filled in place, and nothing is allocated. */
export class BlockBuffer {
  readonly #bytes: Buffer
  /** Where the content goes. */
  readonly content: Buffer

  /** @param contentBytes - The most it will hold. A Float64Array may lie over it. */
  constructor(contentBytes: number) {
    this.#bytes = Buffer.allocUnsafeSlow(blockHeadBytes + contentBytes)
    this.content = this.#bytes.subarray(blockHeadBytes)
  }

  /** @returns The bytes to write, valid until the next call. */
  seal(generation: number, sequence: number, contentBytes = this.content.length): Buffer {
    const block = this.#bytes.subarray(0, blockHeadBytes + contentBytes)
    block.writeUInt32LE(magic, 0)
    block.writeUInt32LE(contentBytes, 8)
    block.writeUInt32LE(generation, 12)
    // A counter of a host that runs for years: 32 bits would not do.
    block.writeDoubleLE(sequence, 16)
    block.writeUInt32LE(crc32(block.subarray(8)), 4)
    return block
  }
}

/** What a block takes, by its head alone, which may be anything. */
export function blockBytes(head: Buffer): number {
  return blockHeadBytes + head.readUInt32LE(8)
}

/** @returns `undefined` for bytes that are not a whole block: torn, foreign or never written. */
export function parseBlock(bytes: Buffer): Block | undefined {
  if (bytes.length < blockHeadBytes || bytes.readUInt32LE(0) !== magic) return undefined
  const contentBytes = bytes.readUInt32LE(8)
  if (contentBytes > bytes.length - blockHeadBytes) return undefined
  const block = bytes.subarray(0, blockHeadBytes + contentBytes)
  if (crc32(block.subarray(8)) !== block.readUInt32LE(4)) return undefined
  return {
    generation: block.readUInt32LE(12),
    sequence: block.readDoubleLE(16),
    content: block.subarray(blockHeadBytes),
  }
}
