import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { MemorySink } from '../../../src/transport/memory-sink.ts'
import { Recorder } from '../../support/transport-fixture.ts'

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
