import { pubackBytes, writePuback } from './puback-packet.ts'
import { type MeasuredPublish, writePublishHead } from './publish-packet.ts'
import type { SessionOutput } from './session-output.ts'

/** A payload from this size on is written as it is; smaller ones are copied once. */
const copiedBytesMax = 16 * 1024

/** Packets are gathered in pieces of this size, which one allocation serves for many turns. */
const slabBytes = 64 * 1024

/** Whom a writer tells. */
export interface PacketWriterOwner {
  /** Packets went to the transport. */
  sent(): void
  /** The transport took something: fewer bytes wait than before. */
  taken(): void
}

/**
 * Gathers the packets of one turn of the event loop into one write, in the order of the calls: a
 * system call per packet is what costs most on the way out.
 *
 * Not bounded by itself: its owner watches {@link waitingBytes} and {@link answerBytes}. After
 * {@link stop} nothing is called.
 */
export class PacketWriter {
  readonly #output: SessionOutput
  readonly #owner: PacketWriterOwner
  #slab: Buffer = Buffer.alloc(0)
  /** Of the slab: what is gathered and not cut into a piece, from here to there. */
  #start = 0
  #end = 0
  /** Complete pieces before that. */
  #pieces: Uint8Array[] = []
  /** Who waits for what is gathered to be taken. */
  #dones: ((code: number) => void)[] = []
  #gatheredBytes = 0
  #gatheredAnswerBytes = 0
  #waitingBytes = 0
  #answerBytes = 0
  #scheduled = false
  #stopped = false
  readonly #flushLater = (): void => {
    this.#scheduled = false
    this.flush()
  }

  constructor(output: SessionOutput, owner: PacketWriterOwner) {
    this.#output = output
    this.#owner = owner
  }

  /** Bytes that the operating system does not have yet. */
  get waitingBytes(): number {
    return this.#waitingBytes
  }

  /** Those among them that are answers to what the broker sent. */
  get answerBytes(): number {
    return this.#answerBytes
  }

  /**
   * @param id - Packet identifier with QoS 1, 0 without.
   * @param done - Called with 0, in order, once the operating system has the packet.
   */
  publish(measured: MeasuredPublish, id: number, done?: (code: number) => void): void {
    const { payload } = measured.message
    const isLarge = payload.length >= copiedBytesMax
    const headBytes = measured.packetBytes - payload.length
    const start = this.#reserve(isLarge ? headBytes : measured.packetBytes)
    const end = writePublishHead(this.#slab, start, measured, id)
    if (isLarge) {
      this.#cut()
      this.#pieces.push(payload)
    } else {
      this.#slab.set(payload, end)
    }
    if (done !== undefined) this.#dones.push(done)
    this.#gathered(measured.packetBytes)
  }

  puback(id: number): void {
    // First: it may make another slab.
    const start = this.#reserve(pubackBytes)
    writePuback(this.#slab, start, id)
    this.#gatheredAnswerBytes += pubackBytes
    this.#answerBytes += pubackBytes
    this.#gathered(pubackBytes)
  }

  /** Any other packet. @param isAnswer - Whether the broker's sending makes us send it. */
  packet(bytes: Uint8Array, isAnswer = false): void {
    const start = this.#reserve(bytes.length)
    this.#slab.set(bytes, start)
    if (isAnswer) {
      this.#gatheredAnswerBytes += bytes.length
      this.#answerBytes += bytes.length
    }
    this.#gathered(bytes.length)
  }

  /** Writes now what would be written at the end of this turn. */
  flush(): void {
    if (this.#stopped || this.#gatheredBytes === 0) return
    this.#cut()
    const pieces = this.#pieces
    const dones = this.#dones
    const bytes = this.#gatheredBytes
    const answerBytes = this.#gatheredAnswerBytes
    this.#pieces = []
    this.#dones = []
    this.#gatheredBytes = 0
    this.#gatheredAnswerBytes = 0
    this.#output.write(pieces, () => this.#taken(bytes, answerBytes, dones))
    this.#owner.sent()
  }

  /** Forgets everything. */
  stop(): void {
    this.#stopped = true
    this.#pieces = []
    this.#dones = []
  }

  /** Makes room for a packet at the end of the slab. @returns Where it goes. */
  #reserve(bytes: number): number {
    if (this.#end + bytes > this.#slab.length) {
      this.#cut()
      this.#slab = Buffer.allocUnsafeSlow(Math.max(slabBytes, bytes))
      this.#start = 0
      this.#end = 0
    }
    const start = this.#end
    this.#end += bytes
    return start
  }

  #cut(): void {
    if (this.#end === this.#start) return
    this.#pieces.push(this.#slab.subarray(this.#start, this.#end))
    this.#start = this.#end
  }

  #gathered(bytes: number): void {
    this.#gatheredBytes += bytes
    this.#waitingBytes += bytes
    if (this.#scheduled || this.#stopped) return
    this.#scheduled = true
    this.#output.defer(this.#flushLater)
  }

  #taken(bytes: number, answerBytes: number, dones: readonly ((code: number) => void)[]): void {
    this.#waitingBytes -= bytes
    this.#answerBytes -= answerBytes
    for (const done of dones) {
      // One of them may have ended the session.
      if (this.#stopped) return
      done(0)
    }
    if (!this.#stopped) this.#owner.taken()
  }
}
