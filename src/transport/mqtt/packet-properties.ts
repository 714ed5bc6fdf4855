import { malformed, MqttPacketError, packetFault } from './packet-error.ts'
import { readText } from './packet-text.ts'

/** The properties that somebody here needs; of the others it is enough that they are sound. */
export interface PacketProperties {
  readonly topicAlias: number | undefined
  /** A name that comes more than once has all its values, in order. Has no prototype. */
  readonly userProperties: Readonly<Record<string, string | string[]>> | undefined
}

/** Which properties a server may put into which packet (MQTT 5.0, 2.2.2.2), by identifier. */
export const propertiesOf = {
  publish: new Set([1, 2, 3, 8, 9, 11, 35, 38]),
  connack: new Set([17, 18, 19, 21, 22, 26, 28, 31, 33, 34, 36, 37, 38, 39, 40, 41, 42]),
  acknowledgement: new Set([31, 38]),
  disconnect: new Set([28, 31, 38]),
  auth: new Set([21, 22, 31, 38]),
} as const satisfies Readonly<Record<string, ReadonlySet<number>>>

type PropertyType =
  | 'flag'
  | 'int16'
  | 'positive16'
  | 'int32'
  | 'positive32'
  | 'varint'
  | 'text'
  | 'binary'

const userProperty = 38
const topicAlias = 35
const subscriptionIdentifier = 11

/** All but user properties, by identifier. A flag is 0 or 1; the positive ones may not be 0. */
const propertyTypes: ReadonlyMap<number, PropertyType> = new Map([
  [1, 'flag'],
  [2, 'int32'],
  [3, 'text'],
  [8, 'text'],
  [9, 'binary'],
  [subscriptionIdentifier, 'varint'],
  [17, 'int32'],
  [18, 'text'],
  [19, 'int16'],
  [21, 'text'],
  [22, 'binary'],
  [26, 'text'],
  [28, 'text'],
  [31, 'text'],
  [33, 'positive16'],
  [34, 'int16'],
  [topicAlias, 'int16'],
  [36, 'flag'],
  [37, 'flag'],
  [39, 'positive32'],
  [40, 'flag'],
  [41, 'flag'],
  [42, 'flag'],
])

/** Where a property section ends, read from its length. */
export interface PropertySection {
  readonly start: number
  readonly end: number
}

/**
 * Reads the length of a property section.
 *
 * @param end - Where the packet ends, or what is there of it.
 * @returns `undefined` when the length itself is cut off by `end`. The section may reach beyond it.
 * @throws MqttPacketError when the length has more than four bytes (MQTT 5.0, 1.5.5).
 */
export function findProperties(
  bytes: Buffer,
  start: number,
  end: number,
  packet: string,
): PropertySection | undefined {
  let value = 0
  for (let i = 0; i < 4; i++) {
    if (start + i >= end) return undefined
    const byte = bytes[start + i] ?? 0
    value += (byte & 127) << (7 * i)
    if (byte < 128) return { start: start + i + 1, end: start + i + 1 + value }
  }
  throw malformed(packet, 'the length of its properties has more than four bytes')
}

/**
 * Reads the properties of a packet, checking all of them (MQTT 5.0, 2.2.2).
 *
 * @throws MqttPacketError when one is unknown, not allowed in this packet, repeated, cut off, or
 * has a value that the standard forbids.
 */
export function readProperties(
  bytes: Buffer,
  section: PropertySection,
  allowed: ReadonlySet<number>,
  packet: string,
): PacketProperties {
  return new PropertyReader(bytes, section, allowed, packet).read()
}

class PropertyReader {
  readonly #bytes: Buffer
  readonly #end: number
  readonly #allowed: ReadonlySet<number>
  readonly #packet: string
  #offset: number
  #topicAlias: number | undefined
  #userProperties: Record<string, string | string[]> | undefined

  constructor(
    bytes: Buffer,
    section: PropertySection,
    allowed: ReadonlySet<number>,
    packet: string,
  ) {
    this.#bytes = bytes
    this.#offset = section.start
    this.#end = section.end
    this.#allowed = allowed
    this.#packet = packet
  }

  read(): PacketProperties {
    let seen: Set<number> | undefined
    while (this.#offset < this.#end) {
      const identifier = this.#bytes[this.#take(1)] ?? 0
      if (!this.#allowed.has(identifier)) {
        throw malformed(this.#packet, `it has property ${identifier}, which it may not have`)
      }
      if (identifier === userProperty) {
        this.#readUserProperty()
        continue
      }
      if (seen?.has(identifier) === true && identifier !== subscriptionIdentifier) {
        throw broken(this.#packet, `it has property ${identifier} twice`)
      }
      seen = (seen ?? new Set()).add(identifier)
      this.#readValue(identifier)
    }
    return { topicAlias: this.#topicAlias, userProperties: this.#userProperties }
  }

  #readUserProperty(): void {
    const name = this.#text('the name of a user property')
    const value = this.#text('a user property')
    // No prototype: a name may be `__proto__`.
    const all: Record<string, string | string[]> = (this.#userProperties ??= Object.create(null))
    const before = all[name]
    if (before === undefined) all[name] = value
    else if (typeof before === 'string') all[name] = [before, value]
    else before.push(value)
  }

  #readValue(identifier: number): void {
    switch (propertyTypes.get(identifier)) {
      case 'flag':
        if ((this.#bytes[this.#take(1)] ?? 0) > 1) throw this.#forbidden(identifier)
        return
      case 'int16':
        this.#readInt16(identifier)
        return
      case 'positive16':
        if (this.#bytes.readUInt16BE(this.#take(2)) === 0) throw this.#forbidden(identifier)
        return
      case 'int32':
        this.#take(4)
        return
      case 'positive32':
        if (this.#bytes.readUInt32BE(this.#take(4)) === 0) throw this.#forbidden(identifier)
        return
      case 'varint':
        if (this.#varint() === 0) throw this.#forbidden(identifier)
        return
      case 'text':
        this.#text('a text in its properties')
        return
      default:
        this.#take(this.#bytes.readUInt16BE(this.#take(2)))
    }
  }

  #readInt16(identifier: number): void {
    const value = this.#bytes.readUInt16BE(this.#take(2))
    if (identifier !== topicAlias) return
    if (value === 0) {
      throw new MqttPacketError(packetFault.topicAlias, `${this.#packet}: its topic alias is 0`)
    }
    this.#topicAlias = value
  }

  #text(what: string): string {
    const bytes = this.#bytes.readUInt16BE(this.#take(2))
    const start = this.#take(bytes)
    return readText(this.#bytes, start, start + bytes, this.#packet, what)
  }

  #varint(): number {
    let value = 0
    for (let i = 0; i < 4; i++) {
      const byte = this.#bytes[this.#take(1)] ?? 0
      value += (byte & 127) << (7 * i)
      if (byte < 128) return value
    }
    throw malformed(this.#packet, 'a number in its properties has more than four bytes')
  }

  /** Steps over that many bytes, and returns where they begin. */
  #take(bytes: number): number {
    const start = this.#offset
    if (start + bytes > this.#end) throw malformed(this.#packet, 'a property is cut off')
    this.#offset = start + bytes
    return start
  }

  #forbidden(identifier: number): MqttPacketError {
    return broken(this.#packet, `property ${identifier} has a value that is not allowed`)
  }
}

function broken(packet: string, what: string): MqttPacketError {
  return new MqttPacketError(packetFault.protocol, `${packet}: ${what}`)
}
