import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { MemorySource } from '../../../src/transport/memory-source.ts'
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

  it('sends what was not acknowledged again, before the rest, when the connection is back', async () => {
    const source = new MemorySource()
    const record = new Recorder()
    await source.start(record.listener)
    for (const text of ['1', '2', '3']) source.deliver('a', text, { qos: 1 })
    source.acknowledge(record.messages[0]?.ack as AckToken)
    source.lose('cable pulled')
    source.deliver('a', '4', { qos: 1 })
    source.reconnect()
    assert.deepEqual(record.texts, ['1', '2', '3', '2', '3', '4'])
    assert.deepEqual(
      record.messages.map(({ duplicate }) => duplicate),
      [false, false, false, true, true, false],
    )
    assert.equal(source.unacknowledged, 3)
  })

  it('has never more than its window out, and goes on with every acknowledgement', async () => {
    const source = new MemorySource({ window: 2 })
    const record = new Recorder()
    await source.start(record.listener)
    for (const text of ['1', '2', '3', '4']) source.deliver('a', text, { qos: 1 })
    assert.deepEqual(record.texts, ['1', '2'])
    source.acknowledge(record.messages[0]?.ack as AckToken)
    assert.deepEqual(record.texts, ['1', '2', '3'])
    source.deliver('a', 'at most once')
    assert.equal(source.kept.length, 3)
  })

  it('throws when it is acknowledged out of order', async () => {
    const source = new MemorySource()
    const record = new Recorder()
    await source.start(record.listener)
    for (const text of ['1', '2']) source.deliver('a', text, { qos: 1 })
    assert.throws(() => source.acknowledge(record.messages[1]?.ack as AckToken), /acknowledged 2/)
  })

  it('leaves to its successor what was not acknowledged, and nothing of QoS 0', async () => {
    const source = new MemorySource()
    const record = new Recorder()
    await source.start(record.listener)
    source.deliver('a', '1', { qos: 1 })
    source.pause()
    source.deliver('a', 'at most once')
    source.deliver('a', '2', { qos: 1 })
    await source.close()
    source.deliver('a', 'for nobody')
    source.deliver('a', '3', { qos: 1 })
    const next = new Recorder()
    await source.successor().start(next.listener)
    assert.deepEqual(next.texts, ['1', '2', '3'])
    assert.deepEqual(
      next.messages.map(({ duplicate }) => duplicate),
      [true, false, false],
    )
  })

  it('forgets what it kept when the session is lost, and says so', async () => {
    const source = new MemorySource()
    const record = new Recorder()
    await source.start(record.listener)
    source.deliver('a', '1', { qos: 1 })
    source.lose('cable pulled')
    source.loseSession()
    source.reconnect()
    assert.deepEqual(record.texts, ['1'])
    assert.equal(record.sessionsLost, 1)
    assert.deepEqual(source.kept, [])
  })
})
