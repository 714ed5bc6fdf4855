import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLogger } from '../../../src/core/log.ts'
import type { SystemView } from '../../../src/host/system-view.ts'
import { dropReasons, latencyBoundsMs } from '../../../src/pipeline/pipeline-stats.ts'
import { createMetrics } from '../../../src/web/metrics.ts'
import { StatsReader } from '../../../src/web/stats-reader.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { counts, fakeSystem, pipeline } from './fake-system.ts'

/** The lines of a scrape: series (name with labels) to value. */
async function scrape(view: SystemView): Promise<Map<string, number>> {
  const metrics = createMetrics(view, new StatsReader(view, new FakeClock(), silentLogger))
  const text = await metrics.text()
  const series = new Map<string, number>()
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue
    const at = line.lastIndexOf(' ')
    assert.equal(series.has(line.slice(0, at)), false, `twice: ${line}`)
    series.set(line.slice(0, at), Number(line.slice(at + 1)))
  }
  return series
}

const labels = 'pipeline="a",rule="r",model="m"'
const one = pipeline({ name: 'a', rule: 'r', model: 'm', restarts: 2 })

test('shows every count of a pipeline under its own name', async () => {
  const series = await scrape(
    fakeSystem([one], {
      a: counts({
        received: 1,
        receivedBytes: 2,
        published: 3,
        publishedBytes: 4,
        fannedOut: 5,
        retried: 6,
        preQueue: 7,
        postQueue: 8,
        inRunners: 9,
        runnerRestarts: 10,
        runnerRecycles: 12,
        reconnects: 11,
        redelivered: 13,
        sessionsLost: 14,
        inMotion: 15,
        unacknowledged: 16,
        spooled: 17,
        recovered: -18,
      }),
    }),
  )
  const expected: Record<string, number> = {
    messages_received_total: 1,
    received_bytes_total: 2,
    results_published_total: 3,
    published_bytes_total: 4,
    events_fanned_out_total: 5,
    events_retried_total: 6,
    pre_queue: 7,
    post_queue: 8,
    in_runners: 9,
    runner_restarts_total: 10,
    runner_recycles_total: 12,
    reconnects_total: 11,
    messages_redelivered_total: 13,
    sessions_lost_total: 14,
    in_motion: 15,
    unacknowledged: 16,
    spooled: 17,
    spool_recovered: -18,
    pipeline_restarts_total: 2,
  }
  for (const [name, value] of Object.entries(expected)) {
    assert.equal(series.get(`edgeboot_${name}{${labels}}`), value, name)
  }
  assert.equal(series.get('edgeboot_build_info{version="1.2.3"}'), 1)
})

test('shows every reason to drop, those that never came up as 0', async () => {
  const dropped = { ...counts().dropped, model: 12 }
  const series = await scrape(fakeSystem([one], { a: counts({ dropped }) }))
  for (const reason of dropReasons) {
    const value = series.get(`edgeboot_events_dropped_total{${labels},reason="${reason}"}`)
    assert.equal(value, reason === 'model' ? 12 : 0, reason)
  }
})

test('shows exactly one state as 1', async () => {
  const series = await scrape(fakeSystem([{ ...one, state: 'BACKOFF' }]))
  const states = [...series].filter(([name]) => name.startsWith('edgeboot_pipeline_state{'))
  assert.equal(states.length, 9)
  assert.deepEqual(
    states.filter(([, value]) => value === 1).map(([name]) => name),
    [`edgeboot_pipeline_state{${labels},state="BACKOFF"}`],
  )
})

test('shows latency as a histogram that adds up', async () => {
  const buckets = counts().latency.counts.with(0, 2).with(3, 1).with(latencyBoundsMs.length, 4)
  const latency = { counts: buckets, sumMs: 1500 }
  const series = await scrape(fakeSystem([one], { a: counts({ latency }) }))
  const at = (le: string): number | undefined =>
    series.get(`edgeboot_latency_seconds_bucket{${labels},le="${le}"}`)
  assert.equal(at('0.0001'), 2)
  assert.equal(at('0.0002'), 2)
  assert.equal(at('0.0003'), 3)
  assert.equal(at('60'), 3)
  assert.equal(at('+Inf'), 7)
  assert.equal(series.get(`edgeboot_latency_seconds_count{${labels}}`), 7)
  assert.equal(series.get(`edgeboot_latency_seconds_sum{${labels}}`), 1.5)
})

test('shows what has changed since the last scrape, without adding the two up', async () => {
  let received = 5
  const stats = (): ReturnType<SystemView['stats']> =>
    Promise.resolve(new Map([['a', counts({ received })]]))
  const view = fakeSystem([one], {}, { stats })
  const metrics = createMetrics(view, new StatsReader(view, new FakeClock(), silentLogger))
  assert.ok((await metrics.text()).includes(`received_total{${labels}} 5\n`))
  received = 8
  assert.ok((await metrics.text()).includes(`received_total{${labels}} 8\n`))
})

test('escapes names that would break the format, and leaves Chinese ones as they are', async () => {
  const name = 'sub_process_水泵_"q"_\\_\n_0'
  const series = await scrape(fakeSystem([{ ...one, name }]))
  const escaped = 'sub_process_水泵_\\"q\\"_\\\\_\\n_0'
  assert.equal(series.get(`edgeboot_pre_queue{pipeline="${escaped}",rule="r",model="m"}`), 0)
})

test('tells of its own process, everything with the prefix', async () => {
  const series = await scrape(fakeSystem([]))
  assert.ok((series.get('edgeboot_process_resident_memory_bytes') ?? 0) > 1e6)
  for (const name of series.keys()) assert.match(name, /^edgeboot_/)
  const lags = [...series.keys()].filter((name) => name.includes('eventloop_lag'))
  assert.deepEqual(lags, ['edgeboot_nodejs_eventloop_lag_seconds'])
})

test('announces each family once, with help and type', async () => {
  const view = fakeSystem([one, { ...one, name: 'b' }])
  const metrics = createMetrics(view, new StatsReader(view, new FakeClock(), silentLogger))
  const types: string[] = (await metrics.text()).match(/^# TYPE .*$/gm) ?? []
  assert.equal(new Set(types).size, types.length)
  assert.ok(types.includes('# TYPE edgeboot_latency_seconds histogram'))
  assert.ok(types.includes('# TYPE edgeboot_events_dropped_total counter'))
  assert.match(metrics.contentType, /^text\/plain; version=0\.0\.4/)
})

test('tells of another version of a model as long as there is something to tell', async () => {
  const update = { version: '2.0.0', state: 'rolled-back', reason: 'no', since: 0 } as const
  const series = await scrape(fakeSystem([{ ...one, update }]))
  assert.equal(
    series.get(`edgeboot_model_update{${labels},version="2.0.0",state="rolled-back"}`),
    1,
  )
  const names = [...(await scrape(fakeSystem([one]))).keys()]
  assert.ok(!names.some((name) => name.startsWith('edgeboot_model_update')))
})
