/** The most that is kept at once: every argument of an opcode that is looked at fits into it. */
const keptBytesMax = 1024 * 1024

/** A stream ended where more was needed. */
export class EndOfBytes extends Error {
  override readonly name = 'EndOfBytes'
}

/** A line is longer than anything that is looked at. */
export class LongLine extends Error {
  override readonly name = 'LongLine'
}

/** A stream gave more than it may. */
export class TooManyBytes extends Error {
  override readonly name = 'TooManyBytes'
}

/**
 * Reads a stream of bytes step by step with little memory: what is passed over is never kept.
 * `need(n)` makes sure of bytes; the rest of a step is synchronous.
 */
export class ByteCursor {
  readonly #chunks: AsyncIterator<Uint8Array>
  readonly #bytesMax: number
  #buffer: Buffer = Buffer.alloc(0)
  #at = 0
  #ended = false
  /** Of the next byte, from the beginning of the stream. */
  position = 0
  #received = 0

  /** @param bytesMax - More is `TooManyBytes`: a small file may inflate to a large one. */
  constructor(chunks: AsyncIterable<Uint8Array>, bytesMax: number) {
    this.#chunks = chunks[Symbol.asyncIterator]()
    this.#bytesMax = bytesMax
  }

  /** Bytes that can be read at once. */
  get available(): number {
    return this.#buffer.length - this.#at
  }

  /** Waits until so many bytes can be read. @returns Whether the stream has them. */
  async fill(bytes: number): Promise<boolean> {
    if (bytes > keptBytesMax) throw new RangeError(`${bytes} bytes at once`)
    while (this.available < bytes) {
      const chunk = await this.#next()
      if (chunk === undefined) return false
      this.#buffer = Buffer.concat([this.#buffer.subarray(this.#at), chunk])
      this.#at = 0
    }
    return true
  }

  /** @throws EndOfBytes */
  async need(bytes: number): Promise<void> {
    if (!(await this.fill(bytes))) throw new EndOfBytes()
  }

  /** Takes bytes that are known to be there. Valid until the next call. */
  take(bytes: number): Buffer {
    const taken = this.#buffer.subarray(this.#at, this.#at + bytes)
    this.#advance(bytes)
    return taken
  }

  /** Looks at bytes without taking them. */
  peek(bytes: number): Buffer {
    return this.#buffer.subarray(this.#at, this.#at + bytes)
  }

  /** Takes one byte that is known to be there. */
  byte(): number {
    const byte = this.#buffer[this.#at] ?? 0
    this.#advance(1)
    return byte
  }

  /**
   * Takes a line without its end.
   *
   * @throws EndOfBytes; LongLine when it does not end within `bytesMax`.
   */
  async line(bytesMax: number): Promise<Buffer> {
    for (let size = Math.min(256, bytesMax); ; size = Math.min(size * 4, bytesMax)) {
      const isWhole = await this.fill(size)
      const end = this.peek(size).indexOf(0x0a)
      if (end !== -1) {
        const line = Buffer.from(this.take(end))
        this.#advance(1)
        return line
      }
      if (!isWhole) throw new EndOfBytes()
      if (size === bytesMax) throw new LongLine()
    }
  }

  /** Passes over bytes without keeping them. @throws EndOfBytes */
  async skip(bytes: number): Promise<void> {
    let left = bytes
    for (;;) {
      const now = Math.min(left, this.available)
      this.#advance(now)
      left -= now
      if (left === 0) return
      const chunk = await this.#next()
      if (chunk === undefined) throw new EndOfBytes()
      this.#buffer = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
      this.#at = 0
    }
  }

  /** Lets go of the stream. */
  async close(): Promise<void> {
    await this.#chunks.return?.()
  }

  #advance(bytes: number): void {
    this.#at += bytes
    this.position += bytes
  }

  async #next(): Promise<Uint8Array | undefined> {
    if (this.#ended) return undefined
    const { done, value } = await this.#chunks.next()
    if (done === true) {
      this.#ended = true
      return undefined
    }
    this.#received += value.byteLength
    if (this.#received > this.#bytesMax) throw new TooManyBytes()
    return value
  }
}
