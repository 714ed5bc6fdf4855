import type { MqttProtocol } from './mqtt-session.ts'
import { malformed, MqttPacketError, packetFault } from './packet-error.ts'
import { findProperties, propertiesOf, readProperties } from './packet-properties.ts'
import { readText } from './packet-text.ts'

/** A PUBLISH from the broker. */
export interface IncomingPublish {
  readonly kind: 'publish'
  /** Empty when only an alias was sent. */
  readonly topic: string
  /** A view on what was read: whoever keeps it keeps that. Empty when it was oversize. */
  readonly payload: Buffer
  /** Present when the payload was larger than is kept: the bytes that it had. */
  readonly oversizeBytes?: number
  readonly qos: 0 | 1 | 2
  readonly retain: boolean
  readonly duplicate: boolean
  /** 0 with QoS 0. */
  readonly id: number
  readonly topicAlias?: number
  /** MQTT 5 only; a name that came more than once has all its values. Has no prototype. */
  readonly userProperties?: Readonly<Record<string, string | string[]>>
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

const nothing = Buffer.alloc(0)
const packet = 'PUBLISH'

/**
 * Decodes PUBLISH packets of one connection (MQTT 5.0, 3.3; MQTT 3.1.1, 3.3). Payloads are not
 * copied.
 */
export class PublishDecoder {
  readonly #hasProperties: boolean
  readonly #payloadBytesMax: number

  constructor(protocol: MqttProtocol, payloadBytesMax: number) {
    this.#hasProperties = protocol === '5'
    this.#payloadBytesMax = payloadBytesMax
  }

  /**
   * How many bytes come before the payload.
   *
   * @param start - Offset behind the fixed header.
   * @param end - Where the packet ends, or what is there of it.
   * @returns `undefined` when the head is longer than what is there.
   */
  headBytes(flags: number, bytes: Buffer, start: number, end: number): number | undefined {
    if (end - start < 2) return undefined
    let offset = start + 2 + bytes.readUInt16BE(start) + (qosOf(flags) > 0 ? 2 : 0)
    if (this.#hasProperties) {
      const section = findProperties(bytes, offset, end, packet)
      if (section === undefined) return undefined
      offset = section.end
    }
    return offset > end ? undefined : offset - start
  }

  /**
   * Decodes one.
   *
   * @param flags - The first byte of the packet, already found to be sound.
   * @param start - Offset behind the fixed header.
   * @param end - Where the packet ends. When the payload is larger than is kept it may be behind
   * the end of `bytes`.
   * @throws MqttPacketError
   */
  decode(flags: number, bytes: Buffer, start: number, end: number): IncomingPublish {
    if (end - start < 2) throw malformed(packet, 'it ends within its topic')
    const topicStart = start + 2
    const topicEnd = topicStart + bytes.readUInt16BE(start)
    const qos = qosOf(flags)
    let offset = qos > 0 ? topicEnd + 2 : topicEnd
    if (offset > end) throw malformed(packet, 'it ends within its topic or packet id')
    const topic = readTopic(bytes, topicStart, topicEnd)
    const id = qos > 0 ? bytes.readUInt16BE(topicEnd) : 0
    if (qos > 0 && id === 0) throw malformed(packet, 'its packet id is 0')
    let properties
    if (this.#hasProperties) {
      const section = findProperties(bytes, offset, end, packet)
      if (section === undefined || section.end > end) {
        throw malformed(packet, 'its properties reach beyond its end')
      }
      offset = section.end
      if (section.end > section.start) {
        properties = readProperties(bytes, section, propertiesOf.publish, packet)
      }
    }
    if (topic === '' && properties?.topicAlias === undefined) throw this.#noTopic()
    const isOversize = end - offset > this.#payloadBytesMax
    // Filled in rather than spread: this is done for every message.
    const message: Mutable<IncomingPublish> = {
      kind: 'publish',
      topic,
      payload: isOversize ? nothing : bytes.subarray(offset, end),
      qos,
      retain: (flags & 1) === 1,
      duplicate: (flags & 8) === 8,
      id,
    }
    if (isOversize) message.oversizeBytes = end - offset
    if (properties === undefined) return message
    if (properties.topicAlias !== undefined) message.topicAlias = properties.topicAlias
    if (properties.userProperties !== undefined) message.userProperties = properties.userProperties
    return message
  }

  #noTopic(): MqttPacketError {
    // MQTT 5.0, 3.3.2.1; MQTT 3.1.1, 4.7.3.
    return this.#hasProperties
      ? new MqttPacketError(packetFault.protocol, `${packet}: it has neither topic nor topic alias`)
      : malformed(packet, 'its topic is empty')
  }
}

/** The first byte was checked before: there is no QoS 3. */
function qosOf(flags: number): 0 | 1 | 2 {
  return ((flags >> 1) & 3) as 0 | 1 | 2
}

/** A topic that somebody published to has no wildcards (MQTT 5.0, 3.3.2.1; MQTT 3.1.1, 3.3.2.1). */
function readTopic(bytes: Buffer, start: number, end: number): string {
  const topic = readText(bytes, start, end, packet, 'its topic')
  if (topic.includes('#') || topic.includes('+')) {
    throw malformed(packet, 'its topic holds a wildcard')
  }
  return topic
}
