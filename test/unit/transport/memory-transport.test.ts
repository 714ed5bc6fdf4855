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
    sink.settleNext('queue-full')
    sink.publish(message('a'), record.settled)
    sink.hold()
    sink.publish(message('b'), record.settled)
    await sink.close(1000)
    assert.deepEqual(record.outcomes, ['queue-full', 'closed'])
    assert.equal(sink.pending, 0)
  })

  it('gives back what waits, or also what was sent, and ignores a late confirmation', () => {
    let now = 5
    const sink = new MemorySink({ monotonic: () => now })
    const record = new Recorder()
    sink.hold()
    assert.equal(sink.waitingSince, undefined)
    for (const topic of ['a', 'b', 'c']) {
      sink.publish(message(topic), record.settled)
      now += 1
    }
    const [a] = sink.held
    a?.send()
    assert.equal(sink.waitingSince, 5)
    const waiting = sink.withdraw('waiting')
    assert.deepEqual(
      waiting.map(({ message: { topic }, since }) => [topic, since]),
      [
        ['b', 6],
        ['c', 7],
      ],
    )
    assert.equal(sink.pending, 1)
    assert.deepEqual(
      sink.withdraw('all').map(({ message: { topic } }) => topic),
      ['a'],
    )
    a?.settle()
    assert.deepEqual(record.outcomes, [])
    assert.deepEqual([sink.pending, sink.published.length], [0, 0])
  })

  it('keeps what is settled as spooled on its disk until it is forwarded or discarded', async () => {
    const sink = new MemorySink()
    const told: unknown[] = []
    sink.disk.push(message('early'))
    const record = new Recorder()
    await sink.start({
      ...record.listener,
      recovered: (results) => told.push(['recovered', results]),
      forwarded: (bytes) => told.push(['forwarded', bytes]),
      discarded: (reason, results) => told.push([reason, results]),
    })
    sink.settleNext('spooled')
    sink.publish(message('late'), record.settled)
    assert.equal(sink.spooled, 2)
    sink.forward()
    sink.discard('spool-full')
    sink.forward()
    sink.discard('spool-full')
    assert.deepEqual(record.outcomes, ['spooled'])
    assert.deepEqual(told, [
      ['recovered', 1],
      ['forwarded', 0],
      ['spool-full', 1],
    ])
  })
})
