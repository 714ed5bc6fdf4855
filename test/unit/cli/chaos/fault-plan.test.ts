import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  planFaults,
  seededRandom,
  spreadKills,
  troubles,
  victims,
  type Victim,
} from '../../../../src/cli/chaos/fault-plan.ts'

const spanMs = 25_000
const counts = fc.record({
  kills: fc.record({
    runner: fc.nat(12),
    host: fc.nat(12),
    main: fc.nat(8),
    broker: fc.nat(8),
  }),
  troubles: fc.record({
    stop: fc.nat(9),
    restart: fc.nat(3),
    cut: fc.nat(3),
    delay: fc.nat(3),
    silence: fc.nat(3),
    disk: fc.nat(3),
  }),
})

test('the same seed gives the same plan, another seed another', () => {
  const planOf = (seed: number): unknown => {
    const kills = { runner: 7, host: 6, main: 5, broker: 4 }
    return planFaults({ kills, troubles: { cut: 3 } }, spanMs, seededRandom(seed))
  }
  assert.deepEqual(planOf(1), planOf(1))
  assert.notDeepEqual(planOf(1), planOf(2))
})

test('does each thing as often as it was told to, in the order of time and within the span', () => {
  fc.assert(
    fc.property(counts, fc.integer(), (told, seed) => {
      const plan = planFaults(told, spanMs, seededRandom(seed))
      const struck = (kind: string): number => plan.filter((fault) => fault.kind === kind).length
      for (const victim of victims) {
        const kills = plan.filter((fault) => fault.kind === 'kill' && fault.victim === victim)
        assert.equal(kills.length, told.kills[victim])
      }
      for (const trouble of troubles) assert.equal(struck(trouble), told.troubles[trouble])
      const times = plan.map(({ atMs }) => atMs)
      assert.deepEqual(
        times,
        times.toSorted((a, b) => a - b),
      )
      assert.ok(times.every((at) => at >= 0 && at < spanMs))
      assert.ok(plan.every(({ lastsMs }) => lastsMs >= 0 && lastsMs <= 4000))
    }),
  )
})

test('deals hosts out evenly between kills of main, so that their restarts do not slow down', () => {
  fc.assert(
    fc.property(counts, fc.integer(), ({ kills, troubles: others }, seed) => {
      const rounds: Victim[][] = [[]]
      const killed = planFaults({ kills, troubles: others }, spanMs, seededRandom(seed))
      for (const { kind, victim } of killed) {
        if (kind === 'kill' && victim === 'main') rounds.push([])
        else if (kind === 'kill') rounds.at(-1)?.push(victim)
      }
      const most = Math.ceil(kills.host / Math.max(kills.main, 1))
      for (const round of rounds) {
        assert.ok(round.filter((victim) => victim === 'host').length <= most)
      }
    }),
  )
})

test('kills are dealt out to those that may be killed, all of them', () => {
  assert.deepEqual(spreadKills(10, victims), { runner: 3, host: 3, main: 2, broker: 2 })
  assert.deepEqual(spreadKills(4, ['host']), { runner: 0, host: 4, main: 0, broker: 0 })
  assert.deepEqual(spreadKills(0, victims), { runner: 0, host: 0, main: 0, broker: 0 })
})

test('random numbers are spread over 0 to 1', () => {
  const random = seededRandom(7)
  const numbers = Array.from({ length: 10_000 }, random)
  assert.ok(numbers.every((number) => number >= 0 && number < 1))
  const mean = numbers.reduce((sum, number) => sum + number) / numbers.length
  assert.ok(Math.abs(mean - 0.5) < 0.02, `${mean}`)
})
