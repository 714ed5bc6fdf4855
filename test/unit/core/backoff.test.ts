import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import {
  backoffDelayMs,
  healthyAfterMs,
  restartBackoff,
  RestartPolicy,
  startFailuresWindowMs,
} from '../../../src/core/backoff.ts'
import { FakeClock } from '../../support/fake-clock.ts'

const delays = (policy: RestartPolicy, deaths: number): (number | 'give-up')[] =>
  Array.from({ length: deaths }, () => {
    const decision = policy.died()
    return decision.action === 'restart' ? decision.delayMs : 'give-up'
  })

test('delays double from the first to the ceiling', () => {
  const policy = new RestartPolicy(new FakeClock(), () => 0)
  assert.deepEqual(
    delays(policy, 11),
    [200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 51_200, 60_000, 60_000],
  )
})

test('no delay is above the ceiling or below four fifths of its step', () => {
  fc.assert(
    fc.property(fc.nat(2000), fc.double({ min: 0, max: 1, noNaN: true }), (failures, chance) => {
      const delay = backoffDelayMs(failures, restartBackoff, () => chance)
      assert.ok(delay <= restartBackoff.ceilingMs && delay >= restartBackoff.firstMs * 0.8)
    }),
  )
})

test('five minutes of health make old failures forgotten', () => {
  const clock = new FakeClock()
  const policy = new RestartPolicy(clock, () => 0)
  delays(policy, 5)
  policy.started()
  clock.advance(healthyAfterMs)
  assert.deepEqual(delays(policy, 1), [50])
})

test('the first restart of one that served comes almost at once; one that never came up waits', () => {
  const policy = new RestartPolicy(new FakeClock(), () => 0)
  const delays: number[] = []
  for (let i = 0; i < 4; i++) {
    policy.started()
    const decision = policy.died()
    if (decision.action === 'restart') delays.push(decision.delayMs)
  }
  assert.deepEqual(delays, [50, 200, 400, 800])
  const other = new RestartPolicy(new FakeClock(), () => 0).failedToStart()
  assert.deepEqual(other, { action: 'restart', delayMs: 200, failures: 1 })
})

test('a minute of health does not', () => {
  const clock = new FakeClock()
  const policy = new RestartPolicy(clock, () => 0)
  delays(policy, 2)
  policy.started()
  clock.advance(60_000)
  assert.deepEqual(delays(policy, 1), [400])
})

test('the third failure to start within an hour gives up', () => {
  const policy = new RestartPolicy(new FakeClock(), () => 0)
  const actions = [1, 2, 3].map(() => policy.failedToStart().action)
  assert.deepEqual(actions, ['restart', 'restart', 'give-up'])
})

test('failures to start that are an hour apart never give up', () => {
  const clock = new FakeClock()
  const policy = new RestartPolicy(clock, () => 0)
  for (let i = 0; i < 6; i++) {
    assert.equal(policy.failedToStart().action, 'restart')
    clock.advance(startFailuresWindowMs / 2)
  }
})

test('failures that nobody can mend here never give up', () => {
  const policy = new RestartPolicy(new FakeClock(), () => 0)
  for (let i = 0; i < 20; i++) {
    assert.equal(policy.failedToStart({ counts: false }).action, 'restart')
  }
})
