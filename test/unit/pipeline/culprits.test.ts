/** An event that kills its runner when the runner has left word of it. */
import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { EdgebootError } from '../../../src/core/errors.ts'
import { DispatcherBench as Bench } from '../../support/dispatcher-bench.ts'
import { echo } from '../../support/fake-runner.ts'

const crash = new EdgebootError('RUNNER_EXITED', 'the runner was killed by SIGSEGV')
const isPoison = (event: string): boolean => event.includes('poison')
const always = (): boolean => true

/** What runners were given, batch by batch, and how often one died. */
interface Course {
  readonly batches: string[]
  deaths: number
}

/**
 * Serves what is there.
 *
 * @param knows - Whether the runner that dies next leaves word of the event that it died on.
 */
async function serve(
  bench: Bench,
  { kills = isPoison, knows = always }: { kills?: typeof isPoison; knows?: () => boolean } = {},
): Promise<Course> {
  const course: Course = { batches: [], deaths: 0 }
  for (let rounds = 0; rounds < 3000; rounds++) {
    bench.turn()
    const runner = bench.alive.find(({ serving }) => serving.length > 0)
    if (runner === undefined) {
      if (bench.lanes.size + bench.dispatcher.inRunners === 0) return course
      bench.clock.advance(bench.delaysMs.at(-1) ?? 0)
      await bench.load()
      continue
    }
    course.batches.push(runner.serving.join(' '))
    const at = runner.serving.findIndex(kills)
    if (at < 0) {
      runner.answer(echo)
      continue
    }
    course.deaths += 1
    runner.die(crash, knows() ? at : undefined)
  }
  throw new Error('it never ends')
}

async function loaded(options?: ConstructorParameters<typeof Bench>[0]): Promise<Bench> {
  const bench = new Bench(options)
  await bench.load()
  return bench
}

test('a culprit that is known is tried alone, after those that travelled with it', async () => {
  const bench = await loaded()
  for (const name of ['a', 'b', 'poison', 'd']) bench.push(name, name)
  const { batches, deaths } = await serve(bench)
  assert.deepEqual(batches, ['a b poison d', 'a b d', 'poison', 'poison'])
  assert.equal(deaths, 3)
  assert.deepEqual(bench.givenUp, ['poison'])
})

test('those of its device that came after it wait for it, and those before it go first', async () => {
  const bench = await loaded()
  for (const name of ['a', 'poison', 'c']) bench.push(name, 'same')
  bench.push('other', 'another')
  const { batches } = await serve(bench)
  assert.deepEqual(batches, ['a poison c other', 'a other', 'poison', 'poison', 'c'])
  assert.deepEqual(bench.answered, ['a', 'other', 'c'])
})

test('with one attempt it is given up at once, and nobody else is suspect', async () => {
  const bench = await loaded({ attempts: 1 })
  for (const name of ['a', 'poison', 'c']) bench.push(name, 'same')
  const { batches, deaths } = await serve(bench)
  assert.deepEqual(batches, ['a poison c', 'a c'])
  assert.equal(deaths, 1)
})

test('an event on which its runner was killed by somebody else is answered alone', async () => {
  const bench = await loaded()
  for (const name of ['a', 'b', 'c']) bench.push(name, name)
  let kills = 1
  const { batches } = await serve(bench, { kills: (event) => event === 'b' && kills-- > 0 })
  assert.deepEqual(batches, ['a b c', 'a c', 'b'])
  assert.deepEqual(bench.givenUp, [])
})

test('a batch that waited behind the culprit goes on in company', async () => {
  const bench = await loaded({ batchSize: 2 })
  for (const name of ['a', 'poison', 'c', 'd']) bench.push(name, name)
  bench.turn()
  assert.equal(bench.runners[0]?.batches.length, 2)
  const { batches, deaths } = await serve(bench)
  assert.deepEqual(batches, ['a poison', 'a c', 'poison', 'd', 'poison'])
  assert.equal(deaths, 3)
})

test('several culprits in one batch cost their attempts each, and the others travel at once', async () => {
  const bench = await loaded()
  for (const name of ['a', 'poison1', 'c', 'poison2', 'poison3', 'f']) bench.push(name, name)
  const { deaths } = await serve(bench)
  assert.equal(deaths, 9)
  assert.deepEqual(bench.answered, ['a', 'c', 'f'])
  assert.deepEqual(bench.givenUp.toSorted(), ['poison1', 'poison2', 'poison3'])
  assert.deepEqual(bench.delaysMs.slice(0, 4), [50, 50, 50, 50], 'others pass in between')
})

test('suspects of a death that nobody explained stay suspects when one of them is found out', async () => {
  const bench = await loaded()
  for (const name of ['a', 'b', 'poison', 'd', 'e', 'f', 'g', 'h']) bench.push(name, name)
  let deaths = 0
  const { batches } = await serve(bench, { knows: () => ++deaths > 1 })
  assert.deepEqual(batches.slice(0, 3), ['a b poison d e f g h', 'a b poison d', 'a b d'])
  assert.equal(deaths, 4, 'one without word of it, and three attempts')
  assert.deepEqual(bench.givenUp, ['poison'])
})

test('what a runner had finished before it died speaks for the model', async () => {
  const bench = await loaded()
  for (const name of ['poison', 'b']) bench.push(name, name)
  const [runner] = bench.runners
  bench.turn()
  runner?.die(crash, 0)
  for (const name of ['c', 'poison2']) bench.push(name, name)
  const { batches } = await serve(bench)
  assert.equal(batches[0], 'b c poison2')
  assert.deepEqual(bench.delaysMs.slice(0, 2), [50, 50])
})

test('a model that dies of every event climbs to a minute between its runners', async () => {
  const bench = await loaded({ batchSize: 8 })
  bench.push('fine')
  await serve(bench)
  for (let i = 0; i < 8; i++) bench.push(`${i}`, `${i}`)
  const { deaths } = await serve(bench, { kills: () => true })
  assert.equal(deaths, 24)
  assert.equal(bench.delaysMs.at(-1), 60_000)
  assert.deepEqual(
    bench.delaysMs,
    bench.delaysMs.toSorted((one, other) => one - other),
  )
})

test('a message a minute that kills costs its attempts and does not slow the model down', async () => {
  const bench = await loaded({ batchSize: 64 })
  for (let minute = 0; minute < 30; minute++) {
    for (let i = 0; i < 64; i++) bench.push(`${minute} ${i === 40 ? 'poison' : 'fine'}`, `${i}`)
    assert.equal((await serve(bench)).deaths, 3)
    bench.clock.advance(60_000)
  }
  assert.equal(bench.givenUp.length, 30)
  assert.ok(
    bench.delaysMs.every((delayMs) => delayMs <= 400),
    bench.delaysMs.join(),
  )
})

// Whatever the size, the keys, the places of the culprits and the traffic around them.
test('each culprit costs exactly its attempts, nobody else is given up, and every key keeps its order', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 64 }),
      fc.uniqueArray(fc.nat(63), { minLength: 1, maxLength: 4 }),
      fc.integer({ min: 0, max: 5 }),
      fc.integer({ min: 1, max: 3 }),
      fc.integer({ min: 1, max: 3 }),
      fc.boolean(),
      fc.array(fc.boolean(), { maxLength: 12 }),
      async (size, places, keys, attempts, workers, sharesHost, silences) => {
        const bench = await loaded({ attempts, workers, batchSize: 16, sharesHost })
        const culprits = new Set(places.map((place) => place % size))
        const push = (serial: number): void => {
          const key = keys === 0 ? undefined : `k${serial % keys}`
          bench.push(`${serial} ${culprits.has(serial) ? 'poison' : 'fine'}`, key)
        }
        for (let serial = 0; serial < size; serial++) push(serial)
        bench.turn()
        for (let serial = size; serial < size + 20; serial++) push(serial)
        let silent = 0
        const { deaths } = await serve(bench, {
          knows: () => {
            const isSilent = silences[silent] === true
            silent += 1
            return !isSilent
          },
        })
        // Each death without word of it costs one trial at most that says nothing of one event.
        const unexplained = silences.filter((isSilent) => isSilent).length
        const attributed = culprits.size * attempts
        assert.ok(deaths <= attributed + unexplained, `${deaths} deaths`)
        assert.ok(deaths >= attributed, `${deaths} deaths of ${culprits.size} culprits`)
        const names = [...culprits].map((serial) => `${serial} poison`)
        assert.deepEqual(bench.givenUp.toSorted(), names.toSorted())
        assert.equal(new Set(bench.answered).size, size + 20 - culprits.size)
        assert.equal(bench.answered.length, size + 20 - culprits.size)
        if (keys === 0) return
        const last = new Map<number, number>()
        for (const serial of bench.answered.map((name) => Number.parseInt(name, 10))) {
          assert.ok((last.get(serial % keys) ?? -1) < serial, `order of key ${serial % keys}`)
          last.set(serial % keys, serial)
        }
      },
    ),
    { numRuns: 400 },
  )
})
