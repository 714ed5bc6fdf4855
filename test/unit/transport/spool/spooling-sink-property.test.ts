import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { SpoolingSinkBench } from './spooling-sink-bench.ts'

type Step =
  | { readonly do: 'publish' | 'confirm' | 'send'; readonly count: number }
  | { readonly do: 'advance'; readonly ms: number }
  | { readonly do: 'fail'; readonly times: number }
  | { readonly do: 'lose' | 'connect' | 'heal' | 'reopen' | 'refuse' | 'give-back' }

const someSteps = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: step('publish', 40) },
    { weight: 4, arbitrary: step('confirm', 60) },
    { weight: 2, arbitrary: step('send', 20) },
    {
      weight: 6,
      arbitrary: fc
        .constantFrom(1, 5, 50, 250, 1000, 1500, 31_000)
        .map((ms): Step => ({ do: 'advance', ms })),
    },
    {
      weight: 2,
      arbitrary: fc.integer({ min: 1, max: 4 }).map((times): Step => ({ do: 'fail', times })),
    },
    {
      weight: 6,
      arbitrary: fc
        .constantFrom('lose', 'connect', 'heal', 'reopen', 'give-back')
        .map((what): Step => ({ do: what as 'lose' })),
    },
  ),
  { maxLength: 60 },
)

function step(what: 'publish' | 'confirm' | 'send', max: number): fc.Arbitrary<Step> {
  return fc.integer({ min: 1, max }).map((count): Step => ({ do: what, count }))
}

interface Limits {
  readonly bytesMax: number
  readonly whenFull: 'block' | 'drop-oldest'
  readonly ageMsMax?: number
}

/** Runs a schedule, heals everything, and says what became of each result over all reopenings. */
async function run(steps: readonly Step[], limits: Limits, order: 'in order' | 'any order') {
  let bench = new SpoolingSinkBench({ settings: limits })
  const { store } = bench
  let next = 1
  let connected = true
  let mayRepeat = false
  const total = { published: [] as number[], discarded: 0, forwarded: 0, recovered: 0 }
  const outcomes = new Map<number, string[]>()
  const collect = (): void => {
    total.published.push(...bench.published)
    total.forwarded += bench.forwarded
    for (const [, count] of bench.discarded) total.discarded += count
    for (const [number, list] of bench.outcomes) {
      outcomes.set(number, [...(outcomes.get(number) ?? []), ...list])
    }
  }
  await bench.start()
  for (const step of steps) {
    if (step.do === 'publish') for (let i = 0; i < step.count; i++) bench.publish(next++)
    else if (step.do === 'advance') bench.clock.advance(step.ms)
    else if (step.do === 'fail') store.failures = step.times
    else if (step.do === 'heal') store.failures = 0
    else if (step.do === 'lose') bench.lose()
    else if (step.do === 'connect') bench.connect()
    else if (step.do === 'send') {
      for (const held of bench.inner.held.slice(0, step.count)) if (connected) held.send()
    } else if (step.do === 'confirm' && connected) {
      if (order === 'in order') bench.confirm(step.count)
      else bench.inner.held.at(step.count % Math.max(bench.inner.held.length, 1))?.settle()
    } else if (step.do === 'give-back' && connected && bench.sink.spooled > 0) {
      bench.inner.settleNext('timeout')
      bench.clock.advance(250)
      bench.inner.settleNext()
    } else if (step.do === 'reopen') {
      // What a failing disk could not remove is published again after a restart.
      mayRepeat ||= store.failures > 0
      await bench.sink.close(0)
      collect()
      bench = new SpoolingSinkBench({ settings: limits, store, clock: bench.clock })
      await bench.start()
      connected = true
    }
    if (step.do === 'lose') connected = false
    if (step.do === 'connect') connected = true
    assert.ok(bench.sink.pending >= 0)
    assert.ok(bench.store.bytes <= limits.bytesMax, `${bench.store.bytes} bytes`)
    const unsettled = next - 1 - outcomes.size - bench.outcomes.size
    assert.equal(bench.sink.pending, unsettled, `pending after ${step.do}`)
  }
  store.failures = 0
  bench.connect()
  bench.clock.advance(30_000)
  bench.drain()
  await bench.sink.close(0)
  collect()
  if (mayRepeat) total.published = [...new Set(total.published)]
  return { ...total, mayRepeat, outcomes, count: next - 1, left: bench.sink.spooled }
}

test('random schedules: each result is settled once, in order, and none is lost', async () => {
  await fc.assert(
    fc.asyncProperty(someSteps, async (steps) => {
      const limits = { bytesMax: 1_000_000, whenFull: 'block' } as const
      const end = await run(steps, limits, 'in order')
      assert.equal(end.left, 0)
      assert.equal(end.discarded, 0)
      for (let i = 1; i <= end.count; i++) assert.equal(end.outcomes.get(i)?.length, 1, `${i}`)
      const given = [...end.outcomes].filter(
        ([, [outcome]]) => outcome !== 'closed' && outcome !== 'timeout',
      )
      assert.deepEqual(
        end.published,
        given.map(([number]) => number).toSorted((a, b) => a - b),
      )
    }),
    { numRuns: 300 },
  )
})

test('random schedules with confirmations in any order: none is lost, none confirmed twice', async () => {
  await fc.assert(
    fc.asyncProperty(someSteps, async (steps) => {
      const limits = { bytesMax: 1_000_000, whenFull: 'block' } as const
      const end = await run(steps, limits, 'any order')
      assert.equal(end.left, 0)
      for (let i = 1; i <= end.count; i++) assert.equal(end.outcomes.get(i)?.length, 1, `${i}`)
      const given = [...end.outcomes].filter(
        ([, [outcome]]) => outcome !== 'closed' && outcome !== 'timeout',
      )
      assert.deepEqual(new Set(end.published), new Set(given.map(([number]) => number)))
    }),
    { numRuns: 300 },
  )
})

test('random schedules with limits: what is spooled is forwarded or counted as discarded', async () => {
  const someLimits = fc.record({
    bytesMax: fc.integer({ min: 100, max: 1000 }),
    whenFull: fc.constantFrom('block', 'drop-oldest'),
    ageMsMax: fc.constantFrom(2000, 60_000),
  })
  await fc.assert(
    fc.asyncProperty(someSteps, someLimits, async (steps, limits) => {
      const end = await run(steps, limits, 'in order')
      assert.equal(end.left, 0)
      const spooled = [...end.outcomes.values()].filter(([outcome]) => outcome === 'spooled').length
      if (!end.mayRepeat) assert.equal(end.forwarded + end.discarded, spooled)
      const sorted = end.published.toSorted((a, b) => a - b)
      assert.deepEqual(end.published, sorted)
      assert.equal(new Set(sorted).size, sorted.length)
    }),
    { numRuns: 300 },
  )
})
