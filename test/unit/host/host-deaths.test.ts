/** What a supervisor makes of the records that a dead host has left. */
import assert from 'node:assert/strict'
import test from 'node:test'
import type { HostRecord } from '../../../src/host/recorder/host-record.ts'
import { bookNames, readBooks } from '../../../src/pipeline/books.ts'
import { emptyStats } from '../../../src/pipeline/ledger.ts'
import { assertBalanced } from '../../support/pipeline-bench.ts'
import { pipelineSettings } from '../../support/pipeline-settings.ts'
import { SupervisorBench } from '../../support/supervisor-bench.ts'

type Death = HostRecord['death']

const innocent: Death = {
  wasSuspect: false,
  othersWait: false,
  isBlamed: false,
  hasAnswered: true,
}
const trial: Death = { ...innocent, wasSuspect: true }
const verdict: Death = { ...trial, isBlamed: true }

function recordOf(counts: Readonly<Record<string, number>>, death = innocent): HostRecord {
  return { books: readBooks(new Map(Object.entries(counts))), hasServed: true, death }
}

async function recordedBench(): Promise<SupervisorBench> {
  const settings = pipelineSettings()
  const bench = new SupervisorBench({
    ...settings,
    source: { ...settings.source, qos: 1 },
    recorder: { file: '/state/recorder/a.rec' },
  })
  await bench.start()
  return bench
}

/** @returns The delay before the next host. */
function dieOf(bench: SupervisorBench, death: Death): number {
  bench.host.ready()
  bench.records.set(bench.host.pid, recordOf({}, death))
  bench.host.kill('SIGKILL')
  const delay = /next attempt in ([\d.]+) s/.exec(bench.supervisor.status.reason)?.[1]
  bench.clock.advance(Number(delay) * 1000)
  return Number(delay)
}

test('the last counts of a host that was killed are those on record, not those it told of', async () => {
  const bench = await recordedBench()
  bench.host.ready()
  bench.host.say({
    type: 'stats',
    stats: { ...emptyStats(), received: 5, published: 3, inMotion: 2 },
  })
  bench.records.set(bench.host.pid, recordOf({ received: 100, published: 90, 'dropped.empty': 6 }))
  bench.host.kill('SIGKILL')
  const stats = await bench.supervisor.stats()
  assert.deepEqual([stats.received, stats.published, stats.dropped.empty], [100, 90, 6])
  assert.equal(stats.dropped.unacknowledged, 4)
  assertBalanced(stats)
})

test('they are those it told of when nothing is on record', async () => {
  const bench = await recordedBench()
  bench.host.ready()
  bench.host.say({
    type: 'stats',
    stats: { ...emptyStats(), received: 5, published: 3, inMotion: 2 },
  })
  bench.host.kill('SIGKILL')
  const stats = await bench.supervisor.stats()
  assert.deepEqual([stats.received, stats.published, stats.dropped.unacknowledged], [5, 3, 2])
})

test('the search for a message that ends its host does not slow the pipeline down', async () => {
  const bench = await recordedBench()
  const delays: number[] = []
  for (let minute = 0; minute < 10; minute++) {
    for (const death of [innocent, trial, trial, trial, verdict]) delays.push(dieOf(bench, death))
  }
  assert.deepEqual([...new Set(delays)], [0.1])
})

test('hosts that answer nothing have to wait longer with every verdict, not with every death', async () => {
  const bench = await recordedBench()
  const deaths = [innocent, trial, trial, verdict, innocent, trial]
  const delays = deaths.map((death) => dieOf(bench, { ...death, hasAnswered: false }))
  assert.deepEqual(delays, [0.1, 0.1, 0.1, 0.2, 0.4, 0.4])
})

test('a host that died of its first message, before it was heard, has not failed to start', async () => {
  const bench = await recordedBench()
  for (let times = 0; times < 4; times++) {
    bench.records.set(bench.host.pid, recordOf({}, { ...trial, hasAnswered: false }))
    bench.host.kill('SIGKILL')
    assert.equal(bench.supervisor.status.state, 'BACKOFF')
    bench.clock.advance(6400)
  }
  assert.equal(bench.hosts.length, 5)
})

test('every count of the books has a name of its own', () => {
  assert.equal(new Set(bookNames).size, bookNames.length)
})
