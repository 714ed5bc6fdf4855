import assert from 'node:assert/strict'
import fc from 'fast-check'
import { generate, type IPublishPacket, type Packet, parser } from 'mqtt-packet'
import type { MqttProtocol } from '../../src/transport/mqtt/mqtt-session.ts'
import { MqttPacketError } from '../../src/transport/mqtt/packet-error.ts'
import {
  type IncomingPacket,
  type PacketLimits,
  PacketReader,
} from '../../src/transport/mqtt/packet-reader.ts'

/** Both. */
export const protocols: readonly MqttProtocol[] = ['5', '3.1.1']
/** Nothing here comes near them. */
export const roomy: PacketLimits = { payloadBytesMax: 1_000_000, controlBytesMax: 100_000 }

const versionOf = (protocol: MqttProtocol): number => (protocol === '5' ? 5 : 4)

/** By mqtt-packet. */
export const encode = (packet: Packet, protocol: MqttProtocol): Buffer =>
  generate(packet, { protocolVersion: versionOf(protocol) })

/** What mqtt-packet makes of bytes, until it gives up. */
export function parsePackets(bytes: Buffer, protocol: MqttProtocol): readonly Packet[] {
  const packets: Packet[] = []
  const parsing = parser({ protocolVersion: versionOf(protocol) })
  parsing.on('packet', (packet) => packets.push(packet))
  parsing.on('error', () => {})
  parsing.parse(bytes)
  return packets
}

/** Cuts bytes into pieces of these sizes, over and over. */
export function* inChunks(bytes: Buffer, sizes: readonly number[]): Generator<Buffer> {
  let offset = 0
  for (let i = 0; offset < bytes.length; i++) {
    const end = Math.min(bytes.length, offset + (sizes[i % sizes.length] ?? bytes.length))
    yield bytes.subarray(offset, end)
    offset = end
  }
}

/** What a reader made of some bytes, and why it gave up, if it did. */
export interface Reading {
  readonly packets: readonly IncomingPacket[]
  readonly fault?: MqttPacketError
}

/** Reads until nothing is left, or until the reader gives up; holds it to its bounds meanwhile. */
export function read(
  chunks: Iterable<Buffer>,
  protocol: MqttProtocol,
  limits: PacketLimits = roomy,
): Reading {
  const reader = new PacketReader(protocol, limits)
  const packets: IncomingPacket[] = []
  let total = 0
  try {
    for (const chunk of chunks) {
      total += chunk.length
      reader.push(chunk)
      for (let packet = reader.next(); packet !== undefined; packet = reader.next()) {
        packets.push(packet)
        assert.ok(packets.length * 2 <= total, 'more packets than there are bytes for')
      }
      const heldMax = limits.payloadBytesMax + limits.controlBytesMax
      assert.ok(reader.bufferedBytes <= heldMax, `holds ${reader.bufferedBytes} bytes`)
    }
  } catch (error) {
    if (!(error instanceof MqttPacketError)) throw error
    assert.doesNotMatch(error.message, /could not be read/, 'a bug of the reader')
    assert.throws(() => reader.next(), error)
    assert.equal(reader.bufferedBytes, 0)
    return { packets, fault: error }
  }
  return { packets }
}

const text = fc
  .string({ unit: 'binary', maxLength: 12 })
  .map((characters) => characters.replaceAll('\0', '0'))
const topic = text.map((name) => `t${name.replaceAll(/[#+]/g, '/')}`)
const userProperties = fc.dictionary(
  fc.oneof(text, fc.constant('__proto__')),
  fc.oneof(text, fc.array(text, { minLength: 2, maxLength: 3 })),
  { minKeys: 1, maxKeys: 3 },
)

const properties: fc.Arbitrary<NonNullable<IPublishPacket['properties']>> = fc.record(
  {
    payloadFormatIndicator: fc.boolean(),
    messageExpiryInterval: fc.nat(),
    topicAlias: fc.integer({ min: 1, max: 65_535 }),
    responseTopic: text,
    correlationData: fc.uint8Array({ maxLength: 9 }).map((bytes) => Buffer.from(bytes)),
    userProperties,
    subscriptionIdentifier: fc.oneof(
      fc.integer({ min: 1, max: 268_435_455 }),
      fc.array(fc.integer({ min: 1, max: 268_435_455 }), { minLength: 2, maxLength: 3 }),
    ),
    contentType: text,
  },
  { requiredKeys: [] },
)

/** Any PUBLISH, with every property. */
export const publishPacket: fc.Arbitrary<IPublishPacket> = fc
  .record({
    topic,
    payload: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
    qos: fc.constantFrom(0, 1, 2),
    messageId: fc.integer({ min: 1, max: 65_535 }),
    retain: fc.boolean(),
    dup: fc.boolean(),
    properties: fc.option(properties, { nil: {} }),
  })
  .map((fields) => ({ cmd: 'publish', ...fields, dup: fields.dup && fields.qos > 0 }))

/** Sizes for `inChunks`. */
export const chunkSizes = fc.array(fc.integer({ min: 1, max: 200 }), {
  minLength: 1,
  maxLength: 10,
})
