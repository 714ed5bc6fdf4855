import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { MemorySink, MemorySource } from '../../../src/transport/memory-transport.ts'
import type { AckToken } from '../../../src/transport/transport.ts'
import { Recorder } from '../../support/transport-fixture.ts'

describe('MemorySource', () => {
  it('keeps messages until it is started, connected and not paused', async () => {
    const source = new MemorySource()
    const record = new Recorder()
    source.deliver('a', '1')
    source.failOnStart('away')
    await source.start(record.listener)
    assert.deepEqual(record.statuses, ['connecting', 'waiting'])
    source.deliver('a', '2')
    source.pause()
    source.reconnect()
    assert.deepEqual(record.texts, [])
    source.resume()
    assert.deepEqual(record.texts, ['1', '2'])
  })

  it('stops in the midst of what waits when its listener pauses it', async () => {
    const source = new MemorySource()
    const record = new Recorder()
    for (const text of ['1', '2', '3']) source.deliver('a', text)
    const seen: string[] = []
    record.onMessage = (message) => {
      seen.push(Buffer.from(message.payload).toString())
      source.pause()
    }
    await source.start(record.listener)
    assert.deepEqual(seen, ['1'])
  })

  it('gives tokens with QoS 1 and tells timely acknowledgements from stale ones', async () => {
    const source = new MemorySource()
    const record = new Recorder()
    await source.start(record.listener)
    source.deliver('a', '0')
    source.deliver('a', '1', { qos: 1 })
    source.deliver('a', '2', { qos: 1 })
    const tokens = record.messages.map(({ ack }) => ack)
    assert.equal(tokens[0], undefined)
    source.acknowledge(tokens[1] as AckToken)
    source.lose('cable pulled')
    source.acknowledge(tokens[2] as AckToken)
    assert.deepEqual([source.acknowledged, source.stale], [[1], [2]])
    assert.equal(record.statuses.at(-1), 'waiting')
  })
})

describe('MemorySink', () => {
  const message = (topic: string) => ({ topic, payload: Buffer.alloc(0) })

  it('holds publishes until the test settles them, in any order and once each', () => {
    const sink = new MemorySink()
    const record = new Recorder()
    sink.hold()
    for (const topic of ['a', 'b', 'c']) sink.publish(message(topic), record.settled)
    const [a, b] = sink.held
    b?.settle('timeout')
    b?.settle()
    a?.settle()
    assert.equal(sink.pending, 1)
    sink.release()
    sink.publish(message('d'), record.settled)
    assert.deepEqual(record.outcomes, ['timeout', 'published', 'published', 'published'])
    assert.deepEqual(
      sink.published.map(({ topic }) => topic),
      ['a', 'c', 'd'],
    )
  })

  it('fails as it was told to, and settles what it holds when it is closed', async () => {
    const sink = new MemorySink()
    const record = new Recorder()
    sink.failNext('queue-full')
    sink.publish(message('a'), record.settled)
    sink.hold()
    sink.publish(message('b'), record.settled)
    await sink.close(1000)
    assert.deepEqual(record.outcomes, ['queue-full', 'closed'])
    assert.equal(sink.pending, 0)
  })
})
