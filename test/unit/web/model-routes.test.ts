import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ModelControl, VersionAnswer } from '../../../src/host/model-control.ts'
import { modelRoutes } from '../../../src/web/model-routes.ts'

const version = { sha256: 'ab'.repeat(32), version: '1.4.0' }
const accepted: VersionAnswer = { kind: 'accepted', version, pipelines: ['p'] }

async function ask(
  path: 'activate' | 'rollback',
  body: string,
  answer: VersionAnswer = accepted,
): Promise<{ status: number; body: Record<string, unknown>; asked: unknown[] }> {
  const asked: unknown[] = []
  const note =
    (what: string) =>
    (...args: unknown[]): Promise<VersionAnswer> => {
      asked.push(what, ...args)
      return Promise.resolve(answer)
    }
  const control: ModelControl = {
    activate: note('activate'),
    unpin: note('unpin'),
    rollback: note('rollback'),
  }
  const route = modelRoutes(control).find((one) => one.path.endsWith(path))
  assert.ok(route?.method === 'POST' && !route.public, 'it changes something and needs the token')
  const reply = await route.handler({
    params: { name: 'thr' },
    query: new URLSearchParams(),
    headers: {},
    body: Buffer.from(body),
  })
  return { status: reply.status, body: JSON.parse(String(reply.body)) as never, asked }
}

test('an activation is accepted with the version and the pipelines that are seen to', async () => {
  const { status, body, asked } = await ask('activate', '{"version":"1.4.0"}')
  assert.deepEqual(asked, ['activate', 'thr', '1.4.0'])
  assert.equal(status, 202)
  assert.deepEqual(body, { accepted: true, model: 'thr', ...version, pipelines: ['p'] })
})

test('null unpins', async () => {
  const answer: VersionAnswer = { kind: 'accepted', pipelines: [] }
  const { body, asked } = await ask('activate', '{"version":null}', answer)
  assert.deepEqual(asked, ['unpin', 'thr'])
  assert.deepEqual(body, { accepted: true, model: 'thr', pipelines: [] })
})

test('a body that names no version is refused before anything is asked', async () => {
  for (const text of [
    '',
    '{}',
    '[]',
    'nonsense',
    '{"version":1}',
    `{"version":"${'a'.repeat(5000)}"}`,
  ]) {
    const { status, asked } = await ask('activate', text)
    assert.deepEqual([status, asked], [400, []])
  }
})

test('a rollback takes a reason, and does without', async () => {
  assert.deepEqual((await ask('rollback', '{"reason":"alarms"}')).asked, [
    'rollback',
    'thr',
    'alarms',
  ])
  assert.deepEqual((await ask('rollback', '')).asked, ['rollback', 'thr', undefined])
})

test('a version that the store does not have is 404, with what to do', async () => {
  const { status, body } = await ask('activate', '{"version":"9"}', {
    kind: 'refused',
    code: 'MODEL_VERSION_UNKNOWN',
    reason: 'no version "9"',
    fix: 'Take 1.4.0.',
  })
  assert.equal(status, 404)
  assert.deepEqual(body, {
    error: { code: 'MODEL_VERSION_UNKNOWN', message: 'no version "9". Take 1.4.0.' },
  })
})
