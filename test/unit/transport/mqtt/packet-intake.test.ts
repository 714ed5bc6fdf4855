import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { generate } from 'mqtt-packet'
import { PacketIntake } from '../../../../src/transport/mqtt/packet-intake.ts'
import { PacketReader } from '../../../../src/transport/mqtt/packet-reader.ts'
import { FakeClock } from '../../../support/fake-clock.ts'
import { FakeOutput, incoming } from '../../../support/session-bench.ts'

interface IntakeBench {
  readonly intake: PacketIntake
  readonly output: FakeOutput
  /** What the owner was told, messages by their payload. */
  readonly calls: string[]
  readonly owner: { mustWait: boolean; onPacket: () => void }
}

function open(): IntakeBench {
  const output = new FakeOutput()
  const calls: string[] = []
  const owner = { mustWait: false, onPacket: (): void => {} }
  const reader = new PacketReader('3.1.1', { payloadBytesMax: 1000, controlBytesMax: 1000 })
  const intake = new PacketIntake(reader, output, new FakeClock(), {
    packet: (packet) => {
      calls.push(packet.kind === 'publish' ? packet.payload.toString() : packet.kind)
      owner.onPacket()
    },
    unreadable: () => {
      calls.push('unreadable')
      intake.stop()
    },
    mustWait: () => owner.mustWait,
    rest: () => void calls.push('rest'),
    readingStarted: () => void calls.push('reading'),
  })
  return { intake, output, calls, owner }
}

const messages = (...texts: readonly string[]): Buffer =>
  Buffer.concat(texts.map((text) => generate(incoming(text))))

describe('PacketIntake', () => {
  it('hands on what has come, and tells when there is no more', () => {
    const { intake, calls } = open()
    const bytes = messages('a', 'b')
    intake.push(bytes.subarray(0, 9))
    intake.push(bytes.subarray(9))
    assert.deepEqual(calls, ['a', 'rest', 'b', 'rest'])
  })

  it('does not touch the transport for a pause in which nothing comes', () => {
    const { intake, output, calls, owner } = open()
    owner.onPacket = () => {
      intake.pause()
      intake.resume()
    }
    intake.push(messages('a', 'b'))
    assert.deepEqual(calls, ['a', 'b', 'rest'])
    assert.ok(output.isReading)
    assert.equal(output.deferred, 0)
  })

  it('stops the transport when more comes than can be taken, and starts it when that is gone', () => {
    const { intake, output, calls } = open()
    intake.pause()
    intake.push(messages('a', 'b'))
    assert.deepEqual([output.isReading, intake.isDeaf], [true, false])
    intake.push(messages('c'))
    assert.deepEqual([output.isReading, intake.isDeaf], [false, true])
    calls.length = 0
    intake.resume()
    assert.deepEqual(calls, ['reading'])
    output.settle()
    assert.deepEqual(calls, ['reading', 'a', 'b', 'c', 'reading', 'rest'])
    assert.deepEqual([output.isReading, intake.isDeaf], [true, false])
  })

  it('waits for its owner, and is not deaf then', () => {
    const { intake, output, calls, owner } = open()
    owner.mustWait = true
    intake.push(messages('a'))
    intake.push(messages('b'))
    intake.goOn()
    output.settle()
    assert.deepEqual(calls, ['rest'])
    assert.deepEqual([output.isReading, intake.isDeaf], [false, false])
    owner.mustWait = false
    intake.goOn()
    output.settle()
    assert.deepEqual(calls, ['rest', 'a', 'b', 'reading', 'rest'])
  })

  it('puts off once what it is asked for many times', () => {
    const { intake, output } = open()
    intake.pause()
    intake.push(messages('a'))
    for (let i = 0; i < 3; i++) {
      intake.resume()
      intake.pause()
    }
    intake.resume()
    intake.goOn()
    assert.equal(output.deferred, 1)
  })

  it('hands on the rest when the transport is gone, without messages while it is paused', () => {
    const { intake, calls } = open()
    intake.pause()
    intake.push(Buffer.concat([messages('a'), generate({ cmd: 'puback', messageId: 1 })]))
    intake.takeRest()
    assert.deepEqual(calls, ['rest', 'puback'])
  })

  it('says that what comes cannot be read, and nothing more once it is stopped', () => {
    const { intake, output, calls } = open()
    intake.push(Buffer.concat([messages('a'), Buffer.alloc(4, 0xff), messages('b')]))
    intake.push(messages('c'))
    intake.resume()
    intake.goOn()
    intake.takeRest()
    output.settle()
    assert.deepEqual(calls, ['a', 'unreadable'])
  })

  it('goes on after an owner that throws', () => {
    const { intake, output, calls, owner } = open()
    owner.onPacket = () => {
      owner.onPacket = () => {}
      throw new Error('of the owner')
    }
    assert.throws(() => intake.push(messages('a', 'b')), /of the owner/)
    output.settle()
    assert.deepEqual(calls, ['a', 'rest', 'b', 'rest'])
  })
})
