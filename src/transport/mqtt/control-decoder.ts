import { type Packet, parser } from 'mqtt-packet'
import type { MqttProtocol } from './mqtt-session.ts'
import { malformed, MqttPacketError, packetFault } from './packet-error.ts'
import { findProperties, propertiesOf, readProperties } from './packet-properties.ts'
import { variableByteIntegerBytes, writeVariableByteInteger } from './variable-byte-integer.ts'

/** A PUBACK from the broker: what became of one of our messages. */
export interface IncomingPuback {
  readonly kind: 'puback'
  readonly id: number
  /** Always 0 on 3.1.1; on MQTT 5, 128 and above is a refusal (MQTT 5.0, 3.4.2.1). */
  readonly code: number
}

/** Any other packet from the broker, as `mqtt-packet` decodes it. */
export interface IncomingControl {
  readonly kind: 'control'
  readonly packet: Packet
}

/** How a packet is built, for MQTT 5 (chapter 3) and, where it has properties, without them for 3.1.1. */
interface Layout {
  readonly name: string
  /** Bytes that it begins with in any case. */
  readonly fixedBytes: 0 | 2
  /** Those are a packet id. */
  readonly hasId?: boolean
  /** Then comes a reason code, which may be left out with all behind it (MQTT 5). */
  readonly hasCode?: boolean
  /** Then come properties (MQTT 5); absent for none. */
  readonly properties?: ReadonlySet<number>
  /** In the end there is a list of codes; UNSUBACK has it on MQTT 5 alone. */
  readonly codes?: 'always' | 'mqtt5'
}

const acknowledgement = {
  fixedBytes: 2,
  hasId: true,
  hasCode: true,
  properties: propertiesOf.acknowledgement,
} as const

const puback: Layout = { name: 'PUBACK', ...acknowledgement }
const disconnect = 14

/** By packet type: all that a server sends but PUBLISH. */
const layouts: Readonly<Record<number, Layout>> = {
  2: { name: 'CONNACK', fixedBytes: 2, properties: propertiesOf.connack },
  4: puback,
  5: { name: 'PUBREC', ...acknowledgement },
  6: { name: 'PUBREL', ...acknowledgement },
  7: { name: 'PUBCOMP', ...acknowledgement },
  9: {
    name: 'SUBACK',
    fixedBytes: 2,
    hasId: true,
    properties: propertiesOf.acknowledgement,
    codes: 'always',
  },
  11: {
    name: 'UNSUBACK',
    fixedBytes: 2,
    hasId: true,
    properties: propertiesOf.acknowledgement,
    codes: 'mqtt5',
  },
  13: { name: 'PINGRESP', fixedBytes: 0 },
  [disconnect]: {
    name: 'DISCONNECT',
    fixedBytes: 0,
    hasCode: true,
    properties: propertiesOf.disconnect,
  },
  15: { name: 'AUTH', fixedBytes: 0, hasCode: true, properties: propertiesOf.auth },
}

/**
 * Decodes a PUBACK (MQTT 5.0, 3.4; MQTT 3.1.1, 3.4). Its properties are checked and left.
 *
 * @param start - Offset behind the fixed header.
 * @throws MqttPacketError
 */
export function decodePuback(
  bytes: Buffer,
  start: number,
  end: number,
  protocol: MqttProtocol,
): IncomingPuback {
  if (end - start !== 2) checkLayout(bytes.subarray(start, end), puback, protocol)
  const id = bytes.readUInt16BE(start)
  if (id === 0) throw malformed(puback.name, 'its packet id is 0')
  return { kind: 'puback', id, code: end - start > 2 ? (bytes[start + 2] ?? 0) : 0 }
}

/**
 * Decodes one of the rare packets with `mqtt-packet`. That takes what is cut off, repeated or out
 * of place for good, so all of that is checked before.
 *
 * @param first - The first byte of the packet, already found to be sound.
 * @param body - Everything behind the fixed header.
 * @throws MqttPacketError
 */
export function decodeControl(
  first: number,
  body: Buffer,
  protocol: MqttProtocol,
): IncomingControl {
  const type = first >> 4
  const layout = layouts[type]
  if (layout === undefined) throw malformed(`packet type ${type}`, 'a server does not send it')
  checkLayout(body, layout, protocol)
  const outcome = parseWhole(first, body, protocol)
  if ('packet' in outcome) return { kind: 'control', packet: outcome.packet }
  // A reason that is not in the standard is a reason nonetheless.
  if (type === disconnect) {
    return { kind: 'control', packet: { cmd: 'disconnect', reasonCode: body[0] ?? 0 } }
  }
  throw new MqttPacketError(packetFault.protocol, `${layout.name}: ${outcome.error.message}`, {
    cause: outcome.error,
  })
}

function checkLayout(body: Buffer, layout: Layout, protocol: MqttProtocol): void {
  const { name, fixedBytes } = layout
  if (body.length < fixedBytes) throw malformed(name, 'it is too short')
  if (layout.hasId === true && body.readUInt16BE(0) === 0) {
    throw malformed(name, 'its packet id is 0')
  }
  const end = protocol === '5' ? endOfProperties(body, layout) : fixedBytes
  if (layout.codes === 'always' || (layout.codes === 'mqtt5' && protocol === '5')) {
    if (body.length <= end) throw malformed(name, 'it has no reason code')
  } else if (body.length > end) {
    throw malformed(name, 'it is too long')
  }
}

function endOfProperties(body: Buffer, layout: Layout): number {
  let offset: number = layout.fixedBytes
  if (layout.hasCode === true && body.length > offset) offset++
  if (layout.properties === undefined) return offset
  // They may be left out of most packets. A 3.1.1 broker that refuses MQTT 5 has none in its CONNACK.
  if (body.length === offset && layout.codes === undefined) return offset
  const section = findProperties(body, offset, body.length, layout.name)
  if (section === undefined || section.end > body.length) {
    throw malformed(layout.name, 'its properties reach beyond its end')
  }
  readProperties(body, section, layout.properties, layout.name)
  return section.end
}

/** Has `mqtt-packet` parse one packet, which tells its result by events during the call. */
function parseWhole(
  first: number,
  body: Buffer,
  protocol: MqttProtocol,
): { readonly packet: Packet } | { readonly error: Error } {
  const headBytes = 1 + variableByteIntegerBytes(body.length)
  const bytes = Buffer.allocUnsafe(headBytes + body.length)
  bytes[0] = first
  body.copy(bytes, writeVariableByteInteger(bytes, 1, body.length))
  let packet: Packet | undefined
  let error: Error | undefined
  const parsing = parser({ protocolVersion: protocol === '5' ? 5 : 4 })
  parsing.on('packet', (parsed) => (packet = parsed))
  parsing.on('error', (cause: Error) => (error ??= cause))
  parsing.parse(bytes)
  if (error !== undefined) return { error }
  return packet === undefined ? { error: new Error('it is not complete') } : { packet }
}
