import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { MqttProtocol, OutgoingPublish } from '../../../../src/transport/mqtt/mqtt-session.ts'
import {
  measurePublish,
  remainingBytesMax,
  writePublishHead,
} from '../../../../src/transport/mqtt/publish-packet.ts'
import { parsePackets, protocols, read } from '../../../support/packet-streams.ts'

/** The whole packet, and a check that it is as long as it was measured. */
function encode(message: OutgoingPublish, protocol: MqttProtocol, id = 0): Buffer {
  const measured = measurePublish(message, protocol)
  const buffer = Buffer.alloc(measured.packetBytes, 0xee)
  const offset = writePublishHead(buffer, 0, measured, id)
  assert.equal(offset, measured.packetBytes - message.payload.length)
  buffer.set(message.payload, offset)
  return buffer
}

/** Parts of a packet, apart to be readable. */
const hex = (...parts: readonly string[]): string => parts.join('')

const message = (overrides: Partial<OutgoingPublish> = {}): OutgoingPublish => ({
  topic: 'a/泵',
  payload: Buffer.from('hi'),
  qos: 0,
  retain: false,
  duplicate: false,
  ...overrides,
})

const text = fc.string({ unit: 'binary', maxLength: 9 }).map((value) => value.replaceAll('\0', ''))

const outgoing: fc.Arbitrary<OutgoingPublish> = fc
  .record({
    topic: text.map((value) => `t${value.replaceAll(/[#+]/g, '/')}`),
    payload: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
    qos: fc.constantFrom(0, 1),
    retain: fc.boolean(),
    duplicate: fc.boolean(),
    userProperties: fc.dictionary(fc.oneof(text, fc.constant('__proto__')), text, { maxKeys: 3 }),
  })
  .map((fields) => ({ ...fields, duplicate: fields.duplicate && fields.qos > 0 }))

const withoutPrototype = (value: object | undefined): object =>
  Object.assign(Object.create(null) as object, value)

describe('a PUBLISH packet', () => {
  it('has topic and payload on 3.1.1, and no place for properties', () => {
    const bytes = encode(message({ userProperties: { a: 'b' } }), '3.1.1')
    assert.equal(bytes.toString('hex'), hex('3009', '0005', '612fe6b3b5', '6869'))
  })

  it('has an empty list of properties on MQTT 5', () => {
    const bytes = encode(message(), '5')
    assert.equal(bytes.toString('hex'), hex('300a', '0005', '612fe6b3b5', '00', '6869'))
  })

  it('has its user properties on MQTT 5, in order', () => {
    const bytes = encode(message({ userProperties: { k: '值', e: '' } }), '5')
    const properties = hex('0f', '26', '00016b', '0003e580bc', '26', '000165', '0000')
    assert.equal(bytes.toString('hex'), hex('3019', '0005', '612fe6b3b5', properties, '6869'))
  })

  it('has the properties that it shares with others before its own', () => {
    const sharedProperties = { k: '值' }
    const shared = hex('26', '00016b', '0003e580bc')
    for (const value of ['', 'a']) {
      const bytes = encode(message({ sharedProperties, userProperties: { e: value } }), '5')
      const own = encode(message({ userProperties: { k: '值', e: value } }), '5')
      assert.equal(bytes.toString('hex'), own.toString('hex'))
    }
    const only = encode(message({ sharedProperties }), '5').toString('hex')
    assert.equal(only, hex('3013', '0005', '612fe6b3b5', '09', shared, '6869'))
    const on3 = encode(message({ sharedProperties }), '3.1.1').toString('hex')
    assert.equal(on3, hex('3009', '0005', '612fe6b3b5', '6869'))
  })

  it('tells whether it is to be kept', () => {
    assert.equal(encode(message({ retain: true }), '5')[0], 0x31)
  })

  it('has its packet id behind the topic with QoS 1', () => {
    const bytes = encode(message({ qos: 1 }), '3.1.1', 0x1234)
    assert.equal(bytes.toString('hex'), hex('320b', '0005', '612fe6b3b5', '1234', '6869'))
    const bytes5 = encode(message({ qos: 1 }), '5', 0x1234)
    assert.equal(bytes5.toString('hex'), hex('320c', '0005', '612fe6b3b5', '1234', '00', '6869'))
  })

  it('tells whether it may have been sent before', () => {
    assert.equal(encode(message({ qos: 1, duplicate: true }), '5', 1)[0], 0x3a)
    assert.equal(encode(message({ qos: 1, duplicate: true, retain: true }), '5', 1)[0], 0x3b)
  })

  for (const protocol of protocols) {
    it(`is what mqtt-packet reads, on MQTT ${protocol}`, () => {
      fc.assert(
        fc.property(outgoing, fc.integer({ min: 1, max: 65_535 }), (message, id) => {
          const [packet] = parsePackets(encode(message, protocol, id), protocol)
          assert.ok(packet?.cmd === 'publish')
          assert.equal(packet.topic, message.topic)
          assert.deepEqual(packet.payload, message.payload)
          assert.equal(packet.qos, message.qos)
          assert.equal(packet.retain, message.retain)
          assert.equal(packet.dup, message.duplicate)
          assert.equal(packet.messageId, message.qos > 0 ? id : undefined)
          const properties = protocol === '5' ? message.userProperties : {}
          assert.deepEqual({ ...packet.properties?.userProperties }, { ...properties })
        }),
      )
    })

    it(`is what our own reader reads, on MQTT ${protocol}`, () => {
      fc.assert(
        fc.property(outgoing, fc.integer({ min: 1, max: 65_535 }), (message, id) => {
          const { packets } = read([encode(message, protocol, id)], protocol)
          const { userProperties, ...fields } = message
          const hasProperties = protocol === '5' && Object.keys(userProperties ?? {}).length > 0
          const found = packets.map((packet) => ({ ...packet }))
          const expected = {
            kind: 'publish',
            id: fields.qos > 0 ? id : 0,
            ...fields,
            ...(hasProperties && { userProperties: withoutPrototype(userProperties) }),
          }
          assert.deepEqual(found, [expected])
        }),
      )
    })
  }

  it('takes a topic and user properties of 65,535 bytes', () => {
    const longest = '泵'.repeat(21_845)
    const userProperties = { [longest]: longest }
    const bytes = encode(message({ topic: longest, userProperties, qos: 1 }), '5', 65_535)
    const [packet] = parsePackets(bytes, '5')
    assert.ok(packet?.cmd === 'publish')
    assert.equal(packet.topic, longest)
    assert.equal(packet.properties?.userProperties?.[longest], longest)
  })

  it('is measured up to the largest length that there is, and beyond', () => {
    // The payload is not touched by measuring, so an object with a length is enough.
    const sized = (length: number): OutgoingPublish =>
      message({ topic: 'a', payload: { length } as Uint8Array })
    const largest = measurePublish(sized(remainingBytesMax - 3), '3.1.1')
    assert.equal(largest.remainingBytes, remainingBytesMax)
    assert.equal(largest.packetBytes, remainingBytesMax + 5)
    const beyond = measurePublish(sized(remainingBytesMax - 2), '3.1.1')
    assert.ok(beyond.remainingBytes > remainingBytesMax)
  })

  for (const [payloadBytes, lengthHex] of [
    [127 - 3, '7f'],
    [128 - 3, '8001'],
    [16_383 - 3, 'ff7f'],
    [16_384 - 3, '808001'],
    [2_097_151 - 3, 'ffff7f'],
    [2_097_152 - 3, '80808001'],
  ] as const) {
    it(`writes the length of ${payloadBytes} bytes of payload as ${lengthHex}`, () => {
      const bytes = encode(message({ topic: 'a', payload: Buffer.alloc(payloadBytes) }), '3.1.1')
      assert.equal(bytes.toString('hex', 1, 1 + lengthHex.length / 2), lengthHex)
    })
  }
})
