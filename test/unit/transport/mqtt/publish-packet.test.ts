import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { OutgoingPublish } from '../../../../src/transport/mqtt/mqtt-session.ts'
import { measurePublish, writePublishHead } from '../../../../src/transport/mqtt/publish-packet.ts'

/** The whole packet, and a check that it is as long as it was measured. */
function encode(message: OutgoingPublish, protocol: '5' | '3.1.1'): Buffer {
  const measured = measurePublish(message, protocol)
  const buffer = Buffer.alloc(measured.packetBytes, 0xee)
  const offset = writePublishHead(buffer, 0, measured)
  assert.equal(offset, measured.packetBytes - message.payload.length)
  buffer.set(message.payload, offset)
  return buffer
}

/** Parts of a packet, apart to be readable. */
const hex = (...parts: readonly string[]): string => parts.join('')

const message = (overrides: Partial<OutgoingPublish> = {}): OutgoingPublish => ({
  topic: 'a/泵',
  payload: Buffer.from('hi'),
  retain: false,
  ...overrides,
})

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

  it('tells whether it is to be kept', () => {
    assert.equal(encode(message({ retain: true }), '5')[0], 0x31)
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
