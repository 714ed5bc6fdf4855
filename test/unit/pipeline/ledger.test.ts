import assert from 'node:assert/strict'
import test from 'node:test'
import { addStats, closeBooks, emptyStats, Ledger } from '../../../src/pipeline/ledger.ts'
import type { PipelineStats } from '../../../src/pipeline/pipeline-stats.ts'
import { assertBalanced } from '../../support/pipeline-bench.ts'

const live = {
  preQueue: 1,
  inRunners: 1,
  postQueue: 1,
  deadLettersWaiting: 0,
  unacknowledged: 2,
  runnerRestarts: 0,
  runnerRecycles: 0,
  reconnects: 0,
}

/** A host that received `received`, put `spooled` of them on the disk and published the rest but for 3. */
function host(recovered: number, received: number, spooled: number): PipelineStats {
  const ledger = new Ledger()
  if (recovered > 0) ledger.recovered(recovered)
  for (let i = 0; i < received; i++) ledger.received(10, false)
  for (let i = 0; i < spooled; i++) ledger.spooled()
  for (let i = received - spooled - 3; i > 0; i--) ledger.published(5, 1)
  return ledger.snapshot(live)
}

test('what goes to the disk and leaves it keeps the books balanced at every step', () => {
  const ledger = new Ledger()
  const steps = [
    () => ledger.recovered(3),
    () => ledger.received(10, true),
    () => ledger.spooled(),
    () => ledger.forwarded(7),
    () => ledger.discarded('spool-expired', 2),
  ]
  for (const step of steps) {
    step()
    assertBalanced(ledger.snapshot(live))
  }
  const { recovered, redelivered, spooled, published, publishedBytes, dropped, inMotion } =
    ledger.snapshot(live)
  assert.deepEqual(
    { recovered, redelivered, spooled, published, publishedBytes, inMotion },
    { recovered: 3, redelivered: 1, spooled: 1, published: 1, publishedBytes: 7, inMotion: 0 },
  )
  assert.equal(dropped['spool-expired'], 2)
})

test('a result that was forwarded from the disk has no latency', () => {
  const ledger = new Ledger()
  ledger.recovered(1)
  ledger.forwarded(7)
  const { latency } = ledger.snapshot(live)
  assert.equal(
    latency.counts.reduce((sum, count) => sum + count, 0),
    0,
  )
})

test('closing the books counts what was in motion under the reason, and leaves the disk alone', () => {
  const closed = closeBooks(host(0, 10, 4), 'unacknowledged')
  assertBalanced(closed)
  assert.equal(closed.dropped.unacknowledged, 3)
  assert.deepEqual(
    [closed.inMotion, closed.preQueue, closed.inRunners, closed.postQueue, closed.unacknowledged],
    [0, 0, 0, 0, 0],
  )
  assert.equal(closed.spooled, 4)
})

test('what a host leaves on the disk is counted once over all hosts', () => {
  const first = closeBooks(host(0, 10, 4), 'crash')
  const both = addStats(first, host(4, 6, 1))
  assertBalanced(both)
  assert.equal(both.spooled, 5)
  assert.equal(both.recovered, 0, 'the first spool began empty')
  const all = addStats(closeBooks(both, 'crash'), host(5, 0, 0))
  assertBalanced(all)
  assert.equal(all.recovered, 0)
})

test('what a dying host did to its disk unheard shows in what is recovered', () => {
  // It had told of 4 on the disk; 6 are found: two of those in motion had got there.
  const first = closeBooks(host(0, 10, 4), 'crash')
  const more = addStats(first, host(6, 3, 0))
  assertBalanced(more)
  assert.equal(more.recovered, 2)
  // Or 1 is found: three had been forwarded.
  const fewer = addStats(first, host(1, 3, 0))
  assertBalanced(fewer)
  assert.equal(fewer.recovered, -3)
})

test('totals are added, what is live is of the last host', () => {
  const before = { ...emptyStats(), redelivered: 2, sessionsLost: 1, unacknowledged: 9 }
  const now = { ...emptyStats(), redelivered: 3, sessionsLost: 4, unacknowledged: 5 }
  const { redelivered, sessionsLost, unacknowledged } = addStats(before, now)
  assert.deepEqual(
    { redelivered, sessionsLost, unacknowledged },
    { redelivered: 5, sessionsLost: 5, unacknowledged: 5 },
  )
})
