/** The search for the event that kills its runner, and what it costs. */
import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { EdgebootError } from '../../../src/core/errors.ts'
import { DispatcherBench as Bench } from '../../support/dispatcher-bench.ts'
import { echo } from '../../support/fake-runner.ts'

const crash = new EdgebootError('RUNNER_EXITED', 'the runner was killed by SIGSEGV')

/** Serves what is there: a runner dies of a batch that holds poison. @returns Deaths. */
async function serve(bench: Bench, isPoison: (event: string) => boolean): Promise<number> {
  let deaths = 0
  for (let rounds = 0; rounds < 2000; rounds++) {
    bench.turn()
    const runner = bench.alive.find(({ serving }) => serving.length > 0)
    if (runner === undefined) {
      if (bench.lanes.size + bench.dispatcher.inRunners === 0) return deaths
      bench.clock.advance(bench.delaysMs.at(-1) ?? 0)
      await bench.load()
    } else if (runner.serving.some(isPoison)) {
      deaths += 1
      runner.die(crash)
    } else {
      runner.answer(echo)
    }
  }
  throw new Error('it never ends')
}

const isPoison = (event: string): boolean => event.endsWith('poison')

test('a batch that killed its runner is retried in halves, until the culprit is alone', async () => {
  const bench = new Bench({ attempts: 2 })
  await bench.load()
  for (const name of ['a', 'b', 'poison', 'd']) bench.push(name, 'same')
  const batches: string[] = []
  const deaths = await serve(bench, (event) => {
    const [runner] = bench.alive
    if (event === runner?.serving[0]) batches.push(runner.serving.join(' '))
    return isPoison(event)
  })
  assert.deepEqual(batches, ['a b poison d', 'a b', 'poison d', 'poison', 'poison', 'd'])
  assert.equal(deaths, 4)
  assert.deepEqual(bench.answered, ['a', 'b', 'd'])
  assert.deepEqual(bench.givenUp, ['poison'])
})

test('what arrives meanwhile passes between the trials', async () => {
  const bench = new Bench()
  await bench.load()
  bench.push('poison', 'a')
  bench.push('suspect', 'b')
  bench.turn()
  bench.runners[0]?.die(crash)
  bench.push('new', 'c')
  bench.turn()
  bench.clock.advance(1000)
  await bench.load()
  assert.deepEqual(bench.runners[1]?.serving, ['poison'])
  assert.equal(bench.runners[1]?.batches.length, 1, 'nothing waits behind a suspect')
  bench.runners[1]?.die(crash)
  bench.turn()
  bench.clock.advance(1000)
  await bench.load()
  assert.deepEqual(bench.runners[2]?.serving, ['new'])
})

test('results that came before the death count as answered', async () => {
  const bench = new Bench({ attempts: 1 })
  await bench.load()
  for (const name of ['a', 'b', 'poison']) bench.push(name, 'same')
  bench.turn()
  bench.runners[0]?.answer(echo, 2)
  bench.runners[0]?.die(crash)
  assert.deepEqual(bench.answered, ['a', 'b'])
  assert.deepEqual(bench.givenUp, [], 'it was not alone')
  assert.equal(await serve(bench, isPoison), 1)
  assert.deepEqual(bench.givenUp, ['poison'])
})

test('where a death may end the host, suspects have all runners for themselves', async () => {
  const bench = new Bench({ workers: 2, sharesHost: true, batchSize: 2 })
  await bench.load()
  for (const name of ['poison', 'b', 'c', 'd', 'e', 'f']) bench.push(name, name)
  bench.turn()
  bench.runners[0]?.die(crash)
  bench.turn()
  const busy = (): string[][] =>
    bench.alive.flatMap(({ serving }) => (serving.length > 0 ? [serving] : []))
  assert.deepEqual(busy(), [['c', 'd']], 'suspects wait for it')
  bench.runners[1]?.answer(echo)
  bench.turn()
  assert.deepEqual(busy(), [['poison']])
  bench.clock.advance(200)
  await bench.load()
  assert.deepEqual(busy(), [['poison']], 'the idle runner waits')
})

test('a message a minute that kills costs its own search and does not slow the model down', async () => {
  const bench = new Bench({ batchSize: 64 })
  await bench.load()
  for (let minute = 0; minute < 30; minute++) {
    for (let i = 0; i < 64; i++) bench.push(`${minute} ${i === 63 ? 'poison' : 'fine'}`, `${i}`)
    await serve(bench, isPoison)
    bench.clock.advance(60_000)
  }
  assert.equal(bench.givenUp.length, 30)
  // Alone and without other work, a message that kills cannot be told from a model that is ill.
  assert.ok(Math.max(...bench.delaysMs) <= 800, `${Math.max(...bench.delaysMs)} ms`)
  assert.ok(bench.delaysMs.slice(-9, -3).every((delayMs) => delayMs <= 400))
})

test('a model that dies of every event climbs with every event, to a minute between its runners', async () => {
  const bench = new Bench({ batchSize: 8 })
  await bench.load()
  bench.push('fine')
  bench.push('first')
  await serve(bench, () => false)
  for (let i = 0; i < 16; i++) bench.push(`${i}`, `${i}`)
  await serve(bench, () => true)
  assert.equal(bench.givenUp.length, 16)
  assert.deepEqual(
    bench.delaysMs,
    bench.delaysMs.toSorted((one, other) => one - other),
  )
  assert.deepEqual(
    [...new Set(bench.delaysMs)],
    [50, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 51_200, 60_000],
  )
})

test('a model that dies now and then, and of no message in particular, is ill', async () => {
  const bench = new Bench({ batchSize: 8 })
  await bench.load()
  for (let minute = 0; minute < 12; minute++) {
    for (let i = 0; i < 8; i++) bench.push(`${minute}.${i}`, `${i}`)
    bench.turn()
    bench.alive[0]?.die(crash)
    await serve(bench, () => false)
    bench.clock.advance(30_000)
  }
  assert.equal(bench.givenUp.length, 0)
  assert.equal(bench.delaysMs.at(-1), 60_000)
})

// Whatever the size, the keys, the place of the culprit and the traffic around it: no more deaths
// than the search needs, nobody innocent given up, and the order of each key kept.
test('the culprit is found in log2(n) + attempts deaths, whoever travels with it', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 64 }),
      fc.nat(63),
      fc.integer({ min: 0, max: 5 }),
      fc.integer({ min: 1, max: 3 }),
      fc.integer({ min: 1, max: 3 }),
      fc.boolean(),
      async (size, place, keys, attempts, workers, sharesHost) => {
        const bench = new Bench({ attempts, workers, batchSize: 64, sharesHost })
        await bench.load()
        const poison = place % size
        const push = (serial: number): void => {
          const key = keys === 0 ? undefined : `k${serial % keys}`
          bench.push(`${serial} ${serial === poison ? 'poison' : 'fine'}`, key)
        }
        for (let serial = 0; serial < size; serial++) push(serial)
        bench.turn()
        for (let serial = size; serial < size + 20; serial++) push(serial)
        let together = 0
        const deaths = await serve(bench, (event) => {
          if (!isPoison(event)) return false
          const deadly = bench.alive.find(({ serving }) => serving.includes(event))
          together ||= deadly?.serving.length ?? 0
          return true
        })
        const deathsMax = Math.ceil(Math.log2(together)) + attempts
        assert.ok(deaths <= deathsMax, `${deaths} deaths of ${together} events`)
        assert.deepEqual(bench.givenUp, [`${poison} poison`])
        assert.equal(new Set(bench.answered).size, size + 19)
        if (keys === 0) return
        const last = new Map<number, number>()
        for (const serial of bench.answered.map((name) => Number.parseInt(name, 10))) {
          assert.ok((last.get(serial % keys) ?? -1) < serial, `order of key ${serial % keys}`)
          last.set(serial % keys, serial)
        }
      },
    ),
    { numRuns: 300 },
  )
})
