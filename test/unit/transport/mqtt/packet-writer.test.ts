import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { PacketWriter } from '../../../../src/transport/mqtt/packet-writer.ts'
import { measurePublish } from '../../../../src/transport/mqtt/publish-packet.ts'
import { FakeOutput, outgoing } from '../../../support/session-bench.ts'

function open(): { output: FakeOutput; writer: PacketWriter; calls: string[] } {
  const output = new FakeOutput()
  const calls: string[] = []
  const writer = new PacketWriter(output, {
    sent: () => void calls.push('sent'),
    taken: () => void calls.push('taken'),
  })
  return { output, writer, calls }
}

const message = (topic: string, bytes = 1): ReturnType<typeof measurePublish> =>
  measurePublish(outgoing('', { topic, payload: Buffer.alloc(bytes), qos: 0 }), '3.1.1')

describe('PacketWriter', () => {
  it('writes the packets of one turn in one piece, in order', () => {
    const { output, writer, calls } = open()
    writer.publish(message('a'), 0)
    writer.puback(0x0102)
    writer.packet(Buffer.of(0xc0, 0))
    writer.publish(measurePublish(outgoing('x'), '3.1.1'), 0x0304)
    assert.equal(output.writes.length, 0)
    output.turn()
    assert.deepEqual(
      output.writes.map((pieces) => pieces.length),
      [1],
    )
    assert.equal(
      output.bytes.toString('hex'),
      [
        '300400016100',
        '40020102',
        'c000',
        '32080003',
        Buffer.from('out').toString('hex'),
        '0304',
        '78',
      ].join(''),
    )
    assert.deepEqual(calls, ['sent'])
  })

  it('tells in order, once the bytes are taken', () => {
    const { output, writer, calls } = open()
    for (const name of ['a', 'b'])
      writer.publish(message(name), 0, (code) => calls.push(name + code))
    output.turn()
    writer.publish(message('c'), 0, () => calls.push('c'))
    assert.deepEqual(calls, ['sent'])
    output.take()
    assert.deepEqual(calls, ['sent', 'a0', 'b0', 'taken'])
  })

  it('does not tell those of a later turn with an earlier one that had none', () => {
    const { output, writer, calls } = open()
    writer.puback(1)
    output.turn()
    writer.publish(message('a'), 0, () => calls.push('a'))
    output.take()
    assert.deepEqual(calls, ['sent', 'taken'])
  })

  it('does not copy a large payload, and keeps the order around it', () => {
    const { output, writer } = open()
    const large = message('large', 20_000)
    const written: Uint8Array[] = []
    output.write = (pieces) => void written.push(...pieces)
    writer.publish(message('a'), 0)
    writer.publish(large, 0)
    writer.publish(message('b'), 0)
    output.turn()
    assert.deepEqual(
      written.map(({ length }) => length),
      [6 + 1 + 3 + 7, 20_000, 6],
    )
    assert.equal(written[1], large.message.payload)
  })

  it('goes on in another piece when one is full, and never writes over what waits', () => {
    const { output, writer } = open()
    const payloads = Array.from({ length: 20 }, (_, i) => Buffer.alloc(9_000, i))
    const pieces: Uint8Array[] = []
    output.write = (all) => void pieces.push(...all)
    for (const payload of payloads) {
      writer.publish(measurePublish(outgoing('', { payload, qos: 0 }), '3.1.1'), 0)
      output.turn()
    }
    const bytes = Buffer.concat(pieces)
    const packetBytes = 1 + 2 + 2 + 3 + 9_000
    payloads.forEach((payload, i) => {
      const end = (i + 1) * packetBytes
      assert.deepEqual(bytes.subarray(end - 9_000, end), payload)
    })
  })

  it('counts what waits, and what of it answers the broker', () => {
    const { output, writer } = open()
    writer.puback(1)
    writer.packet(Buffer.of(0x50, 2, 0, 1), true)
    writer.packet(Buffer.of(0xc0, 0))
    assert.deepEqual([writer.waitingBytes, writer.answerBytes], [10, 8])
    output.turn()
    assert.deepEqual([writer.waitingBytes, writer.answerBytes], [10, 8])
    output.take()
    assert.deepEqual([writer.waitingBytes, writer.answerBytes], [0, 0])
  })

  it('tells nothing after stop, not even the rest of one write', () => {
    const { output, writer, calls } = open()
    writer.publish(message('a'), 0, () => writer.stop())
    writer.publish(message('b'), 0, () => assert.fail('told'))
    output.turn()
    output.take()
    writer.puback(1)
    output.turn()
    writer.flush()
    assert.deepEqual(calls, ['sent'])
    assert.equal(output.writes.length, 1)
  })
})
