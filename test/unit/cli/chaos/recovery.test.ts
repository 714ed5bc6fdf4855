import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RecoveryClock } from '../../../../src/cli/chaos/recovery.ts'

test('a fault is over when each pipeline that it hit has answered what was sent after it', () => {
  const clock = new RecoveryClock()
  clock.faulted('kill main', [0, 1], 1000)
  clock.answered(0, 990, 1010) // sent before
  clock.answered(0, 1001, 1200)
  assert.deepEqual(clock.summary(), [])
  clock.answered(1, 1100, 1500)
  assert.deepEqual(clock.summary(), [{ fault: 'kill main', times: 1, medianMs: 500, worstMs: 500 }])
})

test('faults of one kind are summed up, and those that hit nobody are left out', () => {
  const clock = new RecoveryClock()
  clock.faulted('fill disk', [], 0)
  for (const [at, back] of [
    [0, 100],
    [1000, 1300],
    [2000, 2200],
  ] as const) {
    clock.faulted('kill host', [0], at)
    clock.answered(0, at + 1, back)
  }
  assert.deepEqual(clock.summary(), [{ fault: 'kill host', times: 3, medianMs: 200, worstMs: 300 }])
})
