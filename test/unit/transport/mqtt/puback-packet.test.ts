import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { pubackBytes, writePuback } from '../../../../src/transport/mqtt/puback-packet.ts'
import { parsePackets, protocols } from '../../../support/packet-streams.ts'

describe('a PUBACK packet', () => {
  for (const protocol of protocols) {
    it(`says success to the packet with its id on MQTT ${protocol}`, () => {
      const ids = [1, 255, 256, 65_535]
      const bytes = Buffer.alloc(ids.length * pubackBytes, 0xee)
      let offset = 0
      for (const id of ids) offset = writePuback(bytes, offset, id)
      assert.equal(offset, bytes.length)
      const parsed = parsePackets(bytes, protocol)
      assert.deepEqual(
        parsed.map(({ cmd, messageId }) => [cmd, messageId]),
        ids.map((id) => ['puback', id]),
      )
    })
  }

  it('leaves what is around it alone', () => {
    const bytes = Buffer.alloc(6, 0xee)
    assert.equal(writePuback(bytes, 1, 0x1234), 5)
    assert.equal(bytes.toString('hex'), 'ee40021234ee')
  })
})
