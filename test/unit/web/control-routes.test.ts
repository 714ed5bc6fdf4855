import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ReloadAnswer, SystemControl, SystemView } from '../../../src/host/system-view.ts'
import { controlRoutes } from '../../../src/web/control-routes.ts'
import { fakeSystem } from './fake-system.ts'

/** Asks a route, over a control that answers this. */
async function ask(
  method: string,
  path: string,
  more: { answer?: ReloadAnswer; view?: SystemView; name?: string } = {},
): Promise<{ status: number; body: Record<string, unknown>; restarted: string[] }> {
  const restarted: string[] = []
  const control: SystemControl = {
    reload: () => Promise.resolve(more.answer ?? { kind: 'stopping' }),
    restart(name) {
      restarted.push(name)
      return name === 'there'
    },
    replay: () => ['a', 'b'],
    lookAtModel: () => [],
  }
  const route = controlRoutes(more.view ?? fakeSystem([]), control).find(
    (one) => one.method === method && one.path === path,
  )
  assert.ok(route && !route.public, 'it is there and needs the token')
  const params = more.name === undefined ? {} : { name: more.name }
  const request = { params, query: new URLSearchParams(), headers: {}, body: new Uint8Array() }
  const { status, body } = await route.handler(request)
  return { status, body: JSON.parse(String(body)) as Record<string, unknown>, restarted }
}

const plan = { changed: ['a'], added: [], removed: ['b'], needsRestart: ['web.port'] }

test('whoever asks for a replay is told which pipelines look for it', async () => {
  const { status, body } = await ask('POST', '/api/v1/dead-letters/replay')
  assert.deepEqual([status, body], [202, { accepted: true, pipelines: ['a', 'b'] }])
})

test('a reload that is accepted tells what it will change', async () => {
  const answer: ReloadAnswer = { kind: 'accepted', ...plan }
  const { status, body } = await ask('POST', '/api/v1/reload', { answer })
  assert.equal(status, 202)
  assert.deepEqual(body, { accepted: true, queued: false, ...plan })
})

test('a reload behind another one is queued', async () => {
  const { status, body } = await ask('POST', '/api/v1/reload', { answer: { kind: 'queued' } })
  assert.deepEqual([status, body], [202, { accepted: true, queued: true }])
})

test('a file with mistakes is answered with all of them', async () => {
  const reason = 'c.yaml has 1 mistake:\n  c.yaml:3:5: wrong (write right)'
  const answer: ReloadAnswer = { kind: 'refused', code: 'CONFIG_INVALID', reason }
  const { status, body } = await ask('POST', '/api/v1/reload', { answer })
  assert.equal(status, 422)
  assert.deepEqual(body, { error: { code: 'CONFIG_INVALID', message: reason } })
})

test('nothing is reloaded during a stop', async () => {
  assert.equal((await ask('POST', '/api/v1/reload')).status, 503)
})

test('a pipeline is restarted by its name, and one that is not there is 404', async () => {
  const path = '/api/v1/pipelines/:name/restart'
  const there = await ask('POST', path, { name: 'there' })
  assert.deepEqual([there.status, there.restarted], [202, ['there']])
  const missing = await ask('POST', path, { name: 'missing' })
  assert.equal(missing.status, 404)
  assert.match(JSON.stringify(missing.body), /NO_SUCH_PIPELINE/)
})

test('tells how the last reload ended', async () => {
  assert.equal((await ask('GET', '/api/v1/reload')).body['last'], null)
  const last = {
    by: 'SIGHUP',
    at: Date.UTC(2026, 0, 2),
    durationMs: 5,
    result: 'refused',
    reason: 'no such file',
    code: 'CONFIG_NOT_FOUND',
    unchanged: 2,
    replaced: [],
    added: [],
    removed: [],
    refused: [],
    needsRestart: [],
  } as const
  const reloads = { counts: { applied: 1, partial: 0, refused: 1 }, last }
  const { body } = await ask('GET', '/api/v1/reload', { view: fakeSystem([], {}, { reloads }) })
  assert.deepEqual(body, {
    counts: reloads.counts,
    last: { ...last, at: '2026-01-02T00:00:00.000Z' },
  })
})
