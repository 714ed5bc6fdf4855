import assert from 'node:assert/strict'
import test from 'node:test'
import { EdgebootError } from '../../../src/core/errors.ts'
import type { RunnerPool } from '../../../src/pipeline/runner-pool.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { fakePool, fakeRelease, type FakeRunner } from '../../support/fake-runner.ts'

class Bench {
  readonly clock = new FakeClock()
  readonly runners: FakeRunner[] = []
  room = 0
  readonly pool: RunnerPool

  constructor(size: number) {
    this.pool = fakePool(this.runners, {
      size,
      clock: this.clock,
      room: () => (this.room += 1),
    })
    this.pool.start()
  }
}

const exited = new EdgebootError('RUNNER_EXITED', 'the runner exited with code 3')
const noHandler = new EdgebootError('MODEL_NO_HANDLER', 'no handler', {
  details: { where: 'index.py:1' },
})

test('a pool is ready as soon as one of its runners is', async () => {
  const { pool, runners } = new Bench(3)
  assert.equal(pool.state.status, 'starting')
  await runners[1]?.load('Python 3.11.2')
  assert.deepEqual(pool.state, {
    status: 'ready',
    reason: '',
    engine: 'Python 3.11.2',
    error: undefined,
  })
  assert.equal(pool.next()?.index, 1)
})

test('the runner with the least to do is next, and a full one never', async () => {
  const { pool, runners } = new Bench(2)
  for (const runner of runners) await runner.load()
  const first = pool.next()
  assert.ok(first)
  first.batches = 1
  const second = pool.next()
  assert.ok(second)
  assert.notEqual(second.index, first.index)
  first.batches = 2
  second.batches = 2
  assert.equal(pool.next(), undefined)
  assert.equal(pool.idle, 0)
})

test('restarts a runner that died after the first delay', async () => {
  const bench = new Bench(1)
  await bench.runners[0]?.load()
  bench.runners[0]?.die(exited)
  assert.equal(bench.pool.state.status, 'backoff')
  assert.match(bench.pool.state.reason, /exited with code 3; next attempt in 0\.1 s/)
  bench.clock.advance(200)
  assert.equal(bench.runners.length, 2)
  await bench.runners[1]?.load()
  assert.equal(bench.pool.state.status, 'ready')
  assert.equal(bench.pool.restarts, 1)
})

test('three failures to load break the pool, with the place in the reason', async () => {
  const bench = new Bench(1)
  for (let i = 0; i < 3; i++) {
    await bench.runners[i]?.failToLoad(noHandler)
    bench.clock.advance(1000)
  }
  assert.equal(bench.runners.length, 3)
  assert.equal(bench.pool.state.status, 'broken')
  assert.match(bench.pool.state.reason, /no handler at index\.py:1; given up after 3 failures/)
})

test('a pool with one healthy runner is not broken by another that is given up', async () => {
  const bench = new Bench(2)
  await bench.runners[0]?.load()
  await bench.runners[1]?.failToLoad(noHandler)
  for (let i = 2; i < 4; i++) {
    bench.clock.advance(1000)
    await bench.runners[i]?.failToLoad(noHandler)
  }
  assert.equal(bench.runners.length, 4)
  assert.equal(bench.pool.state.status, 'ready')
})

test('a stopped pool starts nothing again', async () => {
  const bench = new Bench(2)
  await bench.runners[0]?.load()
  bench.runners[0]?.die(exited)
  await bench.pool.stop(1000)
  bench.clock.advance(120_000)
  assert.equal(bench.runners.length, 2)
  assert.ok(bench.runners[1]?.gone)
})

test('room is announced when a runner becomes ready', async () => {
  const bench = new Bench(1)
  assert.equal(bench.room, 0)
  await bench.runners[0]?.load()
  assert.equal(bench.room, 1)
})

test('loads a fresh runner beside one that outgrew its memory, and takes it from then on', async () => {
  const bench = new Bench(1)
  await bench.runners[0]?.load()
  const old = bench.pool.next()
  assert.ok(old)
  old.batches = 1
  bench.runners[0]?.outgrow(300)
  bench.runners[0]?.outgrow(400)
  assert.equal(bench.runners.length, 2)
  assert.equal(bench.pool.next(), old)
  assert.equal(bench.runners[0]?.gone, false)
  await bench.runners[1]?.load()
  assert.equal(bench.pool.next()?.runner, bench.runners[1])
  assert.equal(bench.runners[0]?.gone, true) // asked to stop, which lets it finish
  assert.equal(bench.pool.state.status, 'ready')
  assert.deepEqual([bench.pool.recycles, bench.pool.restarts], [1, 0])
})

test('keeps a runner that outgrew its memory when no other can be loaded, and tries again', async () => {
  const bench = new Bench(1)
  await bench.runners[0]?.load()
  bench.runners[0]?.outgrow(300)
  await bench.runners[1]?.failToLoad(noHandler)
  assert.equal(bench.pool.next()?.runner, bench.runners[0])
  assert.equal(bench.pool.state.status, 'ready')
  bench.clock.advance(60_000)
  await bench.runners[2]?.load()
  assert.equal(bench.pool.next()?.runner, bench.runners[2])
})

test('leaves the place of a runner that dies to the one that was to replace it', async () => {
  const bench = new Bench(1)
  await bench.runners[0]?.load()
  bench.runners[0]?.outgrow(300)
  bench.runners[0]?.die(exited)
  assert.equal(bench.pool.state.status, 'starting')
  bench.clock.advance(60_000)
  assert.equal(bench.runners.length, 2)
  await bench.runners[1]?.load()
  assert.equal(bench.pool.state.status, 'ready')
  assert.deepEqual([bench.pool.recycles, bench.pool.restarts], [0, 1])
})

test('backs off when the runner that was to replace a dead one does not load either', async () => {
  const bench = new Bench(1)
  await bench.runners[0]?.load()
  bench.runners[0]?.outgrow(300)
  bench.runners[0]?.die(exited)
  await bench.runners[1]?.failToLoad(noHandler)
  assert.equal(bench.pool.state.status, 'backoff')
})

test('hears no more of a runner that was replaced', async () => {
  const bench = new Bench(1)
  await bench.runners[0]?.load()
  bench.runners[0]?.outgrow(300)
  await bench.runners[1]?.load()
  bench.runners[0]?.outgrow(500)
  assert.equal(bench.runners.length, 2)
})

test('stops the runners that it is about to exchange too', async () => {
  const bench = new Bench(1)
  await bench.runners[0]?.load()
  bench.runners[0]?.outgrow(300)
  await bench.pool.stop(1000)
  assert.deepEqual(
    bench.runners.map((runner) => runner.gone),
    [true, true],
  )
})

/** Begins to exchange the release for one of orderly runners. */
const swap = (bench: Bench, version: string): Promise<string> =>
  bench.pool.swap(fakeRelease(bench.runners, version, true)).then(
    () => 'taken over',
    (error: unknown) => (error as Error).message,
  )
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test('another release takes over in one step, when the last of its runners is loaded', async () => {
  const bench = new Bench(2)
  const { pool, runners } = bench
  for (const runner of runners) await runner.load()
  const swapping = swap(bench, '2')
  await settled()
  assert.equal(runners.length, 4)
  await runners[2]?.load()
  await settled()
  assert.equal(pool.next()?.release.version, '1')
  assert.equal(pool.release.version, '1')
  await runners[3]?.load()
  assert.equal(await swapping, 'taken over')
  assert.deepEqual([pool.next()?.release.version, pool.release.version], ['2', '2'])
  assert.deepEqual(
    runners.map(({ gone }) => gone),
    [true, true, false, false],
  )
  assert.deepEqual([pool.restarts, pool.recycles, pool.idle], [0, 0, 2])
})

test('a release that does not load leaves nothing behind, and the one before serves on', async () => {
  const bench = new Bench(2)
  const { pool, runners } = bench
  for (const runner of runners) await runner.load()
  const swapping = swap(bench, '2')
  await settled()
  await runners[2]?.load()
  await runners[3]?.failToLoad(noHandler)
  assert.equal(await swapping, 'no handler')
  assert.deepEqual(
    runners.map(({ gone }) => gone),
    [false, false, true, true],
  )
  assert.deepEqual([pool.state.status, pool.release.version], ['ready', '1'])
  bench.clock.advance(600_000)
  assert.equal(runners.length, 4, 'nothing of it is tried again')
})

test('a runner of the new release that dies before the last is loaded refuses it', async () => {
  const bench = new Bench(2)
  for (const runner of bench.runners) await runner.load()
  const swapping = swap(bench, '2')
  await settled()
  await bench.runners[2]?.load()
  bench.runners[2]?.die(exited)
  await bench.runners[3]?.load()
  assert.equal(await swapping, 'the runner exited with code 3')
  assert.equal(bench.pool.next()?.release.version, '1')
})

test('a release takes over from runners that wait to be restarted, and ends that', async () => {
  const bench = new Bench(1)
  await bench.runners[0]?.load()
  bench.runners[0]?.die(exited)
  const swapping = swap(bench, '2')
  await settled()
  await bench.runners[1]?.load()
  assert.equal(await swapping, 'taken over')
  assert.equal(bench.pool.state.status, 'ready')
  bench.clock.advance(600_000)
  assert.equal(bench.runners.length, 2)
})

test('the next release waits until the runners of the one before the last are gone', async () => {
  const bench = new Bench(1)
  const { pool, runners } = bench
  await runners[0]?.load()
  const first = swap(bench, '2')
  await settled()
  await runners[1]?.load()
  await first
  runners[1]?.infer([{ event: new Uint8Array(), context: new Uint8Array() }], {
    outcomes: () => {},
    lost: () => {},
  })
  const second = swap(bench, '3')
  await settled()
  await runners[2]?.load()
  await second
  const third = swap(bench, '4')
  await settled()
  assert.equal(runners.length, 3, 'version 2 still works')
  runners[1]?.answer(() => ({ kind: 'empty' }))
  await settled()
  assert.equal(runners.length, 4)
  await runners[3]?.load()
  assert.equal(await third, 'taken over')
  assert.equal(pool.release.version, '4')
})

test('a pool that is stopped gives up the release that is loading', async () => {
  const bench = new Bench(1)
  await bench.runners[0]?.load()
  const swapping = swap(bench, '2')
  await settled()
  await bench.pool.stop(1000)
  assert.match(await swapping, /stopped/)
  assert.ok(bench.runners.every(({ gone }) => gone))
})
