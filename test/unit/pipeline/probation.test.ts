import assert from 'node:assert/strict'
import test from 'node:test'
import type { ProbationSettings } from '../../../src/config/settings.ts'
import type { ModelRelease } from '../../../src/pipeline/model-release.ts'
import { Probation, type ProbationVerdict } from '../../../src/pipeline/probation.ts'
import type { Task } from '../../../src/pipeline/task.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { fakeRelease } from '../../support/fake-runner.ts'

class Bench {
  readonly clock = new FakeClock()
  readonly verdicts: ProbationVerdict[] = []
  readonly release = fakeRelease([], '2')
  readonly probation: Probation

  constructor(limits: ProbationSettings) {
    const decided = (verdict: ProbationVerdict): void => void this.verdicts.push(verdict)
    this.probation = new Probation({ limits, clock: this.clock, decided })
    this.probation.tookOver(this.release, true)
  }

  /** Answers that took this long. */
  answer(count: number, isError = false, tookMs = 0, release: ModelRelease = this.release): void {
    for (let i = 0; i < count; i++) {
      const origin = { receivedAtMs: this.clock.monotonic() - tookMs }
      this.probation.answered({ release, origin } as Task, isError)
    }
  }

  get verdict(): string {
    return this.verdicts.map(({ passed, reason }) => `${passed}: ${reason}`).join('\n')
  }
}

test('passes with its last message when no more failed than may', () => {
  const bench = new Bench({ messages: 100, errorRateMax: 0.02 })
  bench.answer(2, true)
  bench.answer(97)
  assert.equal(bench.verdict, '')
  bench.answer(1)
  assert.equal(bench.verdict, 'true: 2 errors in 100 messages')
  bench.answer(50, true)
  assert.equal(bench.verdicts.length, 1, 'it is over')
})

test('fails as soon as more failed than all messages together may', () => {
  const bench = new Bench({ messages: 1000, errorRateMax: 0.01 })
  bench.answer(10, true)
  assert.equal(bench.verdict, '')
  bench.answer(1, true)
  assert.match(bench.verdict, /^false: 11 errors in 11 messages, more than the error rate of 0.01/)
})

test('without a number of messages, a share of fewer than 100 says nothing before the end', () => {
  const bench = new Bench({ durationMs: 1000, errorRateMax: 0.01 })
  bench.answer(1, true)
  bench.answer(10)
  assert.equal(bench.verdict, '')
  bench.clock.advance(1000)
  assert.match(bench.verdict, /^false: 1 errors in 11 messages/)
})

test('without a number of messages, it fails at the second error of a hundred', () => {
  const bench = new Bench({ durationMs: 1000, errorRateMax: 0.01 })
  bench.answer(2, true)
  assert.match(bench.verdict, /^false: 2 errors in 2 messages/)
})

test('time without a message is no fault', () => {
  const bench = new Bench({ durationMs: 1000, errorRateMax: 0 })
  bench.clock.advance(1000)
  assert.equal(bench.verdict, 'true: 0 errors in 0 messages')
})

test('fails when more than one answer in a hundred is too slow', () => {
  const bench = new Bench({ messages: 200, p99MsMax: 50 })
  bench.clock.advance(1000)
  bench.answer(2, false, 51)
  bench.answer(100, false, 50)
  assert.equal(bench.verdict, '')
  bench.answer(1, false, 51)
  assert.equal(bench.verdict, 'false: 3 of 103 answers took longer than 50 ms, so p99 does')
})

test('what arrived before the take-over is not held against its speed', () => {
  const bench = new Bench({ messages: 10, p99MsMax: 50 })
  bench.answer(10, false, 5000)
  assert.equal(bench.verdict, 'true: 0 errors in 10 messages')
})

test('answers of the version before do not count', () => {
  const bench = new Bench({ messages: 10, errorRateMax: 0 })
  bench.answer(5, true, 0, fakeRelease([], '1'))
  assert.equal(bench.verdict, '')
})

test('fails when none of its runners is left, and only then', () => {
  const bench = new Bench({ messages: 10, errorRateMax: 0 })
  const state = { reason: 'it exited', engine: undefined, error: undefined }
  const { release } = bench
  bench.probation.poolChanged({ release, state: { ...state, status: 'ready' } })
  assert.equal(bench.verdict, '')
  bench.probation.poolChanged({ release, state: { ...state, status: 'backoff' } })
  assert.equal(bench.verdict, 'false: all of its runners were lost: it exited')
})

test('one that is expected begins with the first runner that serves', () => {
  const bench = new Bench({ durationMs: 1000, errorRateMax: 0 })
  bench.probation.end()
  bench.probation.expect()
  bench.clock.advance(5000)
  const state = { reason: '', engine: undefined, error: undefined }
  bench.probation.poolChanged({ release: bench.release, state: { ...state, status: 'ready' } })
  bench.clock.advance(999)
  assert.equal(bench.verdict, '')
  bench.clock.advance(1)
  assert.equal(bench.verdict, 'true: 0 errors in 0 messages')
})

test('another release that takes over without one ends it without a verdict', () => {
  const bench = new Bench({ durationMs: 1000, errorRateMax: 0 })
  bench.probation.tookOver(fakeRelease([], '3'), false)
  bench.answer(5, true)
  bench.clock.advance(1000)
  assert.equal(bench.verdict, '')
})
