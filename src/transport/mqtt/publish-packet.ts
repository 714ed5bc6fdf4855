import type { MqttProtocol, OutgoingPublish } from './mqtt-session.ts'
import {
  variableByteIntegerBytes,
  variableByteIntegerMax,
  writeVariableByteInteger,
} from './variable-byte-integer.ts'

/** The largest remaining length that MQTT can express (MQTT 5.0, 2.1.4). */
export const remainingBytesMax = variableByteIntegerMax

/** A PUBLISH, measured once so that it can be written straight into a shared buffer. */
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
  const propertiesBytes =
    protocol === '5'
      ? encodeShared(message.sharedProperties).length + userPropertiesBytes(message.userProperties)
      : -1
  const remainingBytes =
    2 +
    topicBytes +
    (message.qos > 0 ? 2 : 0) +
    (propertiesBytes < 0 ? 0 : variableByteIntegerBytes(propertiesBytes) + propertiesBytes) +
    message.payload.length
  const packetBytes = 1 + variableByteIntegerBytes(remainingBytes) + remainingBytes
  return { message, topicBytes, propertiesBytes, remainingBytes, packetBytes }
}

/**
 * Writes everything of a packet but its payload (MQTT 5.0, 3.3; MQTT 3.1.1, 3.3).
 *
 * @param id - The packet id, 1 to 65,535; not used with QoS 0, which has none.
 * @returns The offset behind what was written.
 */
export function writePublishHead(
  target: Buffer,
  start: number,
  measured: MeasuredPublish,
  id: number,
): number {
  const { message, topicBytes, propertiesBytes, remainingBytes } = measured
  let offset = target.writeUInt8(firstByte(message), start)
  offset = writeVariableByteInteger(target, offset, remainingBytes)
  offset = target.writeUInt16BE(topicBytes, offset)
  offset += target.write(message.topic, offset, topicBytes)
  if (message.qos > 0) offset = target.writeUInt16BE(id, offset)
  if (propertiesBytes < 0) return offset
  offset = writeVariableByteInteger(target, offset, propertiesBytes)
  const shared = encodeShared(message.sharedProperties)
  target.set(shared, offset)
  return writeUserProperties(target, offset + shared.length, message.userProperties)
}

const userProperty = 0x26

function firstByte(message: OutgoingPublish): number {
  return 0x30 | (message.duplicate ? 8 : 0) | (message.qos << 1) | (message.retain ? 1 : 0)
}

type UserProperties = Readonly<Record<string, string>>

const nothing = Buffer.alloc(0)
const encodedShared = new WeakMap<UserProperties, Buffer>()

function encodeShared(properties: UserProperties | undefined): Buffer {
  if (properties === undefined) return nothing
  let encoded = encodedShared.get(properties)
  if (encoded === undefined) {
    encoded = Buffer.alloc(userPropertiesBytes(properties))
    writeUserProperties(encoded, 0, properties)
    encodedShared.set(properties, encoded)
  }
  return encoded
}

function writeUserProperties(
  target: Buffer,
  start: number,
  properties: UserProperties | undefined,
): number {
  let offset = start
  if (properties === undefined) return offset
  for (const name of Object.keys(properties)) {
    offset = target.writeUInt8(userProperty, offset)
    offset = writeText(target, offset, name)
    offset = writeText(target, offset, properties[name] ?? '')
  }
  return offset
}

function userPropertiesBytes(properties: UserProperties | undefined): number {
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
