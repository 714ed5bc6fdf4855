/** Characters of UTF-8 take this many bytes at most. */
const bytesPerChar = 4
const lineFeed = 10
const carriageReturn = 13

/**
 * Cuts a stream of printed bytes into lines with bounded memory.
 *
 * A line ends with LF or CR (progress bars). What is longer than `charsMax` is handed over cut, as
 * soon as it is that long, and the rest of the line is skipped. Bytes that are no UTF-8 become
 * U+FFFD; a character whose bytes come in two chunks stays whole. Blank lines are left out.
 */
export class LineSplitter {
  readonly #charsMax: number
  readonly #held: Buffer
  #heldBytes = 0
  /** In a line that was handed over cut. */
  #skipping = false

  constructor(charsMax: number) {
    this.#charsMax = charsMax
    this.#held = Buffer.allocUnsafeSlow(charsMax * bytesPerChar)
  }

  /** Takes the next bytes and hands over the lines that they complete. */
  push(chunk: Uint8Array, deliver: (line: string) => void): void {
    let start = 0
    for (let at = 0; at < chunk.length; at++) {
      const byte = chunk[at]
      if (byte !== lineFeed && byte !== carriageReturn) continue
      this.#hold(chunk.subarray(start, at), deliver)
      this.end(deliver)
      start = at + 1
    }
    this.#hold(chunk.subarray(start), deliver)
  }

  /** Hands over a last line that never ended. */
  end(deliver: (line: string) => void): void {
    if (!this.#skipping) this.#release(deliver)
    this.#skipping = false
  }

  #hold(piece: Uint8Array, deliver: (line: string) => void): void {
    if (this.#skipping || piece.length === 0) return
    const room = this.#held.length - this.#heldBytes
    this.#held.set(piece.subarray(0, room), this.#heldBytes)
    this.#heldBytes += Math.min(piece.length, room)
    if (this.#heldBytes === this.#held.length) {
      this.#release(deliver)
      this.#skipping = true
    }
  }

  #release(deliver: (line: string) => void): void {
    const text = this.#held.toString('utf8', 0, this.#heldBytes)
    this.#heldBytes = 0
    if (text.trim() === '') return
    deliver(text.length > this.#charsMax ? `${text.slice(0, this.#charsMax - 1)}…` : text)
  }
}
