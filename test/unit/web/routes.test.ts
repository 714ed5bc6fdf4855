import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLogger } from '../../../src/core/log.ts'
import type { SystemView } from '../../../src/host/system-view.ts'
import { dropReasons } from '../../../src/pipeline/pipeline-stats.ts'
import type { Reply } from '../../../src/web/route.ts'
import { buildRoutes } from '../../../src/web/routes.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { counts, fakeSystem, pipeline } from './fake-system.ts'

async function get(view: SystemView, path: string): Promise<Reply & { body: string }> {
  const routes = buildRoutes(view, new FakeClock(), silentLogger)
  const route = routes.find((one) => one.path === path)
  assert.ok(route, `no route ${path}`)
  const reply = await route.handler({
    params: {},
    query: new URLSearchParams(),
    headers: {},
    body: new Uint8Array(),
  })
  assert.equal(typeof reply.body, 'string')
  return reply as Reply & { body: string }
}

test('answers queue sizes byte for byte as pyboot does, in the order of the configuration', async () => {
  const view = fakeSystem(
    [pipeline({ name: 'sub_process_水泵_b_1' }), pipeline({ name: 'sub_process_a_0' })],
    {
      sub_process_a_0: counts({ preQueue: 3, postQueue: 4 }),
      sub_process_水泵_b_1: counts({ preQueue: 1, inRunners: 9 }),
    },
  )
  const { status, body } = await get(view, '/queue_size_metrics')
  assert.equal(status, 200)
  assert.equal(
    body,
    '{"queue_size_metrics":[{"sub_process_name":"sub_process_水泵_b_1","pre_queue":1,"post_queue":0},' +
      '{"sub_process_name":"sub_process_a_0","pre_queue":3,"post_queue":4}]}',
  )
})

test('answers an empty list of queue sizes when there are no pipelines', async () => {
  const { body } = await get(fakeSystem([]), '/queue_size_metrics')
  assert.equal(body, '{"queue_size_metrics":[]}')
})

test('counts a pipeline that has not told anything yet as empty queues', async () => {
  const { body } = await get(fakeSystem([pipeline({ name: 'a' })]), '/queue_size_metrics')
  assert.equal(
    body,
    '{"queue_size_metrics":[{"sub_process_name":"a","pre_queue":0,"post_queue":0}]}',
  )
})

test('is alive with 200 and dead with 503, saying why', async () => {
  const well = await get(fakeSystem([]), '/livez')
  assert.equal(well.status, 200)
  assert.equal(well.body, '{"alive":true,"reason":""}')
  const liveness = () => ({ alive: false, reason: 'no heartbeat for 90 s' })
  const ill = await get(fakeSystem([], {}, { liveness }), '/livez')
  assert.equal(ill.status, 503)
  assert.equal(ill.body, '{"alive":false,"reason":"no heartbeat for 90 s"}')
})

test('is ready when every pipeline is', async () => {
  const view = fakeSystem([pipeline({ name: 'a' }), pipeline({ name: 'b' })])
  const { status, body } = await get(view, '/readyz')
  assert.equal(status, 200)
  assert.equal((JSON.parse(body) as { ready: boolean }).ready, true)
})

test('is not ready when one pipeline is not, and says which and why', async () => {
  const view = fakeSystem([
    pipeline({ name: 'a' }),
    pipeline({ name: 'b', state: 'BACKOFF', reason: 'the broker is away' }),
  ])
  const { status, body } = await get(view, '/readyz')
  assert.equal(status, 503)
  const since = '2026-01-02T03:04:05.000Z'
  assert.deepEqual(JSON.parse(body), {
    ready: false,
    pipelines: [
      { name: 'a', state: 'READY', since, reason: '' },
      { name: 'b', state: 'BACKOFF', since, reason: 'the broker is away' },
    ],
  })
})

test('lists pipelines with their counts and quantiles', async () => {
  const latency = { counts: counts().latency.counts.with(0, 4), sumMs: 0.2 }
  const view = fakeSystem([pipeline({ name: 'a', pid: 42 })], {
    a: counts({ received: 5, latency }),
  })
  const { body } = await get(view, '/api/v1/pipelines')
  const answer = JSON.parse(body) as { version: string; pipelines: Record<string, unknown>[] }
  assert.equal(answer.version, '1.2.3')
  const [only] = answer.pipelines
  assert.equal(only?.['pid'], 42)
  assert.equal(only?.['since'], '2026-01-02T03:04:05.000Z')
  const stats = only?.['stats'] as Record<string, unknown>
  assert.equal(stats['received'], 5)
  assert.deepEqual(Object.keys(stats['dropped'] as object), [...dropReasons])
  assert.deepEqual(stats['latency'], { p50Ms: 0.05, p99Ms: 0.099 })
})

test('tells no quantile of a pipeline that has published nothing', async () => {
  const { body } = await get(fakeSystem([pipeline()]), '/api/v1/pipelines')
  assert.match(body, /"latency":\{"p50Ms":null,"p99Ms":null\}/)
})

test('leaves health, metrics and queue sizes public, and nothing else', () => {
  const routes = buildRoutes(fakeSystem([]), new FakeClock(), silentLogger)
  const open = routes.filter((route) => route.public).map((route) => route.path)
  assert.deepEqual(open.sort(), ['/livez', '/metrics', '/queue_size_metrics', '/readyz'])
})
