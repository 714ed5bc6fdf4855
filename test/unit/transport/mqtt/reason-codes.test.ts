import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { publishVerdict, reasonWords } from '../../../../src/transport/mqtt/reason-codes.ts'

const context = { clientId: 'edge-1', protocol: '5' }

/** MQTT 5.0, 2.4, by the packets that brokers send. */
const codes = {
  CONNACK: [
    0, 128, 129, 130, 131, 132, 133, 134, 135, 136, 137, 138, 140, 144, 149, 151, 153, 154, 155,
    156, 157, 159,
  ],
  'CONNACK of 3.1.1': [0, 1, 2, 3, 4, 5],
  PUBACK: [0, 16, 128, 131, 135, 144, 145, 151, 153],
  SUBACK: [0, 1, 2, 128, 131, 135, 143, 145, 151, 158, 161, 162],
  UNSUBACK: [0, 17, 128, 131, 135, 143, 145],
  DISCONNECT: [
    0, 128, 129, 130, 131, 135, 137, 139, 141, 142, 143, 144, 147, 148, 149, 150, 151, 152, 153,
    154, 155, 156, 157, 158, 159, 160, 161, 162,
  ],
}

describe('reasonWords', () => {
  for (const [packet, all] of Object.entries(codes)) {
    it(`has words for every code of a ${packet}`, () => {
      for (const code of all) assert.doesNotMatch(reasonWords(code, context), /unknown|[{}]/)
    })
  }

  it('names the client id where that is the matter', () => {
    assert.equal(reasonWords(133, context), 'it rejects the client id "edge-1"')
  })

  it('names a code that it does not know by its number', () => {
    assert.equal(reasonWords(0xee, context), 'unknown reason code 0xEE')
    assert.equal(reasonWords(9, context), 'unknown reason code 0x09')
  })
})

describe('publishVerdict', () => {
  it('takes everything below 128 for a success', () => {
    for (const code of [0, 16, 1, 127]) assert.equal(publishVerdict(code), 'published')
  })

  it('tries again what says something of the broker, and gives up what says it of the result', () => {
    const again = codes.PUBACK.filter((code) => publishVerdict(code) === 'again')
    assert.deepEqual(again, [128, 131, 145, 151])
    for (const code of [135, 144, 153, 255]) assert.equal(publishVerdict(code), 'refused')
  })
})
