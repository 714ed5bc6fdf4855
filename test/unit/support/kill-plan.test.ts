import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { planKills, seededRandom, type Victim } from '../../support/kill-plan.ts'

const spanMs = 25_000
const counts = fc.record({
  runner: fc.nat(12),
  host: fc.nat(12),
  main: fc.integer({ min: 1, max: 8 }),
  broker: fc.nat(8),
})

test('the same seed gives the same plan, another seed another', () => {
  const planOf = (seed: number): unknown =>
    planKills({ runner: 7, host: 6, main: 5, broker: 4 }, spanMs, seededRandom(seed))
  assert.deepEqual(planOf(1), planOf(1))
  assert.notDeepEqual(planOf(1), planOf(2))
})

test('kills each victim as often as it was told to, in the order of time and within the span', () => {
  fc.assert(
    fc.property(counts, fc.integer(), (told, seed) => {
      const plan = planKills(told, spanMs, seededRandom(seed))
      const killed = { runner: 0, host: 0, main: 0, broker: 0 }
      for (const { victim } of plan) killed[victim] += 1
      assert.deepEqual(killed, { ...told })
      const times = plan.map(({ atMs }) => atMs)
      assert.deepEqual(
        times,
        times.toSorted((a, b) => a - b),
      )
      assert.ok(times.every((at) => at >= 0 && at < spanMs))
    }),
  )
})

test('deals hosts out evenly between kills of main, so that their restarts do not slow down', () => {
  fc.assert(
    fc.property(counts, fc.integer(), (told, seed) => {
      const rounds: Victim[][] = [[]]
      for (const { victim } of planKills(told, spanMs, seededRandom(seed))) {
        if (victim === 'main') rounds.push([])
        else rounds.at(-1)?.push(victim)
      }
      const most = Math.ceil(told.host / told.main)
      for (const round of rounds) {
        assert.ok(round.filter((victim) => victim === 'host').length <= most)
      }
    }),
  )
})

test('random numbers are spread over 0 to 1', () => {
  const random = seededRandom(7)
  const numbers = Array.from({ length: 10_000 }, random)
  assert.ok(numbers.every((number) => number >= 0 && number < 1))
  const mean = numbers.reduce((sum, number) => sum + number) / numbers.length
  assert.ok(Math.abs(mean - 0.5) < 0.02, `${mean}`)
})
