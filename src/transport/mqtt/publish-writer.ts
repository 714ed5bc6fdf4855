import type { Writable } from 'node:stream'
import { type MeasuredPublish, writePublishHead } from './publish-packet.ts'

/** A payload from this size on is written as it is; smaller ones are copied into one buffer. */
const copiedBytesMax = 16 * 1024

interface Waiting {
  readonly packet: MeasuredPublish
  readonly written: () => void
}

/**
 * Writes packets to a stream, those of one turn of the event loop in one piece: a system call per
 * result is what costs most on the way out.
 *
 * Bounded by its owner: {@link hasRoom} turns false above `bytesMax`, and `room` is called once it
 * is true again. `written` callbacks come in order; after {@link stop} none comes.
 */
export class PublishWriter {
  readonly #stream: Writable
  readonly #bytesMax: number
  readonly #room: () => void
  #waiting: Waiting[] = []
  #bytes = 0
  #full = false
  #scheduled = false
  #stopped = false

  constructor(stream: Writable, bytesMax: number, room: () => void) {
    this.#stream = stream
    this.#bytesMax = bytesMax
    this.#room = room
  }

  get hasRoom(): boolean {
    return this.#bytes < this.#bytesMax
  }

  add(packet: MeasuredPublish, written: () => void): void {
    if (this.#stopped) return
    this.#waiting.push({ packet, written })
    this.#bytes += packet.packetBytes
    if (!this.hasRoom) this.#full = true
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(() => this.flush())
  }

  /** Writes now what would be written at the end of this turn. */
  flush(): void {
    this.#scheduled = false
    if (this.#stopped || this.#waiting.length === 0) return
    const all = this.#waiting
    this.#waiting = []
    this.#stream.cork()
    let run: Waiting[] = []
    for (const waiting of all) {
      if (waiting.packet.message.payload.length < copiedBytesMax) {
        run.push(waiting)
        continue
      }
      this.#writeTogether(run)
      run = []
      this.#writeLarge(waiting)
    }
    this.#writeTogether(run)
    this.#stream.uncork()
  }

  /** Forgets everything. */
  stop(): void {
    this.#stopped = true
    this.#waiting = []
  }

  #writeTogether(run: readonly Waiting[]): void {
    if (run.length === 0) return
    let bytes = 0
    for (const { packet } of run) bytes += packet.packetBytes
    const buffer = Buffer.allocUnsafe(bytes)
    let offset = 0
    for (const { packet } of run) {
      offset = writePublishHead(buffer, offset, packet)
      buffer.set(packet.message.payload, offset)
      offset += packet.message.payload.length
    }
    this.#stream.write(buffer, (error) => this.#done(run, bytes, error))
  }

  #writeLarge(waiting: Waiting): void {
    const { packet } = waiting
    const head = Buffer.allocUnsafe(packet.packetBytes - packet.message.payload.length)
    writePublishHead(head, 0, packet)
    this.#stream.write(head)
    this.#stream.write(packet.message.payload, (error) =>
      this.#done([waiting], packet.packetBytes, error),
    )
  }

  #done(run: readonly Waiting[], bytes: number, error: Error | null | undefined): void {
    // A failed write ends the session, and its owner still has the packets.
    if (error || this.#stopped) return
    this.#bytes -= bytes
    for (const { written } of run) {
      // The callback may have ended the session.
      if (this.#stopped) return
      written()
    }
    if (this.#full && this.hasRoom) {
      this.#full = false
      this.#room()
    }
  }
}
