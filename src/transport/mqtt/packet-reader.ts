import {
  decodeControl,
  decodePuback,
  type IncomingControl,
  type IncomingPuback,
} from './control-decoder.ts'
import type { MqttProtocol } from './mqtt-session.ts'
import { MqttPacketError, packetFault } from './packet-error.ts'
import { PacketGatherer } from './packet-gatherer.ts'
import { type IncomingPublish, PublishDecoder } from './publish-decoder.ts'

/** A packet from the broker. */
export type IncomingPacket = IncomingPublish | IncomingPuback | IncomingControl

/** What a {@link PacketReader} takes. */
export interface PacketLimits {
  /** A larger payload is skipped, and its PUBLISH delivered without it. */
  readonly payloadBytesMax: number
  /** The largest packet without a payload, and the largest head of a PUBLISH that is skipped. */
  readonly controlBytesMax: number
}

const nothing = Buffer.alloc(0)
const publish = 3
const puback = 4

/**
 * Makes packets of the bytes that come from a broker. It is asked for the next one, so that whoever
 * reads can stop after any of them.
 *
 * A packet that lies in one chunk is a view on it; one that spans chunks is gathered into a buffer
 * of its own size as it comes (see {@link PacketGatherer}). Of a PUBLISH whose payload is too large
 * only the head is kept; it is delivered when all of it has come. Besides the chunks pushed and not
 * yet read, no more than `payloadBytesMax + controlBytesMax` is held.
 */
export class PacketReader {
  readonly #protocol: MqttProtocol
  readonly #limits: PacketLimits
  readonly #publishDecoder: PublishDecoder
  #chunk: Buffer = nothing
  #offset = 0
  /** Chunks behind the current one, from `waitingIndex` on. */
  #waiting: Buffer[] = []
  #waitingIndex = 0
  #waitingBytes = 0
  /** First byte of the packet that is being read; -1 between packets. */
  #first = -1
  /** Its remaining length, and how many bytes of that have been read. */
  #length = 0
  #lengthBytes = 0
  #gatherer: PacketGatherer | undefined
  /** What is delivered once `skipBytes` have gone by. */
  #oversize: IncomingPublish | undefined
  #skipBytes = 0
  #failure: MqttPacketError | undefined

  constructor(protocol: MqttProtocol, limits: PacketLimits) {
    this.#protocol = protocol
    this.#limits = limits
    this.#publishDecoder = new PublishDecoder(protocol, limits.payloadBytesMax)
  }

  /** Bytes that are held and belong to no packet yet. */
  get bufferedBytes(): number {
    return this.#chunk.length - this.#offset + this.#waitingBytes + (this.#gatherer?.bytes ?? 0)
  }

  /** Takes bytes from the socket. They must not be written to any more. */
  push(chunk: Buffer): void {
    if (this.#failure !== undefined || chunk.length === 0) return
    this.#waiting.push(chunk)
    this.#waitingBytes += chunk.length
  }

  /**
   * Returns the next packet, or `undefined` until more bytes are pushed.
   *
   * @throws MqttPacketError when what came is not MQTT or too large; from then on always.
   */
  next(): IncomingPacket | undefined {
    if (this.#failure !== undefined) throw this.#failure
    try {
      return this.#read()
    } catch (error) {
      throw this.#fail(error)
    }
  }

  #read(): IncomingPacket | undefined {
    for (;;) {
      if (this.#oversize !== undefined) return this.#skip(this.#oversize)
      if (this.#gatherer !== undefined) {
        if (!this.#gather(this.#gatherer)) return undefined
        const packet = this.#finishGathered(this.#gatherer)
        if (packet !== undefined) return packet
        continue
      }
      if (!this.#readHeader()) return undefined
      const start = this.#offset
      const end = start + this.#length
      this.#checkLength()
      if (end <= this.#chunk.length) {
        this.#offset = end
        return this.#decode(this.#chunk, start, end)
      }
      this.#gatherer = new PacketGatherer(this.#gatheredBytes())
    }
  }

  /** Reads the fixed header (MQTT 5.0, 2.1), as far as it is there. */
  #readHeader(): boolean {
    for (;;) {
      if (this.#offset === this.#chunk.length && !this.#nextChunk()) return false
      const byte = this.#chunk[this.#offset++] ?? 0
      if (this.#first < 0) {
        checkFirstByte(byte, this.#protocol)
        this.#first = byte
        this.#length = 0
        this.#lengthBytes = 0
        continue
      }
      this.#length += (byte & 127) << (7 * this.#lengthBytes++)
      if (byte < 128) return true
      if (this.#lengthBytes === 4) {
        throw malformed('the length of a packet has more than four bytes')
      }
    }
  }

  #nextChunk(): boolean {
    this.#offset = 0
    const next = this.#waiting[this.#waitingIndex]
    if (next === undefined) {
      // Let go of the last one.
      this.#chunk = nothing
      return false
    }
    this.#chunk = next
    this.#waitingBytes -= next.length
    this.#waiting[this.#waitingIndex] = nothing
    if (++this.#waitingIndex === this.#waiting.length) {
      this.#waiting = []
      this.#waitingIndex = 0
    }
    return true
  }

  /** How much of a packet is gathered before it is looked at: a head, when it may be too large. */
  #gatheredBytes(): number {
    return this.#mayBeOversize()
      ? Math.min(this.#length, this.#limits.controlBytesMax)
      : this.#length
  }

  #mayBeOversize(): boolean {
    return this.#first >> 4 === publish && this.#length > this.#limits.payloadBytesMax
  }

  #checkLength(): void {
    if (this.#first >> 4 === publish || this.#length <= this.#limits.controlBytesMax) return
    throw tooLarge(`a packet of type ${this.#first >> 4} has ${this.#length} bytes`)
  }

  #gather(gatherer: PacketGatherer): boolean {
    while (gatherer.missingBytes > 0) {
      if (this.#offset === this.#chunk.length && !this.#nextChunk()) return false
      this.#offset = gatherer.add(this.#chunk, this.#offset)
    }
    return true
  }

  /** What was gathered is a packet, or the beginning of one that may be too large. */
  #finishGathered(gatherer: PacketGatherer): IncomingPacket | undefined {
    const bytes = gatherer.finish()
    this.#gatherer = undefined
    if (bytes.length === this.#length) return this.#decode(bytes, 0, bytes.length)
    if (this.#length - this.#headBytes(bytes, 0, bytes.length) > this.#limits.payloadBytesMax) {
      this.#skipBytes = this.#length - bytes.length
      this.#oversize = this.#publishDecoder.decode(this.#first, bytes, 0, this.#length)
      return undefined
    }
    this.#gatherer = new PacketGatherer(this.#length)
    this.#gatherer.add(bytes, 0)
    return undefined
  }

  #skip(oversize: IncomingPublish): IncomingPublish | undefined {
    while (this.#skipBytes > 0) {
      if (this.#offset === this.#chunk.length && !this.#nextChunk()) return undefined
      const bytes = Math.min(this.#skipBytes, this.#chunk.length - this.#offset)
      this.#offset += bytes
      this.#skipBytes -= bytes
    }
    this.#oversize = undefined
    this.#first = -1
    return oversize
  }

  #decode(bytes: Buffer, start: number, end: number): IncomingPacket {
    const first = this.#first
    const type = first >> 4
    if (type === publish) {
      if (this.#mayBeOversize()) this.#headBytes(bytes, start, end)
      this.#first = -1
      return this.#publishDecoder.decode(first, bytes, start, end)
    }
    this.#first = -1
    if (type === puback) return decodePuback(bytes, start, end, this.#protocol)
    return decodeControl(first, bytes.subarray(start, end), this.#protocol)
  }

  /** How long the head of a PUBLISH is that may be too large. */
  #headBytes(bytes: Buffer, start: number, end: number): number {
    const headEnd = Math.min(end, start + this.#limits.controlBytesMax)
    const headBytes = this.#publishDecoder.headBytes(this.#first, bytes, start, headEnd)
    if (headBytes !== undefined) return headBytes
    throw tooLarge(`topic and properties of a PUBLISH have more than ${headEnd - start} bytes`)
  }

  /** Lets go of everything. What is not a fault of the packet would be a bug, which must not spread. */
  #fail(error: unknown): MqttPacketError {
    const failure =
      error instanceof MqttPacketError
        ? error
        : new MqttPacketError(packetFault.malformed, 'a packet could not be read', { cause: error })
    this.#chunk = nothing
    this.#offset = 0
    this.#waiting = []
    this.#waitingIndex = 0
    this.#waitingBytes = 0
    this.#gatherer = undefined
    this.#oversize = undefined
    this.#failure = failure
    return failure
  }
}

/** Whether a server sends such a packet in this version, with these flags (MQTT 5.0, 2.1.2 and 2.1.3). */
function checkFirstByte(first: number, protocol: MqttProtocol): void {
  const type = first >> 4
  const flags = first & 15
  if (type === publish) {
    if ((flags & 6) === 6) throw malformed('a PUBLISH has QoS 3')
    // MQTT 5.0, 3.3.1.1.
    if ((flags & 14) === 8) throw malformed('a PUBLISH with QoS 0 is marked as a duplicate')
    return
  }
  if (type === 0 || (type === 15 && protocol === '3.1.1')) {
    throw malformed(`packet type ${type} is reserved`)
  }
  if (isForServers(type) || (type === 14 && protocol === '3.1.1')) {
    throw new MqttPacketError(packetFault.protocol, `packet type ${type} is only for servers`)
  }
  if (flags !== (type === 6 ? 2 : 0)) {
    throw malformed(`a packet of type ${type} has the reserved flags ${flags}`)
  }
}

/** CONNECT, SUBSCRIBE, UNSUBSCRIBE and PINGREQ. */
function isForServers(type: number): boolean {
  return type === 1 || type === 8 || type === 10 || type === 12
}

function malformed(what: string): MqttPacketError {
  return new MqttPacketError(packetFault.malformed, what)
}

function tooLarge(what: string): MqttPacketError {
  return new MqttPacketError(packetFault.tooLarge, what)
}
