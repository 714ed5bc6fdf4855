import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { IPublishPacket } from 'mqtt-packet'
import type { MqttProtocol } from '../../../../src/transport/mqtt/mqtt-session.ts'
import { type IncomingPacket, PacketReader } from '../../../../src/transport/mqtt/packet-reader.ts'
import type { IncomingPublish } from '../../../../src/transport/mqtt/publish-decoder.ts'
import {
  chunkSizes,
  encode,
  inChunks,
  parsePackets,
  protocols,
  publishPacket,
  read,
  roomy,
} from '../../../support/packet-streams.ts'

const both = 'both'
const malformed = 0x81
const protocolError = 0x82

/** What it is, in which version, the bytes, and the reason code that it gets. */
const faults: readonly (readonly [string, MqttProtocol | typeof both, string, number])[] = [
  ['packet type 0', both, '0000', malformed],
  ['a CONNECT', both, '1000', protocolError],
  ['a SUBSCRIBE', both, '8200', protocolError],
  ['an UNSUBSCRIBE', both, 'a200', protocolError],
  ['a PINGREQ', both, 'c000', protocolError],
  ['a DISCONNECT from a 3.1.1 server', '3.1.1', 'e000', protocolError],
  ['an AUTH on 3.1.1', '3.1.1', 'f000', malformed],
  ['a CONNACK with reserved flags', both, '21020000', malformed],
  ['a PUBREL without its flag', both, '60020001', malformed],
  ['a PUBACK with reserved flags', both, '42020001', malformed],
  ['a PINGRESP with reserved flags', both, 'd100', malformed],
  ['a length of five bytes', both, '30ffffffff01', malformed],

  ['a PUBLISH with QoS 3', both, '36050001740001', malformed],
  ['a PUBLISH with QoS 0 and DUP', both, '3803000174', malformed],
  ['a PUBLISH with packet id 0', '3.1.1', '32050001740000', malformed],
  ['a PUBLISH with packet id 0', '5', '3206000174000000', malformed],
  ['a PUBLISH of one byte', both, '300100', malformed],
  ['a PUBLISH that ends within its topic', both, '3003000274', malformed],
  ['a PUBLISH that ends within its packet id', both, '320400017400', malformed],
  ['a topic that is not UTF-8', '3.1.1', '30040002ff74', malformed],
  ['a topic with a lone surrogate', '3.1.1', '30050003eda080', malformed],
  ['a topic that is encoded too long', '3.1.1', '30040002c080', malformed],
  ['a topic with U+0000', '3.1.1', '300400027400', malformed],
  ['a topic with #', '3.1.1', '300400027423', malformed],
  ['a topic with +', '3.1.1', '300400022b2f', malformed],
  ['a topic with # on MQTT 5', '5', '30050002742300', malformed],
  ['a PUBLISH without a topic', '3.1.1', '30020000', malformed],
  ['a PUBLISH without a topic or alias', '5', '3003000000', protocolError],
  ['a PUBLISH with a property in place of a topic', '5', '30050000020100', protocolError],
  ['a PUBLISH without its properties', '5', '3003000174', malformed],
  ['properties that reach beyond the PUBLISH', '5', '300400017401', malformed],
  ['properties that reach into the next packet', '5', '3004000174020100', malformed],
  ['a length of properties with five bytes', '5', '3008000174ffffffff01', malformed],
  ['topic alias 0', '5', '3006000003230000', 0x94],
  ['topic alias twice', '5', '3009000006230001230001', protocolError],
  ['a topic alias that is cut off', '5', '3006000174022301', malformed],
  ['an unknown property', '5', '3006000174027f00', malformed],
  ['a property of another packet', '5', '300700017403210001', malformed],
  ['a payload format of 2', '5', '3006000174020102', protocolError],
  ['subscription identifier 0', '5', '3006000174020b00', protocolError],
  ['a subscription identifier of five bytes', '5', '300a000174060bffffffff01', malformed],
  ['a user property without a value', '5', '30080001740426000161', malformed],
  ['a user property that is cut off', '5', '300900017405260001610001', malformed],
  ['a user property that is not UTF-8', '5', '300b00017407260001ff000161', malformed],
  ['correlation data that is cut off', '5', '30080001740409000561', malformed],

  ['a PUBACK of one byte', both, '400100', malformed],
  ['a PUBACK with packet id 0', both, '40020000', malformed],
  ['a PUBACK with a reason on 3.1.1', '3.1.1', '4003000100', malformed],
  ['a PUBACK with an unknown property', '5', '4006000100027f00', malformed],
  ['a PUBACK with more behind its properties', '5', '40050001000000', malformed],

  ['a CONNACK of one byte', both, '200100', malformed],
  ['an empty CONNACK', both, '2000', malformed],
  ['a CONNACK with flags', both, '20020200', protocolError],
  ['a CONNACK with properties on 3.1.1', '3.1.1', '2003000000', malformed],
  ['a CONNACK with receive maximum 0', '5', '2006000003210000', protocolError],
  ['a CONNACK with two receive maxima', '5', '2009000006210001210001', protocolError],
  ['a CONNACK with packet size 0', '5', '20080000052700000000', protocolError],
  ['a CONNACK with maximum QoS 2', '5', '20050000022402', protocolError],
  ['a CONNACK with a property cut off', '5', '20050000022100', malformed],
  ['a SUBACK without a code', '3.1.1', '90020001', malformed],
  ['a SUBACK without a code', '5', '9003000100', malformed],
  ['a SUBACK without properties', '5', '90020001', malformed],
  ['a SUBACK with packet id 0', '3.1.1', '9003000001', malformed],
  ['a SUBACK with a code that there is not', '3.1.1', '9003000103', protocolError],
  ['a SUBACK with a code that there is not', '5', '900400010003', protocolError],
  ['an UNSUBACK without a code', '5', 'b003000100', malformed],
  ['an UNSUBACK with a code on 3.1.1', '3.1.1', 'b003000100', malformed],
  ['a PUBREC of one byte', both, '500100', malformed],
  ['a PINGRESP with a body', both, 'd00100', malformed],
  ['a DISCONNECT with a property of CONNECT', '5', 'e00700051100000001', malformed],
]

describe('a packet that breaks the rules', () => {
  for (const [title, which, hex, code] of faults) {
    const versions = which === both ? protocols : [which]
    for (const protocol of versions) {
      it(`is not taken on MQTT ${protocol}: ${title}`, () => {
        const bytes = Buffer.from(hex, 'hex')
        for (const sizes of [[bytes.length], [1]]) {
          const { packets, fault } = read(inChunks(bytes, sizes), protocol)
          assert.deepEqual(packets, [])
          assert.equal(fault?.reasonCode, code, fault?.message)
        }
      })
    }
  }

  it('does not take those before it along', () => {
    const bytes = Buffer.concat([Buffer.from('d000', 'hex'), Buffer.from('0000', 'hex')])
    const { packets, fault } = read([bytes], '5')
    assert.equal(packets.length, 1)
    assert.match(fault?.message ?? '', /packet type 0 is reserved/)
  })

  it('is too large: one without a payload', () => {
    const limits = { payloadBytesMax: 1000, controlBytesMax: 9 }
    for (const [hex, code] of [
      ['900a', 0x95],
      ['400a', 0x95],
      ['9009', undefined],
    ] as const) {
      assert.equal(read([Buffer.from(hex, 'hex')], '5', limits).fault?.reasonCode, code)
    }
  })

  it('is too large: a PUBLISH with a longer head than is kept to skip its payload', () => {
    const fields = { cmd: 'publish', qos: 0, dup: false, retain: false } as const
    const bytes = encode({ ...fields, topic: 'longtopic', payload: Buffer.alloc(21) }, '5')
    for (const [controlBytesMax, reasonCode] of [
      [11, 0x95],
      [12, undefined],
    ] as const) {
      for (const sizes of [[bytes.length], [1]]) {
        const limits = { payloadBytesMax: 20, controlBytesMax }
        const { packets, fault } = read(inChunks(bytes, sizes), '5', limits)
        assert.equal(fault?.reasonCode, reasonCode)
        assert.equal(packets.length, reasonCode === undefined ? 1 : 0)
      }
    }
  })
})

describe('a reason code that the standard does not have', () => {
  const packetOf = (hex: string, protocol: MqttProtocol): IncomingPacket | undefined =>
    read([Buffer.from(hex, 'hex')], protocol).packets[0]

  it('is told as it is in a PUBACK', () => {
    assert.deepEqual(packetOf('40030001fe', '5'), { kind: 'puback', id: 1, code: 0xfe })
  })

  it('is told as it is in a DISCONNECT', () => {
    const packet = { cmd: 'disconnect', reasonCode: 0xfe }
    assert.deepEqual(packetOf('e001fe', '5'), { kind: 'control', packet })
  })

  it('is told as it is in a CONNACK, also in that of a broker that does not know MQTT 5', () => {
    for (const [hex, reasonCode] of [
      ['200300fe00', 0xfe],
      ['20020001', 1],
    ] as const) {
      const packet = packetOf(hex, '5')
      assert.partialDeepStrictEqual(packet, { packet: { cmd: 'connack', reasonCode } })
    }
  })
})

/** Changes, inserts and removes bytes. */
const mutations = fc.array(
  fc.record({
    place: fc.double({ min: 0, max: 1, noNaN: true }),
    kind: fc.constantFrom('change', 'insert', 'remove'),
    value: fc.integer({ min: 0, max: 255 }),
  }),
  { minLength: 1, maxLength: 4 },
)

const controlHex = [
  '20140000112100052400250127000003e82a00220005', // CONNACK
  '400400011000', // PUBACK
  '90090001051f0002616201', // SUBACK
  'b00400010011', // UNSUBACK
  '50020001', // PUBREC
  '62020001', // PUBREL
  'd000', // PINGRESP
  'e009820726000161000162', // DISCONNECT
]

const publishesOf = (protocol: MqttProtocol): fc.Arbitrary<Buffer> =>
  publishPacket.map((packet) => encode(packet, protocol))

const packetsOf = (protocol: MqttProtocol): fc.Arbitrary<Buffer> =>
  fc.oneof(
    publishesOf(protocol),
    fc.constantFrom(...controlHex).map((hex) => Buffer.from(hex, 'hex')),
  )

/** Packets in a row, somewhat damaged. */
const damaged = (protocol: MqttProtocol, packets = packetsOf(protocol)): fc.Arbitrary<Buffer> =>
  fc
    .tuple(fc.array(packets, { minLength: 1, maxLength: 5 }), mutations)
    .map(([packets, mutations]) => {
      const bytes = Array.from(Buffer.concat(packets))
      for (const { place, kind, value } of mutations) {
        const index = Math.floor(place * bytes.length)
        const inserted = kind === 'remove' ? [] : [value]
        bytes.splice(index, kind === 'insert' ? 0 : 1, ...inserted)
      }
      return Buffer.from(bytes)
    })

const anyLimits = fc.constantFrom(
  roomy,
  { payloadBytesMax: 100, controlBytesMax: 30 },
  { payloadBytesMax: 0, controlBytesMax: 8 },
)

it('the packets that are damaged below are sound', () => {
  const bytes = Buffer.from(controlHex.join(''), 'hex')
  assert.equal(read([bytes], '5').packets.length, controlHex.length)
})

for (const protocol of protocols) {
  describe(`bytes that may be anything, on MQTT ${protocol}`, () => {
    const anything = fc.oneof(
      damaged(protocol),
      fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
    )

    it('give the same packets and the same fault in any pieces, and nothing else', () => {
      fc.assert(
        fc.property(anything, chunkSizes, anyLimits, (bytes, sizes, limits) => {
          const whole = read([bytes], protocol, limits)
          const pieces = read(inChunks(bytes, sizes), protocol, limits)
          assert.deepEqual(pieces.packets, whole.packets)
          assert.equal(pieces.fault?.message, whole.fault?.message)
        }),
        { numRuns: 1500 },
      )
    })

    it('are never read otherwise than mqtt-packet reads them', () => {
      fc.assert(
        fc.property(damaged(protocol, publishesOf(protocol)), (bytes) => {
          const { packets } = read([bytes], protocol)
          // Its own mistakes with other packets, which it reads beyond their ends, are none of ours.
          const others = packets.findIndex(({ kind }) => kind !== 'publish')
          const ours = others < 0 ? packets : packets.slice(0, others)
          const theirs = parsePackets(bytes, protocol) as readonly IPublishPacket[]
          assert.deepEqual(
            (ours as readonly IncomingPublish[]).map(({ topic, id, payload }) => [
              topic,
              id,
              payload,
            ]),
            theirs
              .slice(0, ours.length)
              .map(({ topic, messageId, payload }) => [topic, messageId ?? 0, payload]),
          )
        }),
        { numRuns: 1000 },
      )
    })
  })
}

it('a reader that gave up takes nothing more', () => {
  const reader = new PacketReader('5', roomy)
  reader.push(Buffer.from('0000', 'hex'))
  assert.throws(() => reader.next(), { name: 'MqttPacketError', reasonCode: malformed })
  reader.push(Buffer.from('d000', 'hex'))
  assert.equal(reader.bufferedBytes, 0)
  assert.throws(() => reader.next(), { name: 'MqttPacketError', reasonCode: malformed })
})
