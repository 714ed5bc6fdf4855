import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { LatencyHistogram, quantileMs } from '../../../src/pipeline/latency-histogram.ts'
import { latencyBoundsMs } from '../../../src/pipeline/pipeline-stats.ts'

const lastMs = latencyBoundsMs.at(-1)!

function recorded(durations: readonly number[]): LatencyHistogram {
  const histogram = new LatencyHistogram()
  for (const ms of durations) histogram.record(ms)
  return histogram
}

test('has one bucket more than bounds, and nothing in them at first', () => {
  const { counts, sumMs } = new LatencyHistogram().snapshot()
  assert.equal(counts.length, latencyBoundsMs.length + 1)
  assert.ok(counts.every((count) => count === 0))
  assert.equal(sumMs, 0)
})

test('counts a duration that equals a bound at that bound', () => {
  for (const [bucket, bound] of latencyBoundsMs.entries()) {
    assert.equal(recorded([bound]).snapshot().counts[bucket], 1, `${bound} ms`)
  }
})

test('counts what is beyond the last bound in the bucket after it', () => {
  const { counts, sumMs } = recorded([lastMs + 1]).snapshot()
  assert.equal(counts.at(-1), 1)
  assert.equal(sumMs, lastMs + 1)
})

for (const ms of [-5, Number.NaN, 0]) {
  test(`counts ${ms} ms as nothing at all`, () => {
    const { counts, sumMs } = recorded([ms]).snapshot()
    assert.equal(counts[0], 1)
    assert.equal(sumMs, 0)
  })
}

test('a snapshot does not change when more is recorded', () => {
  const histogram = recorded([1])
  const before = histogram.snapshot()
  histogram.record(1)
  assert.equal(
    before.counts.reduce((sum, count) => sum + count, 0),
    1,
  )
})

test('knows no quantile of nothing', () => {
  assert.equal(quantileMs(new LatencyHistogram().snapshot().counts, 0.5), undefined)
})

test('interpolates inside the bucket', () => {
  // All in the bucket from 10 to 14 ms: the middle one is taken to lie in the middle.
  const { counts } = recorded([11, 11, 11, 11]).snapshot()
  assert.equal(quantileMs(counts, 0.5), 12)
  assert.equal(quantileMs(counts, 1), 14)
  assert.equal(quantileMs(counts, 0), 10)
})

test('skips empty buckets between two full ones', () => {
  const { counts } = recorded([0.05, 100]).snapshot()
  assert.equal(quantileMs(counts, 0.5), 0.1)
  assert.ok(quantileMs(counts, 0.51)! > 70)
})

test('answers the last bound for what lies beyond it', () => {
  assert.equal(quantileMs(recorded([lastMs * 2]).snapshot().counts, 0.99), lastMs)
})

const durations = fc.array(fc.double({ min: 0, max: 200_000, noNaN: true }), { minLength: 1 })

test('counts every duration once, in the bucket whose bounds enclose it', () => {
  fc.assert(
    fc.property(durations, (list) => {
      const expected = latencyBoundsMs.map(
        (bound, i) =>
          list.filter((ms) => ms <= bound && (i === 0 || ms > latencyBoundsMs[i - 1]!)).length,
      )
      expected.push(list.filter((ms) => ms > lastMs).length)
      assert.deepEqual(recorded(list).snapshot().counts, expected)
    }),
  )
})

test('a quantile lies in the bucket of the event with that rank, and never falls as q grows', () => {
  const share = fc.double({ min: 0.001, max: 1, noNaN: true })
  fc.assert(
    fc.property(durations, share, share, (list, a, b) => {
      const { counts } = recorded(list).snapshot()
      const sorted = list.toSorted((x, y) => x - y)
      const exact = Math.min(sorted[Math.ceil(a * list.length) - 1]!, lastMs)
      const estimate = quantileMs(counts, a)!
      const upper = latencyBoundsMs.find((bound) => exact <= bound)!
      const lower = latencyBoundsMs.findLast((bound) => exact > bound) ?? 0
      assert.ok(estimate >= lower && estimate <= upper, `${estimate} for ${exact}`)
      assert.ok(quantileMs(counts, Math.min(a, b))! <= quantileMs(counts, Math.max(a, b))!)
    }),
  )
})
