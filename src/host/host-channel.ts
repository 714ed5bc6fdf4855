import type { Duplex } from 'node:stream'
import type { Clock, Timer } from '../core/clock.ts'
import { EdgebootError } from '../core/errors.ts'
import { decodeJsonBody, encodeJsonFrame } from '../runtime/frame.ts'
import { FrameReader } from '../runtime/frame-reader.ts'

/** Over which bytes of one second are counted. */
const windowMs = 1000

/** One of the two directions. */
export interface Direction {
  /** Type of its frames. */
  readonly type: number
  /** Largest frame. */
  readonly bytesMax: number
}

/** What one end of a channel is made of. */
export interface HostChannelOptions<Incoming> {
  readonly incoming: Direction
  readonly outgoing: Direction
  /** Checks what came: the other end may be in the hands of a model. Throws what it finds wrong. */
  readonly parse: (body: Record<string, unknown>) => Incoming
  readonly received: (message: Incoming) => void
  /** What came breaks the protocol. Nothing is received after it. */
  readonly broke: (error: EdgebootError) => void
  /** The other end is closed. Once, and last. */
  readonly ended: () => void
  /** Reads no more than so many bytes in a second: the rest has to wait. */
  readonly pace?: { readonly clock: Clock; readonly bytesPerSecondMax: number }
}

/**
 * One end of the pipe between the main process and a host: JSON in frames (see `runtime/frame.ts`).
 * Node's own IPC would not do: a model shares the descriptors of its host, and a line of garbage on
 * that channel is an exception in the main process that nobody can catch. Here nothing that comes
 * can throw, grow without bound, or keep the reader from other work.
 */
export class HostChannel<Incoming, Outgoing> {
  readonly #socket: Duplex
  readonly #options: HostChannelOptions<Incoming>
  readonly #frames: FrameReader
  #isOver = false
  #isBroken = false
  #windowStart = Number.NEGATIVE_INFINITY
  #windowBytes = 0
  #resume: Timer | undefined
  #isPaced = true

  constructor(socket: Duplex, options: HostChannelOptions<Incoming>) {
    const { type, bytesMax } = options.incoming
    this.#socket = socket
    this.#options = options
    this.#frames = new FrameReader({ types: [type], frameBytesMax: bytesMax, fault: hostFault })
    socket.on('data', (chunk: Buffer) => this.#take(chunk))
    // A connection that is reset is one that is closed, which 'close' tells.
    socket.on('error', () => {})
    socket.once('end', () => this.#end())
    socket.once('close', () => this.#end())
  }

  /** Bytes that the other end has not taken yet. */
  get waitingBytes(): number {
    return this.#socket.writableLength
  }

  /** Whether nothing comes any more. */
  get isOver(): boolean {
    return this.#isOver
  }

  /**
   * Sends a message, unless the other end is gone, it is larger than a frame may be, or no JSON.
   *
   * @param left - Called when it has left this process, or cannot.
   * @returns Whether it is on its way.
   */
  send(message: Outgoing, left?: () => void): boolean {
    const frame = this.#isOver ? undefined : this.#encode(message)
    if (frame === undefined) left?.()
    else this.#socket.write(frame, () => left?.())
    return frame !== undefined
  }

  /** Reads what is left without regard to its pace: the other process has ended. */
  readOn(): void {
    this.#isPaced = false
    this.#resume?.cancel()
    this.#socket.resume()
  }

  /** Lets go of the pipe. Nothing is called any more. */
  close(): void {
    this.#isOver = true
    this.#resume?.cancel()
    this.#socket.destroy()
  }

  #encode(message: Outgoing): Buffer | undefined {
    const { type, bytesMax } = this.#options.outgoing
    try {
      const frame = encodeJsonFrame(type, message)
      return frame.length > bytesMax ? undefined : frame
    } catch {
      // Such as a BigInt or a cycle among the fields of a log line.
      return undefined
    }
  }

  #take(chunk: Buffer): void {
    if (this.#isOver || this.#isBroken) return
    const { parse, received, broke } = this.#options
    try {
      this.#frames.push(chunk, (_type, body) => {
        if (!this.#isOver) received(parse(decodeJsonBody(body, hostFault)))
      })
    } catch (thrown) {
      // Whatever it is: no message of one host may end the process that holds all of them.
      this.#isBroken = true
      broke(thrown instanceof EdgebootError ? thrown : hostFault(String(thrown), thrown))
      return
    }
    this.#keepPace(chunk.length)
  }

  #keepPace(bytes: number): void {
    const { pace } = this.#options
    if (pace === undefined || !this.#isPaced || this.#isOver) return
    const now = pace.clock.monotonic()
    if (now - this.#windowStart >= windowMs) {
      this.#windowStart = now
      this.#windowBytes = 0
    }
    this.#windowBytes += bytes
    if (this.#windowBytes <= pace.bytesPerSecondMax) return
    this.#socket.pause()
    this.#resume = pace.clock.after(windowMs - (now - this.#windowStart), () =>
      this.#socket.resume(),
    )
  }

  #end(): void {
    if (this.#isOver) return
    this.close()
    this.#options.ended()
  }
}

/** What came over a channel that the protocol does not allow. */
export function hostFault(what: string, cause?: unknown): EdgebootError {
  return new EdgebootError('HOST_PROTOCOL', `the host broke the protocol: ${what}`, { cause })
}
