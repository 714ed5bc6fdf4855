/** What a pipeline acknowledges with QoS 1, and what it leaves to the broker. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { EdgebootError } from '../../../src/core/errors.ts'
import { MemorySink } from '../../../src/transport/memory-sink.ts'
import { MemorySource } from '../../../src/transport/memory-source.ts'
import type { SourceListener } from '../../../src/transport/transport.ts'
import { limits } from '../../../src/core/limits.ts'
import { echo, value } from '../../support/fake-runner.ts'
import { assertBalanced, event, PipelineBench } from '../../support/pipeline-bench.ts'

const qos1 = { qos: 1 } as const
const block = { queue: { size: 4, whenFull: 'block' as const } }

/** Three failures to load within an hour. */
async function breakPool(bench: PipelineBench): Promise<void> {
  for (let i = 0; i < 3; i++) {
    await bench.runners[i]?.failToLoad(new EdgebootError('MODEL_SYNTAX', 'bad syntax'))
    bench.clock.advance(1000)
  }
}

test('what the end of the drain cuts off is not acknowledged, nor is anything behind it', async () => {
  const bench = await PipelineBench.ready({ limits: { orderBy: 'none' }, workers: 2 })
  for (let i = 0; i < 3; i++) {
    bench.source.deliver('t', event('d', i), qos1)
    bench.turn()
  }
  // The second runner has the second message; the first has the others.
  bench.runners[1]?.answer(echo)
  const stopping = bench.pipeline.stop(5000)
  bench.clock.advance(5000)
  await stopping
  assert.deepEqual(bench.published, [event('d', 1)])
  assert.deepEqual(bench.dropped, { unacknowledged: 2 })
  assert.deepEqual(bench.source.acknowledged, [])
  assert.equal(bench.source.kept.length, 3)
  assert.equal(bench.stats.inMotion, 0)
  assertBalanced(bench.stats)
})

test('an event whose runner is stopped in the midst of it is left to the broker, not given up', async () => {
  const bench = await PipelineBench.ready({ limits: { attempts: 1, timeoutMs: 60_000 } })
  bench.source.deliver('t', '{}', qos1)
  bench.turn()
  const stopping = bench.pipeline.stop(5000)
  bench.clock.advance(5000)
  await stopping
  assert.deepEqual(bench.dropped, { unacknowledged: 1 })
  assert.equal(bench.stats.retried, 0)
  assert.deepEqual(bench.source.acknowledged, [])
})

test('a result that the sink was closed on is not acknowledged; without a token it is stopped', async () => {
  const bench = await PipelineBench.ready()
  bench.sink.hold()
  bench.source.deliver('t', '{"n":1}', qos1)
  bench.source.deliver('t', '{"n":2}')
  bench.answerAll()
  const stopping = bench.pipeline.stop(5000)
  bench.clock.advance(5000)
  await stopping
  assert.deepEqual(bench.dropped, { unacknowledged: 1, stopped: 1 })
  assert.deepEqual(bench.source.acknowledged, [])
  assertBalanced(bench.stats)
})

test('a message is not acknowledged when one of its two events was cut off', async () => {
  const yes = { attributes: [] }
  const bench = await PipelineBench.ready({
    matcher: {
      devices: [
        { name: 'one', ...yes },
        { name: 'two', ...yes },
      ],
    },
  })
  bench.sink.hold()
  bench.source.deliver('t', '{}', qos1)
  bench.answerAll()
  bench.sink.held[0]?.settle()
  const stopping = bench.pipeline.stop(5000)
  bench.clock.advance(5000)
  await stopping
  assert.equal(bench.published.length, 1)
  assert.deepEqual(bench.dropped, { unacknowledged: 1 })
  assert.deepEqual(bench.source.acknowledged, [])
  assertBalanced(bench.stats)
})

for (const outcome of ['spooled', 'published'] as const) {
  test(`what the sink settles as ${outcome} while it closes is acknowledged before the source is closed`, async () => {
    const bench = await PipelineBench.ready()
    bench.sink.hold()
    bench.sink.settleOnClose(outcome)
    for (let i = 0; i < 3; i++) bench.source.deliver('t', event('d', i), qos1)
    bench.answerAll()
    const stopping = bench.pipeline.stop(5000)
    bench.clock.advance(5000)
    await stopping
    // A closed source takes no acknowledgement.
    assert.ok(bench.source.isClosed)
    assert.deepEqual(bench.source.acknowledged, [1, 2, 3])
    assert.deepEqual(bench.dropped, {})
    assertBalanced(bench.stats)
  })
}

test('a spooled result is acknowledged and counted until it is forwarded or given up', async () => {
  const bench = await PipelineBench.ready()
  bench.sink.settleNext('spooled', 'spooled', 'spooled')
  for (let i = 0; i < 3; i++) bench.source.deliver('t', event('d', i), qos1)
  bench.answerAll()
  assert.deepEqual(bench.source.acknowledged, [1, 2, 3])
  assert.deepEqual([bench.stats.spooled, bench.stats.inMotion], [3, 0])
  assertBalanced(bench.stats)
  bench.sink.forward()
  bench.sink.discard('spool-damaged')
  assert.equal(bench.stats.spooled, 1)
  assert.equal(bench.stats.published, 1)
  assert.equal(bench.stats.publishedBytes, event('d', 0).length)
  assert.deepEqual(bench.dropped, { 'spool-damaged': 1 })
  assertBalanced(bench.stats)
})

test('a stop does not wait for what is safe on the disk', async () => {
  const bench = await PipelineBench.ready()
  bench.sink.settleNext('spooled')
  bench.source.deliver('t', '{}', qos1)
  bench.answerAll()
  await bench.pipeline.stop(5000)
  assert.equal(bench.stats.spooled, 1)
})

test('what an earlier run left on the disk is recovered, and forwarded as published', async () => {
  const sink = new MemorySink()
  sink.disk.push({ topic: 'out', payload: Buffer.from('early') })
  const bench = await PipelineBench.ready({ sink })
  assert.deepEqual([bench.stats.recovered, bench.stats.spooled], [1, 1])
  assertBalanced(bench.stats)
  sink.forward()
  assert.deepEqual([bench.stats.published, bench.stats.spooled], [1, 0])
  assertBalanced(bench.stats)
})

test('a broken pipeline that blocks drops nothing: events wait, the source is paused, the broker keeps the rest', async () => {
  const bench = new PipelineBench({ limits: block })
  await bench.pipeline.start()
  for (let i = 0; i < 2; i++) bench.source.deliver('t', event('d', i), qos1)
  await breakPool(bench)
  for (let i = 2; i < 10; i++) bench.source.deliver('t', event('d', i), qos1)
  assert.equal(bench.source.isPaused, true)
  assert.equal(bench.stats.preQueue, 4)
  assert.deepEqual(bench.dropped, {})
  assert.deepEqual(bench.source.acknowledged, [])
  assert.equal(bench.source.kept.length, 10)
})

test('a broken pipeline that blocks still drops what nobody keeps', async () => {
  const bench = new PipelineBench({ limits: block })
  await bench.pipeline.start()
  bench.source.deliver('t', '{"early":1}')
  bench.source.deliver('t', '{"kept":1}', qos1)
  await breakPool(bench)
  bench.source.deliver('t', '{"late":1}')
  assert.deepEqual(bench.dropped, { broken: 2 })
  assert.equal(bench.stats.preQueue, 1)
})

test('a stop of a broken pipeline does not wait for runners that never come', async () => {
  const bench = new PipelineBench({ limits: block })
  await bench.pipeline.start()
  bench.source.deliver('t', '{}', qos1)
  await breakPool(bench)
  await bench.pipeline.stop(20_000)
  assert.deepEqual(bench.dropped, { unacknowledged: 1 })
  assert.equal(bench.source.kept.length, 1)
})

test('a pool that breaks while the pipeline stops ends the wait', async () => {
  const bench = new PipelineBench({ limits: block })
  await bench.pipeline.start()
  bench.source.deliver('t', '{}', qos1)
  const stopping = bench.pipeline.stop(20_000)
  await breakPool(bench)
  await stopping
  assert.deepEqual(bench.dropped, { unacknowledged: 1 })
})

test('what came in a session that the broker lost since does not come again, and is stopped', async () => {
  const bench = await PipelineBench.ready()
  bench.source.deliver('t', '{"old":1}', qos1)
  bench.source.lose('cable pulled')
  bench.source.loseSession()
  bench.source.reconnect()
  bench.source.deliver('t', '{"new":1}', qos1)
  const stopping = bench.pipeline.stop(5000)
  bench.clock.advance(5000)
  await stopping
  assert.equal(bench.stats.sessionsLost, 1)
  assert.deepEqual(bench.dropped, { stopped: 1, unacknowledged: 1 })
})

test('messages that come again are counted, and so are those that are not acknowledged', async () => {
  const bench = await PipelineBench.ready()
  for (let i = 0; i < 3; i++) bench.source.deliver('t', event('d', i), qos1)
  assert.equal(bench.stats.unacknowledged, 3)
  bench.source.lose('cable pulled')
  bench.source.reconnect()
  bench.answerAll()
  assert.deepEqual(
    [bench.stats.received, bench.stats.redelivered, bench.stats.unacknowledged],
    [6, 3, 0],
  )
  assert.deepEqual(bench.source.kept, [])
  assertBalanced(bench.stats)
})

test('a message of a subscription that is gone is acknowledged without being run', async () => {
  const bench = await PipelineBench.ready()
  bench.source.deliver('old/topic', '{}', { ...qos1, stray: true })
  bench.answerAll()
  assert.deepEqual(bench.dropped, { unsubscribed: 1 })
  assert.deepEqual(bench.source.acknowledged, [1])
})

test('an oversize message is acknowledged and counted, with its size in the log', async () => {
  const bench = await PipelineBench.ready()
  bench.source.deliver('t', '', { ...qos1, oversizeBytes: 9_000_000 })
  assert.deepEqual(bench.dropped, { decode: 1 })
  assert.equal(bench.stats.receivedBytes, 9_000_000)
  const { event: name, fields } = bench.lines.at(-1) ?? {}
  assert.deepEqual(
    [name, fields?.['fault'], fields?.['bytes']],
    ['message.undecodable', 'too-large', 9_000_000],
  )
  bench.turn()
  assert.deepEqual(bench.source.acknowledged, [1])
})

test('a sink that gives up nothing by itself holds the runners back, whatever the queue drops', async () => {
  const bench = await PipelineBench.ready({
    limits: {
      queue: { size: 2, whenFull: 'drop-oldest' },
      batch: { size: 1, delayMs: 0 },
      holdsBack: true,
    },
  })
  bench.sink.hold()
  for (let i = 0; i < 10; i++) {
    bench.source.deliver('t', event('d', i))
    bench.answerAll()
  }
  assert.equal(bench.sink.pending, 2)
  assert.deepEqual(bench.dropped, { 'queue-full': 6 })
  bench.sink.release()
  bench.answerAll()
  assert.deepEqual(
    bench.published,
    [0, 1, 8, 9].map((serial) => event('d', serial)),
  )
})

test('large results hold the runners back before they are as many as the queue holds', async () => {
  const bench = await PipelineBench.ready({
    limits: { queue: { size: 1000, whenFull: 'block' }, batch: { size: 1, delayMs: 0 } },
  })
  const large = value('x'.repeat(limits.queueBytesMax / 4))
  const answer = (): void => {
    for (bench.turn(); bench.runners[0]?.serving.length !== 0; bench.turn()) {
      bench.runners[0]?.answer(() => large)
    }
  }
  bench.sink.hold()
  for (let i = 0; i < 20; i++) bench.source.deliver('t', event('d', i), qos1)
  answer()
  // Four fill the room, and one more was under way in the second place of the runner.
  assert.ok(bench.sink.pending <= 5, `${bench.sink.pending} results wait`)
  while (bench.sink.held.length > 0) bench.sink.held[0]?.settle()
  answer()
  assert.ok(bench.sink.pending > 0 && bench.sink.pending <= 5, 'goes on when there is room')
})

test('a pipeline that is stopped while it starts opens no source afterwards', async () => {
  let opened = 0
  class CountedSource extends MemorySource {
    override start(listener: SourceListener): Promise<void> {
      opened += 1
      return super.start(listener)
    }
  }
  const bench = new PipelineBench({ source: new CountedSource() })
  const starting = bench.pipeline.start()
  await bench.pipeline.stop(1000)
  await starting
  assert.equal(opened, 0)
  assert.ok(bench.source.isClosed && bench.sink.isClosed)
})
