import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { IPublishPacket, IUnsubackPacket, Packet } from 'mqtt-packet'
import type { MqttProtocol } from '../../../../src/transport/mqtt/mqtt-session.ts'
import { type IncomingPacket, PacketReader } from '../../../../src/transport/mqtt/packet-reader.ts'
import type { IncomingPublish } from '../../../../src/transport/mqtt/publish-decoder.ts'
import {
  chunkSizes,
  encode,
  inChunks,
  protocols,
  publishPacket,
  read,
  roomy,
} from '../../../support/packet-streams.ts'

/** What the reader should make of a packet; anything but the fields that matter is left out. */
function expectedOf(packet: IPublishPacket, protocol: MqttProtocol): IncomingPublish {
  const { topicAlias, userProperties } = protocol === '5' ? (packet.properties ?? {}) : {}
  const hasUserProperties = Object.getOwnPropertyNames(userProperties ?? {}).length > 0
  return {
    kind: 'publish',
    topic: packet.topic,
    payload: packet.payload as Buffer,
    qos: packet.qos,
    retain: packet.retain,
    duplicate: packet.dup,
    id: packet.qos > 0 ? (packet.messageId ?? 0) : 0,
    ...(topicAlias !== undefined && { topicAlias }),
    ...(hasUserProperties && {
      userProperties: Object.assign(Object.create(null) as object, userProperties),
    }),
  }
}

const reasonString = '太多了'

/** Everything but PUBLISH and PUBACK. */
const controlPackets: Readonly<Record<MqttProtocol, readonly Packet[]>> = {
  '3.1.1': [
    { cmd: 'connack', sessionPresent: true, returnCode: 0 },
    { cmd: 'connack', sessionPresent: false, returnCode: 5 },
    { cmd: 'suback', messageId: 65_535, granted: [0, 1, 2, 128] },
    { cmd: 'unsuback', messageId: 1 } as IUnsubackPacket,
    { cmd: 'pubrec', messageId: 2 },
    { cmd: 'pubrel', messageId: 2 },
    { cmd: 'pubcomp', messageId: 2 },
    { cmd: 'pingresp' },
  ],
  '5': [
    { cmd: 'connack', sessionPresent: true, reasonCode: 0 },
    {
      cmd: 'connack',
      sessionPresent: false,
      reasonCode: 0x87,
      properties: {
        sessionExpiryInterval: 3600,
        receiveMaximum: 1,
        maximumQoS: 1,
        retainAvailable: false,
        maximumPacketSize: 4_294_967_295,
        assignedClientIdentifier: 'me',
        topicAliasMaximum: 0,
        reasonString,
        userProperties: { a: ['b', 'c'] },
        wildcardSubscriptionAvailable: true,
        subscriptionIdentifiersAvailable: true,
        sharedSubscriptionAvailable: false,
        serverKeepAlive: 60,
        responseInformation: '',
        serverReference: 'other',
        authenticationMethod: 'm',
        authenticationData: Buffer.from('d'),
      },
    },
    { cmd: 'suback', messageId: 65_535, granted: [0, 1, 2, 0xa2], properties: { reasonString } },
    { cmd: 'unsuback', messageId: 1, granted: [0, 0x11], properties: { reasonString } },
    { cmd: 'pubrec', messageId: 2, reasonCode: 0x97, properties: { reasonString } },
    { cmd: 'pubrel', messageId: 2, reasonCode: 0x92 },
    { cmd: 'pubcomp', messageId: 2, reasonCode: 0 },
    { cmd: 'pingresp' },
    { cmd: 'auth', reasonCode: 0x18, properties: { authenticationMethod: 'm' } },
    {
      cmd: 'disconnect',
      reasonCode: 0x8e,
      properties: { reasonString, serverReference: 'other', userProperties: { a: 'b' } },
    },
  ],
}

for (const protocol of protocols) {
  describe(`reading packets of MQTT ${protocol}`, () => {
    it('reads every PUBLISH that mqtt-packet writes, in any pieces', () => {
      fc.assert(
        fc.property(fc.array(publishPacket, { maxLength: 8 }), chunkSizes, (packets, sizes) => {
          const bytes = Buffer.concat(packets.map((packet) => encode(packet, protocol)))
          const { packets: found, fault } = read(inChunks(bytes, sizes), protocol)
          assert.equal(fault, undefined)
          assert.deepEqual(
            found,
            packets.map((packet) => expectedOf(packet, protocol)),
          )
        }),
        { numRuns: 300 },
      )
    })

    it('reads a topic of 65,535 bytes', () => {
      const packet = publishOf({ topic: '泵'.repeat(21_845) })
      const bytes = encode(packet, protocol)
      for (const sizes of [[bytes.length], [1000]]) {
        const { packets } = read(inChunks(bytes, sizes), protocol)
        assert.deepEqual(packets, [expectedOf(packet, protocol)])
      }
    })

    it('reads every other packet that a server sends, in any pieces', () => {
      const packets = controlPackets[protocol]
      const bytes = Buffer.concat(packets.map((packet) => encode(packet, protocol)))
      for (const sizes of [[bytes.length], [1], [3, 7]]) {
        const { packets: found, fault } = read(inChunks(bytes, sizes), protocol)
        assert.equal(fault, undefined)
        assert.equal(found.length, packets.length)
        for (const [i, packet] of packets.entries()) {
          const { kind, ...rest } = found[i] as Extract<IncomingPacket, { kind: 'control' }>
          assert.equal(kind, 'control')
          assert.partialDeepStrictEqual(rest.packet, packet)
        }
      }
    })

    it('keeps a payload that lies in one chunk where it is', () => {
      const chunk = encode(publishOf({ payload: Buffer.alloc(20_000, 1) }), protocol)
      const { payload } = readOne(chunk, [chunk.length], protocol)
      assert.equal(payload.buffer, chunk.buffer)
      assert.equal(payload.byteOffset + payload.length, chunk.byteOffset + chunk.length)
    })

    it('gathers a payload that spans chunks into one buffer of the size of its packet', () => {
      const chunk = encode(publishOf({ payload: Buffer.alloc(20_000, 1) }), protocol)
      const { payload } = readOne(chunk, [3000], protocol)
      assert.equal(payload.buffer.byteLength, chunk.length - 4)
      assert.ok(payload.equals(Buffer.alloc(20_000, 1)))
    })

    it('tells of a payload that is too large, without it, and reads on behind it', () => {
      const limits = { payloadBytesMax: 500, controlBytesMax: 50 }
      const over = publishOf({ qos: 1, messageId: 7, payload: Buffer.alloc(501), dup: true })
      const within = publishOf({ payload: Buffer.alloc(500, 2) })
      const bytes = Buffer.concat([over, within].map((packet) => encode(packet, protocol)))
      const skipped = {
        ...expectedOf(over, protocol),
        payload: Buffer.alloc(0),
        oversizeBytes: 501,
      }
      for (const sizes of [[bytes.length], [1], [64], [300]]) {
        const { packets } = read(inChunks(bytes, sizes), protocol, limits)
        assert.deepEqual(packets, [skipped, expectedOf(within, protocol)])
      }
    })

    it('tells of a payload that is too large only when all of it has come', () => {
      const bytes = encode(publishOf({ payload: Buffer.alloc(501) }), protocol)
      const reader = new PacketReader(protocol, { payloadBytesMax: 500, controlBytesMax: 50 })
      reader.push(bytes.subarray(0, -1))
      assert.equal(reader.next(), undefined)
      reader.push(bytes.subarray(-1))
      assert.equal((reader.next() as IncomingPublish).oversizeBytes, 501)
    })

    it('keeps nothing of the largest packet that there can be', () => {
      const reader = new PacketReader(protocol, roomy)
      // Topic "t"; with MQTT 5 no properties.
      const head = Buffer.from(protocol === '5' ? '30ffffff7f00017400' : '30ffffff7f000174', 'hex')
      const headBytes = head.length - 5
      reader.push(head)
      const chunk = Buffer.alloc(1024 * 1024)
      let left = 268_435_455 - headBytes
      while (left > 0) {
        assert.equal(reader.next(), undefined)
        assert.ok(reader.bufferedBytes <= roomy.controlBytesMax)
        reader.push(chunk.subarray(0, Math.min(left, chunk.length)))
        left -= Math.min(left, chunk.length)
      }
      const packet = reader.next() as IncomingPublish
      assert.equal(packet.oversizeBytes, 268_435_455 - headBytes)
      assert.equal(packet.topic, 't')
    })
  })
}

describe('the memory of a PacketReader', () => {
  const limits = { payloadBytesMax: 300_000_000, controlBytesMax: 1000 }
  const announced = Buffer.from('30ffffff7f000174', 'hex')

  it('costs nothing for a size that is only announced', () => {
    const reader = new PacketReader('3.1.1', limits)
    const before = process.memoryUsage().arrayBuffers
    reader.push(Buffer.concat([announced, Buffer.alloc(10_000)]))
    assert.equal(reader.next(), undefined)
    assert.ok(process.memoryUsage().arrayBuffers - before < 1_000_000)
    assert.equal(reader.bufferedBytes, 10_003)
  })

  it('puts 64 MiB together from pieces of all sizes', { timeout: 60_000 }, () => {
    const size = 64 * 1024 * 1024
    const bytes = Buffer.alloc(size)
    for (let i = 0; i < size; i += 1021) bytes.writeUInt32BE(i, Math.min(i, size - 4))
    const packet = encode(publishOf({ payload: bytes }), '3.1.1')
    const sizes = [65_536, 1, 3, 40, 65_536, 4095, 4096, 1400, 1400, 1400]
    const reading = read(inChunks(packet, sizes), '3.1.1', limits)
    assert.ok((reading.packets[0] as IncomingPublish).payload.equals(bytes))
  })

  it('takes a trickle of single bytes', () => {
    const reader = new PacketReader('3.1.1', limits)
    reader.push(announced)
    for (let i = 0; i < 200_000; i++) {
      reader.push(Buffer.from([i & 255]))
      assert.equal(reader.next(), undefined)
    }
    assert.equal(reader.bufferedBytes, 200_003)
  })

  it('lets go of a chunk that was read', () => {
    const reader = new PacketReader('5', roomy)
    reader.push(encode(publishOf({}), '5'))
    reader.next()
    assert.equal(reader.next(), undefined)
    assert.equal(reader.bufferedBytes, 0)
  })

  it('counts what was pushed and not yet asked for', () => {
    const reader = new PacketReader('5', roomy)
    const bytes = encode(publishOf({}), '5')
    for (let i = 0; i < 3; i++) reader.push(bytes)
    assert.equal(reader.bufferedBytes, 3 * bytes.length)
    reader.next()
    assert.equal(reader.bufferedBytes, 2 * bytes.length)
  })
})

function publishOf(fields: Partial<IPublishPacket>): IPublishPacket {
  const plain = { qos: 0, dup: false, retain: false, payload: Buffer.from('x') } as const
  return { cmd: 'publish', topic: 't', ...plain, ...fields }
}

function readOne(bytes: Buffer, sizes: readonly number[], protocol: MqttProtocol): IncomingPublish {
  const { packets, fault } = read(inChunks(bytes, sizes), protocol)
  assert.equal(fault, undefined)
  assert.equal(packets.length, 1)
  return packets[0] as IncomingPublish
}
