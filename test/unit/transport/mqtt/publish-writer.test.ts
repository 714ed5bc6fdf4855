import assert from 'node:assert/strict'
import { Writable } from 'node:stream'
import { describe, it } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { measurePublish } from '../../../../src/transport/mqtt/publish-packet.ts'
import { PublishWriter } from '../../../../src/transport/mqtt/publish-writer.ts'

/** A stream that keeps what is written, and takes it when the test says so. */
class HeldStream extends Writable {
  readonly chunks: Buffer[] = []
  #taken: (() => void) | undefined

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.chunks.push(chunk)
    this.#taken = done
  }

  /** Takes the oldest chunk that waits. */
  async take(): Promise<void> {
    const taken = this.#taken
    this.#taken = undefined
    taken?.()
    await turn()
  }
}

const packet = (topic: string, bytes = 1) =>
  measurePublish({ topic, payload: Buffer.alloc(bytes), retain: false }, '3.1.1')

describe('PublishWriter', () => {
  it('writes the packets of one turn in one piece, and tells when it was taken', async () => {
    const stream = new HeldStream()
    const writer = new PublishWriter(stream, 1000, () => {})
    const written: string[] = []
    for (const name of ['a', 'b', 'c']) writer.add(packet(name), () => written.push(name))
    assert.equal(stream.chunks.length, 0)
    await turn()
    assert.equal(stream.chunks.length, 1)
    assert.equal(stream.chunks[0]?.toString('hex'), '300400016100300400016200300400016300')
    assert.deepEqual(written, [])
    await stream.take()
    assert.deepEqual(written, ['a', 'b', 'c'])
  })

  it('does not copy a large payload, and keeps the order around it', async () => {
    const stream = new HeldStream()
    const writer = new PublishWriter(stream, 1e6, () => {})
    const written: string[] = []
    const large = packet('large', 20_000)
    writer.add(packet('a'), () => written.push('a'))
    writer.add(large, () => written.push('large'))
    writer.add(packet('b'), () => written.push('b'))
    for (let i = 0; i < 5; i++) {
      await turn()
      await stream.take()
    }
    assert.deepEqual(written, ['a', 'large', 'b'])
    assert.equal(stream.chunks[2]?.buffer, large.message.payload.buffer)
    assert.equal(Buffer.concat(stream.chunks).length, 6 + 20_000 + 1 + 3 + 7 + 6)
  })

  it('has no room above its limit, and tells once when it has room again', async () => {
    const stream = new HeldStream()
    let rooms = 0
    const writer = new PublishWriter(stream, 10, () => (rooms += 1))
    writer.add(packet('a'), () => {})
    assert.ok(writer.hasRoom)
    writer.add(packet('b'), () => {})
    assert.ok(!writer.hasRoom)
    await turn()
    await stream.take()
    assert.ok(writer.hasRoom)
    assert.equal(rooms, 1)
  })

  it('tells nothing after stop, nor of what the stream did not take', async () => {
    const stream = new HeldStream()
    stream.on('error', () => {})
    const writer = new PublishWriter(stream, 1000, () => assert.fail('room'))
    writer.add(packet('a'), () => assert.fail('written'))
    await turn()
    const closed = new Promise((resolve) => stream.once('close', resolve))
    stream.destroy(new Error('gone'))
    await closed
    writer.stop()
    writer.add(packet('b'), () => assert.fail('written'))
    writer.flush()
    await turn()
    assert.equal(stream.chunks.length, 1)
  })
})
