import type { MqttProtocol, OutgoingPublish } from './mqtt-session.ts'

/** The largest remaining length that MQTT can express in its four bytes. */
export const remainingBytesMax = 268_435_455

/** A PUBLISH with QoS 0, measured once so that it can be written straight into a shared buffer. */
export interface MeasuredPublish {
  readonly message: OutgoingPublish
  readonly topicBytes: number
  /** Bytes of all user properties; -1 on MQTT 3.1.1, which has no properties at all. */
  readonly propertiesBytes: number
  /** Everything after the fixed header. */
  readonly remainingBytes: number
  /** The whole packet as it goes over the wire. */
  readonly packetBytes: number
}

/** Measures a PUBLISH. Cheap: nothing is copied. */
export function measurePublish(message: OutgoingPublish, protocol: MqttProtocol): MeasuredPublish {
  const topicBytes = Buffer.byteLength(message.topic)
  const propertiesBytes = protocol === '5' ? userPropertiesBytes(message.userProperties) : -1
  const remainingBytes =
    2 +
    topicBytes +
    (propertiesBytes < 0 ? 0 : varintBytes(propertiesBytes) + propertiesBytes) +
    message.payload.length
  const packetBytes = 1 + varintBytes(remainingBytes) + remainingBytes
  return { message, topicBytes, propertiesBytes, remainingBytes, packetBytes }
}

/**
 * Writes everything of a packet but its payload.
 *
 * @returns The offset behind what was written.
 */
export function writePublishHead(target: Buffer, start: number, measured: MeasuredPublish): number {
  const { message, topicBytes, propertiesBytes, remainingBytes } = measured
  let offset = target.writeUInt8(message.retain ? 0x31 : 0x30, start)
  offset = writeVarint(target, offset, remainingBytes)
  offset = target.writeUInt16BE(topicBytes, offset)
  offset += target.write(message.topic, offset, topicBytes)
  if (propertiesBytes < 0) return offset
  offset = writeVarint(target, offset, propertiesBytes)
  const properties = message.userProperties
  if (properties === undefined) return offset
  for (const name of Object.keys(properties)) {
    offset = target.writeUInt8(userProperty, offset)
    offset = writeText(target, offset, name)
    offset = writeText(target, offset, properties[name] ?? '')
  }
  return offset
}

const userProperty = 0x26

function userPropertiesBytes(properties: OutgoingPublish['userProperties']): number {
  if (properties === undefined) return 0
  let bytes = 0
  for (const name of Object.keys(properties)) {
    bytes += 5 + Buffer.byteLength(name) + Buffer.byteLength(properties[name] ?? '')
  }
  return bytes
}

function writeText(target: Buffer, offset: number, text: string): number {
  const bytes = target.write(text, offset + 2)
  target.writeUInt16BE(bytes, offset)
  return offset + 2 + bytes
}

function varintBytes(value: number): number {
  if (value < 128) return 1
  if (value < 16_384) return 2
  return value < 2_097_152 ? 3 : 4
}

function writeVarint(target: Buffer, start: number, value: number): number {
  let offset = start
  let rest = value
  while (rest > 127) {
    offset = target.writeUInt8((rest & 127) | 128, offset)
    rest >>>= 7
  }
  return target.writeUInt8(rest, offset)
}
