import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { splitLatency } from '../../../bench/swap-latency.ts'

const window = { from: 100, to: 200 }

describe('the latency of the swap bench', () => {
  for (const [where, publishedAt, answeredAt, during] of [
    ['before the window', 50, 99, false],
    ['into the window', 50, 101, true],
    ['within it', 120, 130, true],
    ['across it', 50, 250, true],
    ['out of it', 199, 300, true],
    ['after it', 201, 300, false],
  ] as const) {
    test(`counts a message on its way ${where} as ${during ? 'touched by the swap' : 'quiet'}`, () => {
      const split = splitLatency([{ publishedAt, answeredAt }], [window, { from: 900, to: 950 }])
      assert.equal(split.during.messages, during ? 1 : 0)
      assert.equal(split.quiet.messages, during ? 0 : 1)
      assert.equal((during ? split.during : split.quiet).maxMs, answeredAt - publishedAt)
    })
  }

  test('gives the nearest ranks, whatever the order in which results came', () => {
    const flights = Array.from({ length: 200 }, (_, i) => ({
      publishedAt: 1000,
      answeredAt: 1000 + (((i * 7) % 200) + 1),
    }))
    const { quiet } = splitLatency(flights, [window])
    assert.deepEqual(quiet, { messages: 200, p50Ms: 100, p99Ms: 198, maxMs: 200 })
  })
})
