import { limits } from '../core/limits.ts'
import { frameHeaderBytes, fromRunner, protocolError, type FrameFault } from './frame.ts'

/** Smallest buffer in which a frame is put together that came in pieces. */
const assemblyBytesMin = 64 * 1024

/**
 * Cuts a stream of bytes into frames.
 *
 * Chunks may end anywhere, in a header too. The body of a frame that lies whole in one chunk is a
 * view on that chunk, never a copy. A frame that came in pieces is put together in a buffer that
 * doubles as bytes arrive: no announced length allocates more than twice what was received, and
 * the copying is linear.
 */
export class FrameReader {
  readonly #types: ReadonlySet<number>
  readonly #frameBytesMax: number
  readonly #fault: FrameFault
  readonly #header = Buffer.alloc(frameHeaderBytes)
  #headerBytes = 0
  /** Bytes of the body that the header announced. */
  #bodyBytes = 0
  #assembly: Buffer | undefined
  #assembled = 0

  /**
   * @param options.types - The frame types that may come; those of a runner by default.
   * @param options.frameBytesMax - Largest announced length.
   * @param options.fault - Makes what is thrown; RUNNER_PROTOCOL by default.
   */
  constructor(
    options: { types?: Iterable<number>; frameBytesMax?: number; fault?: FrameFault } = {},
  ) {
    this.#types = new Set(options.types ?? Object.values(fromRunner))
    this.#frameBytesMax = options.frameBytesMax ?? limits.frameBytesMax
    this.#fault = options.fault ?? protocolError
  }

  /** Whether the last chunk ended inside a frame. */
  get insideFrame(): boolean {
    return this.#headerBytes > 0
  }

  /**
   * Takes the next chunk and hands over every frame that it completes, in order.
   *
   * @param deliver - Gets the type and the body, which stays valid as long as it is held.
   * @throws RUNNER_PROTOCOL, or what `fault` makes, for a length above the limit, or an unknown type. The reader must not
   * be used afterwards.
   */
  push(chunk: Uint8Array, deliver: (type: number, body: Uint8Array) => void): void {
    let at = 0
    while (at < chunk.length || this.#isComplete()) {
      if (this.#headerBytes < frameHeaderBytes) {
        at = this.#takeHeader(chunk, at)
        continue
      }
      const remaining = this.#bodyBytes - this.#assembled
      if (this.#assembled === 0 && chunk.length - at >= remaining) {
        const body = chunk.subarray(at, at + remaining)
        at += remaining
        this.#finish(body, deliver)
        continue
      }
      const taken = chunk.subarray(at, at + remaining)
      at += taken.length
      this.#assemble(taken)
      if (this.#assembled === this.#bodyBytes && this.#assembly !== undefined) {
        this.#finish(this.#assembly.subarray(0, this.#bodyBytes), deliver)
      }
    }
  }

  /** A frame without a body is complete before another byte comes. */
  #isComplete(): boolean {
    return this.#headerBytes === frameHeaderBytes && this.#bodyBytes === 0
  }

  #takeHeader(chunk: Uint8Array, at: number): number {
    const taken = chunk.subarray(at, at + frameHeaderBytes - this.#headerBytes)
    this.#header.set(taken, this.#headerBytes)
    this.#headerBytes += taken.length
    if (this.#headerBytes >= 4) {
      const length = this.#header.readUInt32BE(0)
      if (length < 1 || length > this.#frameBytesMax) {
        throw this.#fault(`a frame announces ${length} bytes of at most ${this.#frameBytesMax}`)
      }
      this.#bodyBytes = length - 1
    }
    if (this.#headerBytes === frameHeaderBytes) {
      const type = this.#header.readUInt8(4)
      if (!this.#types.has(type)) throw this.#fault(`a frame has the unknown type ${type}`)
    }
    return at + taken.length
  }

  #assemble(piece: Uint8Array): void {
    const needed = this.#assembled + piece.length
    if (this.#assembly === undefined || this.#assembly.length < needed) {
      const doubled = Math.max(needed * 2, assemblyBytesMin)
      const larger = Buffer.allocUnsafeSlow(Math.min(doubled, this.#bodyBytes))
      if (this.#assembly !== undefined) larger.set(this.#assembly.subarray(0, this.#assembled))
      this.#assembly = larger
    }
    this.#assembly.set(piece, this.#assembled)
    this.#assembled = needed
  }

  #finish(body: Uint8Array, deliver: (type: number, body: Uint8Array) => void): void {
    const type = this.#header.readUInt8(4)
    this.#headerBytes = 0
    this.#assembly = undefined
    this.#assembled = 0
    deliver(type, body)
  }
}
