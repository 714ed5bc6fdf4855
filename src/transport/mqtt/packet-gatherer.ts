/** A packet up to this size gets its buffer when it begins. */
const allocatedAtOnceBytesMax = 1024 * 1024

/** Pieces below this size are kept together in blocks. */
const smallBytes = 4 * 1024

const blockBytes = 64 * 1024

/**
 * Gathers bytes that come in pieces into one buffer of a size that is known from the start.
 *
 * Every byte is copied once. The buffer of a large one is made when a quarter of it is there: until
 * then the pieces themselves are kept, so that an announced size costs nothing. Small pieces of a
 * large one are the exception, and copied twice: an object for each would cost far more.
 */
export class PacketGatherer {
  readonly #total: number
  #bytes = 0
  #target: Buffer | undefined
  #pieces: Buffer[] = []
  /** The last piece, when it is a block of ours; its first `blockUsed` bytes are filled. */
  #block: Buffer | undefined
  #blockUsed = 0

  constructor(totalBytes: number) {
    this.#total = totalBytes
    // Not from the pool, here and below: whoever keeps a payload would keep its neighbours too.
    if (totalBytes <= allocatedAtOnceBytesMax) this.#target = Buffer.allocUnsafeSlow(totalBytes)
  }

  /** How many bytes it has. */
  get bytes(): number {
    return this.#bytes
  }

  /** How many are still to come. */
  get missingBytes(): number {
    return this.#total - this.#bytes
  }

  /** Takes what it needs of a chunk. @returns The offset behind what was taken. */
  add(chunk: Buffer, start: number): number {
    const end = Math.min(chunk.length, start + this.missingBytes)
    if (this.#target === undefined) this.#keep(chunk.subarray(start, end))
    else chunk.copy(this.#target, this.#bytes, start, end)
    this.#bytes += end - start
    if (this.#target === undefined && this.#bytes * 4 >= this.#total) this.#assemble()
    return end
  }

  /** The buffer, once nothing is missing. */
  finish(): Buffer {
    if (this.#target === undefined || this.missingBytes > 0) throw new Error('not complete')
    return this.#target
  }

  #keep(piece: Buffer): void {
    if (piece.length >= smallBytes) {
      this.#closeBlock()
      this.#pieces.push(piece)
      return
    }
    if (this.#block === undefined || this.#blockUsed + piece.length > blockBytes) {
      this.#closeBlock()
      this.#block = Buffer.allocUnsafe(blockBytes)
    }
    this.#blockUsed += piece.copy(this.#block, this.#blockUsed)
  }

  #closeBlock(): void {
    if (this.#block === undefined) return
    this.#pieces.push(this.#block.subarray(0, this.#blockUsed))
    this.#block = undefined
    this.#blockUsed = 0
  }

  #assemble(): void {
    this.#closeBlock()
    const target = Buffer.allocUnsafeSlow(this.#total)
    let offset = 0
    for (const piece of this.#pieces) offset += piece.copy(target, offset)
    this.#pieces = []
    this.#target = target
  }
}
