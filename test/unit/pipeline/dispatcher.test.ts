import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { EdgebootError } from '../../../src/core/errors.ts'
import { DispatcherBench as Bench } from '../../support/dispatcher-bench.ts'
import { echo, type FakeRunner, value } from '../../support/fake-runner.ts'

const crash = new EdgebootError('RUNNER_EXITED', 'the runner was killed by SIGSEGV')

test('what arrives in one turn travels in one batch', async () => {
  const bench = new Bench({ workers: 1 })
  await bench.load()
  for (const name of ['a', 'b', 'c', 'd']) bench.push(name)
  bench.turn()
  assert.deepEqual(bench.runners[0]?.serving, ['a', 'b', 'c', 'd'])
})

test('a runner is given a second batch while it works on the first, and no third', async () => {
  const bench = new Bench()
  await bench.load()
  for (const name of ['a', 'b', 'c']) {
    bench.push(name)
    bench.turn()
  }
  assert.equal(bench.runners[0]?.batches.length, 2)
  assert.equal(bench.lanes.size, 1)
})

test('nothing is given to a runner that is not loaded, and everything once it is', async () => {
  const bench = new Bench()
  bench.push('early')
  bench.turn()
  assert.deepEqual(bench.runners[0]?.serving, [])
  await bench.load()
  assert.deepEqual(bench.runners[0]?.serving, ['early'])
})

test('several idle runners share what waits', async () => {
  const bench = new Bench({ workers: 2 })
  await bench.load()
  for (let i = 0; i < 8; i++) bench.push(`e${i}`)
  bench.turn()
  assert.deepEqual(
    bench.runners.map(({ serving }) => serving.length),
    [4, 4],
  )
})

test('outcomes that come in pieces are given on at once', async () => {
  const bench = new Bench({ batchSize: 4 })
  await bench.load()
  bench.push('a', 'k')
  bench.push('b', 'k')
  bench.turn()
  bench.runners[0]?.answer(echo, 1)
  assert.deepEqual(bench.answered, ['a'])
  bench.runners[0]?.answer(echo)
  assert.deepEqual(bench.answered, ['a', 'b'])
  assert.equal(bench.dispatcher.inRunners, 0)
})

test('a batch that only waited behind a deadly one is not to blame', async () => {
  const bench = new Bench({ attempts: 1, batchSize: 1 })
  await bench.load()
  bench.push('poison', 'a')
  bench.push('innocent', 'b')
  bench.turn()
  bench.runners[0]?.die(crash)
  bench.turn()
  assert.deepEqual(bench.givenUp, ['poison'])
  bench.clock.advance(60_000)
  await bench.load()
  assert.deepEqual(bench.runners[1]?.serving, ['innocent'])
})

test('an event that hangs costs its runner after the timeout', async () => {
  const bench = new Bench({ attempts: 1 })
  await bench.load()
  bench.push('hangs')
  bench.turn()
  bench.clock.advance(999)
  assert.equal(bench.runners[0]?.gone, false)
  bench.clock.advance(1)
  assert.equal(bench.runners[0]?.gone, true)
  assert.deepEqual(bench.givenUp, ['hangs'])
})

test('a long batch that makes progress is not killed', async () => {
  const bench = new Bench()
  await bench.load()
  for (const name of ['a', 'b', 'c', 'd']) bench.push(name, 'k')
  bench.turn()
  for (let i = 0; i < 4; i++) {
    bench.clock.advance(900)
    bench.runners[0]?.answer(echo, 1)
  }
  bench.turn()
  bench.clock.advance(5000)
  assert.equal(bench.runners[0]?.gone, false)
  assert.deepEqual(bench.answered, ['a', 'b', 'c', 'd'])
})

test('the time that a batch waits behind another does not count against it', async () => {
  const bench = new Bench({ batchSize: 1 })
  await bench.load()
  bench.push('a', 'a')
  bench.push('b', 'b')
  bench.turn()
  bench.clock.advance(900)
  bench.runners[0]?.answer(echo)
  bench.clock.advance(900)
  assert.equal(bench.runners[0]?.gone, false)
})

test('a delay fills batches, and a full batch does not wait for it', async () => {
  const bench = new Bench({ batchSize: 3, batchDelayMs: 50 })
  await bench.load()
  bench.push('a', 'k')
  bench.turn()
  assert.deepEqual(bench.runners[0]?.serving, [])
  bench.clock.advance(50)
  assert.deepEqual(bench.runners[0]?.serving, ['a'])
  bench.runners[0]?.answer(echo)
  for (const name of ['b', 'c', 'd']) bench.push(name, 'k')
  bench.turn()
  assert.equal(bench.runners[0]?.serving.length, 3)
})

test('runners are held back while results find no place', async () => {
  const bench = new Bench()
  await bench.load()
  bench.mayRun = false
  bench.push('a')
  bench.turn()
  assert.deepEqual(bench.runners[0]?.serving, [])
  bench.mayRun = true
  bench.dispatcher.poke()
  bench.turn()
  assert.deepEqual(bench.runners[0]?.serving, ['a'])
})

// Seeded random schedules: every event is answered once, unless it kills runner after runner, and
// answers of one key come in the order of arrival.
test('no schedule of arrivals, answers, deaths and restarts loses, doubles or reorders an event', async () => {
  const step = fc.oneof(
    { weight: 5, arbitrary: fc.record({ do: fc.constant('push' as const), key: fc.nat(3) }) },
    { weight: 5, arbitrary: fc.record({ do: fc.constant('answer' as const), max: fc.nat(3) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('die' as const), nth: fc.nat(1) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('wait' as const) }) },
  )
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 60 }),
      fc.integer({ min: 1, max: 2 }),
      async (steps, workers) => {
        const bench = new Bench({ workers, batchSize: 3, attempts: Infinity })
        await bench.load()
        let pushed = 0
        const answer = (max: number): void => {
          const runner = bench.alive.find(({ serving }) => serving.length > 0)
          runner?.answer((event) => value(event), max + 1)
        }
        const loaded = (): FakeRunner[] => bench.alive.filter(({ isLoaded }) => isLoaded)
        for (const what of steps) {
          if (what.do === 'push') bench.push(`${what.key}:${pushed++}`, `${what.key}`)
          else if (what.do === 'answer') answer(what.max)
          else if (what.do === 'die') loaded()[what.nth]?.die(crash)
          else bench.clock.advance(100)
          bench.turn()
        }
        for (let round = 0; round < 400 && bench.answered.length < pushed; round++) {
          bench.clock.advance(60_000)
          await bench.load()
          answer(Infinity)
          bench.turn()
        }
        assert.equal(bench.answered.length, pushed)
        assert.equal(new Set(bench.answered).size, pushed)
        assert.equal(bench.dispatcher.inRunners, 0)
        const last = new Map<string, number>()
        for (const name of bench.answered) {
          const [key = '', serial] = name.split(':')
          assert.ok((last.get(key) ?? -1) < Number(serial), `order of key ${key}`)
          last.set(key, Number(serial))
        }
      },
    ),
    { numRuns: 1000 },
  )
})
