import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { test, type TestContext } from 'node:test'
import { Boot } from '../../../src/boot/boot.ts'
import type { StarterContext } from '../../../src/boot/starter-context.ts'
import type { Settings, WebSettings } from '../../../src/config/settings.ts'
import { silentLogger } from '../../../src/core/log.ts'
import type { SystemView } from '../../../src/host/system-view.ts'
import { settingsKey, systemViewKey, webAddressKey } from '../../../src/starters/services.ts'
import { WebStarter } from '../../../src/starters/web-starter.ts'
import { recording } from '../boot/recording-starters.ts'
import { counts, fakeSystem, pipeline } from '../web/fake-system.ts'
import { ask } from '../web/http-client.ts'

interface Started {
  readonly boot: Boot
  readonly calls: string[]
  readonly context: () => StarterContext
}

function prepare(t: TestContext, web: Partial<WebSettings>, view: SystemView): Started {
  const calls: string[] = []
  let context: StarterContext | undefined
  const provider = recording(calls, {
    name: 'conf',
    init(given) {
      context = given
      const settings = { web: { enabled: true, host: '127.0.0.1', port: 0, ...web } }
      given.provide(settingsKey, settings as Settings)
      given.provide(systemViewKey, view)
    },
  })
  const boot = new Boot({ starters: [provider, new WebStarter()], log: silentLogger })
  t.after(() => boot.stop())
  return { boot, calls, context: () => context! }
}

function portOf(context: StarterContext): number {
  return Number(new URL(context.get(webAddressKey)).port)
}

test('serves the running system once it has started, and no longer after its stop', async (t) => {
  const view = fakeSystem([pipeline({ name: 'a' })], { a: counts({ preQueue: 2 }) })
  const { boot, context } = prepare(t, {}, view)
  await boot.start()
  const port = portOf(context())
  assert.equal(
    (await ask(port, '/queue_size_metrics')).text,
    '{"queue_size_metrics":[{"sub_process_name":"a","pre_queue":2,"post_queue":0}]}',
  )
  const page = await ask(port, '/')
  assert.equal(page.status, 200)
  assert.equal(page.headers['content-type'], 'text/html; charset=utf-8')
  assert.match(String(page.headers['content-security-policy']), /style-src 'sha256-/)
  assert.match((await ask(port, '/metrics')).text, /^edgeboot_pre_queue\{pipeline="a",.*\} 2$/m)
  for (const path of ['/livez', '/readyz', '/api/v1/pipelines']) {
    assert.equal((await ask(port, path)).status, 200, path)
  }
  await boot.stop()
  await assert.rejects(ask(port, '/livez'), { code: 'ECONNREFUSED' })
})

test('health answers at once while the counts do not come', async (t) => {
  const view = fakeSystem([pipeline({ name: 'a' })], {}, { stats: () => new Promise(() => {}) })
  const { boot, context } = prepare(t, {}, view)
  await boot.start()
  const port = portOf(context())
  const order: string[] = []
  const queues = ask(port, '/queue_size_metrics').then((answer) => {
    order.push('queues')
    return answer
  })
  assert.equal((await ask(port, '/livez')).status, 200)
  assert.equal((await ask(port, '/readyz')).status, 200)
  order.push('health')
  assert.match((await queues).text, /"pre_queue":0/)
  assert.deepEqual(order, ['health', 'queues'])
})

test('listens nowhere when it is not enabled', async (t) => {
  const { boot, context } = prepare(t, { enabled: false }, fakeSystem([]))
  assert.equal(await boot.start(), 'serving')
  assert.equal(context().find(webAddressKey), undefined)
})

test('a port in use refuses the start and stops what had started', async (t) => {
  const blocker = createServer().listen(0, '127.0.0.1')
  t.after(() => blocker.close())
  await once(blocker, 'listening')
  const { port } = blocker.address() as { port: number }
  const { boot, calls } = prepare(t, { port }, fakeSystem([]))
  await assert.rejects(boot.run(), { code: 'WEB_PORT_IN_USE', exitCode: 4 })
  assert.equal(calls.at(-1), 'conf.stop')
})
