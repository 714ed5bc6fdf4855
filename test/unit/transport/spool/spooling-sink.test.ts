import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EdgebootError } from '../../../../src/core/errors.ts'
import { FakeClock } from '../../../support/fake-clock.ts'
import { MemorySpool } from '../../../support/memory-spool.ts'
import { SpoolingSinkBench } from './spooling-sink-bench.ts'

const size = 10

test('does not touch the disk while the broker takes what is published', async () => {
  const bench = new SpoolingSinkBench({
    openStore: () => assert.fail('the store was opened'),
  })
  await bench.start()
  for (let i = 0; i < 100; i++) {
    bench.publish(i)
    bench.clock.advance(300)
    bench.confirm(1)
  }
  await bench.sink.close(1000)
  assert.equal(bench.published.length, 100)
})

test('spools after a second without the broker, then forwards in order and goes straight', async () => {
  const bench = new SpoolingSinkBench()
  await bench.start()
  bench.publish(1, 2)
  bench.lose()
  bench.publish(3)
  bench.clock.advance(900)
  assert.equal(bench.sink.pending, 3)
  bench.clock.advance(500)
  assert.deepEqual(bench.onDisk, [1, 2, 3])
  bench.publish(4)
  assert.equal(bench.outcomeOf(4), undefined)
  bench.clock.advance(5)
  assert.equal(bench.outcomeOf(4), 'spooled')
  assert.equal(bench.sink.spooled, 4)
  bench.connect()
  bench.clock.advance(5)
  bench.publish(5)
  assert.equal(bench.inner.held.length, 5)
  assert.equal(bench.sink.pending, 1)
  bench.drain()
  assert.deepEqual(bench.published, [1, 2, 3, 4, 5])
  assert.deepEqual(bench.onDisk, [])
  assert.equal(bench.forwarded, 4)
  assert.equal(bench.outcomeOf(5), 'published')
})

test('gathers what comes within a few milliseconds into one commit', async () => {
  const bench = new SpoolingSinkBench()
  await bench.start()
  bench.lose()
  bench.publish(0)
  bench.clock.advance(1500)
  const { commits } = bench.store
  for (let i = 1; i <= 100; i++) bench.publish(i)
  bench.clock.advance(5)
  assert.equal(bench.store.commits, commits + 1)
  assert.equal(bench.outcomeOf(100), 'spooled')
})

test('a broker that confirms nothing gets one result at a time to try, not all of them again', async () => {
  const bench = new SpoolingSinkBench()
  await bench.start()
  bench.publish(1, 2, 3, 4)
  for (const held of bench.inner.held) held.send()
  bench.clock.advance(30_000)
  assert.deepEqual(bench.onDisk, [1, 2, 3, 4])
  assert.equal(bench.inner.held.length, 1)
  bench.drain()
  assert.deepEqual(bench.published, [1, 2, 3, 4])
})

test('with a slow broker it takes back what was not sent, and leaves what was', async () => {
  const bench = new SpoolingSinkBench({ itemsMax: 4 })
  await bench.start()
  bench.publish(1, 2, 3, 4, 5)
  for (const held of bench.inner.held.slice(0, 2)) held.send()
  bench.clock.advance(1250)
  assert.deepEqual(bench.onDisk, [3, 4, 5])
  assert.equal(bench.outcomeOf(1), undefined)
  bench.drain()
  assert.deepEqual(bench.published, [1, 2, 3, 4, 5])
})

test('what went straight behind forwarded results is put behind them when the connection breaks', async () => {
  const bench = new SpoolingSinkBench()
  await bench.start()
  bench.lose()
  bench.publish(1, 2)
  bench.clock.advance(1500)
  bench.connect()
  bench.clock.advance(5)
  bench.publish(3)
  bench.lose()
  bench.clock.advance(1500)
  assert.deepEqual(bench.onDisk, [1, 2, 3])
  bench.connect()
  bench.drain()
  assert.deepEqual(bench.published, [1, 2, 3])
})

test('tells what an earlier run left before any of it moves, and forwards it first', async () => {
  const store = new MemorySpool()
  const first = new SpoolingSinkBench({ store })
  await first.start()
  first.publish(1, 2)
  await first.sink.close(0)
  assert.equal(first.outcomeOf(2), 'spooled')
  const bench = new SpoolingSinkBench({ store })
  await bench.start()
  assert.deepEqual(bench.recovered, [2])
  assert.equal(bench.inner.held.length, 0)
  bench.publish(3)
  bench.drain()
  assert.deepEqual(bench.published, [1, 2, 3])
  assert.equal(bench.forwarded, 2)
})

test('a full disk drops nothing: results wait, the state says why, and they go when it works', async () => {
  const bench = new SpoolingSinkBench()
  await bench.start()
  bench.store.failures = Number.POSITIVE_INFINITY
  bench.lose()
  bench.publish(1, 2)
  bench.clock.advance(200_000)
  assert.equal(bench.sink.pending, 2)
  assert.equal(bench.log.of('spool.unavailable').length, 4)
  const state = bench.states.at(-1)
  assert.ok(state !== undefined && 'reason' in state)
  assert.equal(state.reason, 'the broker is away; the disk has no room at /state/spool')
  bench.store.failures = 0
  bench.clock.advance(31_000)
  assert.equal(bench.outcomeOf(1), 'spooled')
  assert.equal(bench.log.of('spool.available').length, 1)
  assert.deepEqual(bench.states.at(-1), { status: 'waiting', reason: 'the broker is away' })
})

test('with a full disk results go to the broker without it as soon as that is back', async () => {
  const bench = new SpoolingSinkBench()
  await bench.start()
  bench.store.failures = Number.POSITIVE_INFINITY
  bench.lose()
  bench.publish(1, 2)
  bench.clock.advance(5000)
  bench.publish(3)
  bench.connect()
  bench.drain()
  assert.deepEqual(bench.published, [1, 2, 3])
  assert.equal(bench.outcomeOf(1), 'published')
})

test('a spool that cannot be opened at start is tried again, and what is in it is forwarded', async () => {
  const store = new MemorySpool()
  store.append([{ message: { topic: 't', payload: Buffer.from('000000007') }, created: 1 }])
  let isLocked = true
  const bench = new SpoolingSinkBench({
    store,
    openStore: () => {
      if (isLocked) throw new EdgebootError('SPOOL_LOCKED', 'another process uses it')
      return store
    },
  })
  await bench.start()
  assert.deepEqual(bench.recovered, [])
  assert.equal(bench.log.of('spool.unavailable')[0]?.['code'], 'SPOOL_LOCKED')
  bench.publish(8)
  bench.confirm(1)
  assert.deepEqual(bench.published, [8])
  bench.lose()
  bench.publish(9)
  bench.clock.advance(5000)
  assert.equal(bench.sink.pending, 1)
  isLocked = false
  bench.clock.advance(30_000)
  assert.deepEqual(bench.recovered, [1])
  assert.deepEqual(bench.onDisk, [7, 9])
  bench.connect()
  bench.drain()
  assert.deepEqual(bench.published, [8, 7, 9])
})

test('block: nothing more is settled once the spool is full, until records leave', async () => {
  const bench = new SpoolingSinkBench({ settings: { bytesMax: 3 * size } })
  await bench.start()
  bench.lose()
  bench.publish(1)
  bench.clock.advance(1500)
  bench.publish(2, 3, 4, 5)
  bench.clock.advance(1500)
  assert.deepEqual(bench.onDisk, [1, 2, 3])
  assert.equal(bench.sink.pending, 2)
  const state = bench.states.at(-1)
  assert.ok(state !== undefined && 'reason' in state)
  assert.match(state.reason, /; the spool \/state\/spool holds the 30 bytes that it may$/)
  bench.connect()
  bench.drain()
  assert.deepEqual(bench.published, [1, 2, 3, 4, 5])
  assert.deepEqual(bench.discarded, [])
})

test('drop-oldest: the oldest make room, and are counted', async () => {
  const bench = new SpoolingSinkBench({ settings: { bytesMax: 3 * size, whenFull: 'drop-oldest' } })
  await bench.start()
  bench.lose()
  bench.publish(1)
  bench.clock.advance(1500)
  bench.publish(2, 3, 4, 5)
  bench.clock.advance(10)
  assert.deepEqual(bench.onDisk, [3, 4, 5])
  assert.deepEqual(bench.discarded, [['spool-full', 2]])
})

test('drop-oldest: one that is with the broker is counted as what becomes of it', async () => {
  const bench = new SpoolingSinkBench({
    settings: { bytesMax: 2 * size, whenFull: 'drop-oldest' },
    itemsMax: 2,
  })
  await bench.start()
  bench.lose()
  bench.publish(1, 2)
  bench.clock.advance(1500)
  bench.connect()
  bench.clock.advance(5)
  assert.equal(bench.inner.held.length, 2)
  bench.publish(3)
  bench.clock.advance(300)
  bench.publish(4, 5)
  bench.clock.advance(300)
  assert.deepEqual(bench.onDisk.length, 2)
  bench.drain()
  const dropped = bench.discarded.reduce((sum, [, count]) => sum + count, 0)
  assert.equal(dropped + bench.published.length, 5)
  assert.deepEqual(bench.published.slice(0, 2), [1, 2])
})

test('a result larger than the whole spool is given up when it would have to go there', async () => {
  const bench = new SpoolingSinkBench({ settings: { bytesMax: size - 1 } })
  await bench.start()
  bench.publish(1)
  bench.confirm(1)
  assert.equal(bench.outcomeOf(1), 'published')
  bench.lose()
  bench.publish(2)
  bench.clock.advance(1500)
  bench.publish(3)
  bench.clock.advance(1500)
  assert.equal(bench.outcomeOf(2), 'too-large')
  assert.equal(bench.log.of('spool.result-too-large')[0]?.['bytes'], size)
})

test('what is older than maxAge is given up and counted', async () => {
  const bench = new SpoolingSinkBench({ settings: { ageMsMax: 60_000 } })
  await bench.start()
  bench.lose()
  bench.publish(1)
  bench.clock.advance(50_000)
  bench.publish(2)
  bench.clock.advance(30_000)
  assert.deepEqual(bench.discarded, [['spool-expired', 1]])
  assert.deepEqual(bench.onDisk, [2])
})

/** A clock whose wall clock is set by hand. */
class SteppingClock extends FakeClock {
  stepMs = 0

  override now(): number {
    return super.now() + this.stepMs
  }
}

test('a wall clock that is set makes nothing too old', async () => {
  const clock = new SteppingClock(0)
  const bench = new SpoolingSinkBench({ clock, settings: { ageMsMax: 60_000 } })
  await bench.start()
  bench.lose()
  bench.publish(1)
  bench.clock.advance(5000)
  clock.stepMs = 1_700_000_000_000
  bench.publish(2)
  bench.clock.advance(30_000)
  await bench.sink.close(0)
  const again = new SpoolingSinkBench({
    clock,
    store: bench.store,
    settings: { ageMsMax: 60_000 },
  })
  await again.start()
  again.drain()
  assert.deepEqual(again.published, [1, 2])
  assert.deepEqual(again.discarded, [])
})

test('records that cannot be read are counted, and those behind them forwarded', async () => {
  const bench = new SpoolingSinkBench()
  await bench.start()
  bench.lose()
  bench.publish(1, 2, 3)
  bench.clock.advance(1500)
  bench.store.damaged.add(bench.store.first + 1)
  bench.connect()
  bench.drain()
  assert.deepEqual(bench.published, [1, 3])
  assert.deepEqual(bench.discarded, [['spool-damaged', 1]])
})

test('a forwarded result that the broker refuses is discarded for that reason', async () => {
  const bench = new SpoolingSinkBench()
  await bench.start()
  bench.lose()
  bench.publish(1, 2, 3)
  bench.clock.advance(1500)
  bench.inner.settleNext('refused', 'too-large')
  bench.connect()
  bench.drain()
  assert.deepEqual(bench.published, [3])
  assert.deepEqual(bench.discarded, [
    ['refused', 1],
    ['too-large', 1],
  ])
  assert.equal(bench.sink.spooled, 0)
})

test('close lets the broker have what it takes, and keeps the rest on the disk', async () => {
  const bench = new SpoolingSinkBench()
  await bench.start()
  bench.publish(1, 2, 3)
  const closed = bench.sink.close(1000)
  bench.confirm(1)
  for (let i = 0; i < 120; i++) {
    await Promise.resolve()
    bench.clock.advance(10)
  }
  await closed
  assert.deepEqual(bench.published, [1])
  assert.deepEqual(bench.onDisk, [2, 3])
  assert.equal(bench.outcomeOf(3), 'spooled')
  assert.equal(bench.sink.pending, 0)
  bench.publish(4)
  assert.equal(bench.outcomeOf(4), 'closed')
})

test('close with a disk that takes nothing says closed, so that nothing is acknowledged', async () => {
  const bench = new SpoolingSinkBench()
  await bench.start()
  bench.store.failures = Number.POSITIVE_INFINITY
  bench.publish(1)
  await bench.sink.close(0)
  assert.equal(bench.outcomeOf(1), 'closed')
  assert.equal(bench.clock.timers, 0)
})
