import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { networkInterfaces } from 'node:os'
import { test, type TestContext } from 'node:test'
import { silentLogger } from '../../../src/core/log.ts'
import { EdgebootError } from '../../../src/core/errors.ts'
import {
  startFastifyServer,
  type WebServer,
  type WebServerOptions,
} from '../../../src/web/fastify-server.ts'
import { jsonReply, type Route } from '../../../src/web/route.ts'
import { freePort } from '../../../src/cli/chaos/local-broker.ts'
import { RecordedLog } from '../../support/recorded-log.ts'
import { ask } from './http-client.ts'

const routes: readonly Route[] = [
  { method: 'GET', path: '/open', public: true, handler: () => jsonReply({ open: true }) },
  { method: 'GET', path: '/closed', public: false, handler: () => jsonReply({ secret: 1 }) },
  {
    method: 'POST',
    path: '/echo/:name',
    public: false,
    handler: ({ params, query, body }) =>
      jsonReply({ params, q: query.get('q'), body: Buffer.from(body).toString('latin1') }),
  },
  {
    method: 'GET',
    path: '/fails',
    public: false,
    handler: () => Promise.reject(new Error('the database password is hunter2')),
  },
  {
    method: 'GET',
    path: '/fails-politely',
    public: false,
    handler() {
      throw new EdgebootError('MODEL_NOT_FOUND', 'There is no model "pump".')
    },
  },
  { method: 'GET', path: '/never', public: false, handler: () => new Promise(() => {}) },
]

async function serve(
  t: TestContext,
  options: Partial<WebServerOptions> = {},
): Promise<{ port: number; server: WebServer }> {
  const { port = 0, ...rest } = options
  const settings = { host: '127.0.0.1', port, routes, log: silentLogger, ...rest }
  const server = await startFastifyServer(settings)
  t.after(() => server.close())
  return { port: Number(new URL(server.address).port), server }
}

test('serves a route, with headers that leave nothing to a browser', async (t) => {
  const { port } = await serve(t)
  const { status, headers, text } = await ask(port, '/open')
  assert.equal(status, 200)
  assert.equal(text, '{"open":true}')
  assert.equal(headers['content-type'], 'application/json; charset=utf-8')
  assert.match(
    String(headers['content-security-policy']),
    /default-src 'none'.*frame-ancestors 'none'/,
  )
  assert.equal(headers['x-content-type-options'], 'nosniff')
  assert.equal(headers['cache-control'], 'no-store')
})

test('answers HEAD where it answers GET, without a body', async (t) => {
  const { port } = await serve(t)
  const { status, text } = await ask(port, '/open', { method: 'HEAD' })
  assert.equal(status, 200)
  assert.equal(text, '')
})

test('hands parameters, query and raw body to the handler', async (t) => {
  const { port } = await serve(t)
  const { text } = await ask(port, '/echo/%E6%B0%B4%E6%B3%B5?q=a%20b', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{not json',
  })
  assert.deepEqual(JSON.parse(text), { params: { name: '水泵' }, q: 'a b', body: '{not json' })
})

interface Failure {
  readonly error: { readonly code: string; readonly message: string }
}

function failure(text: string): Failure['error'] {
  return (JSON.parse(text) as Failure).error
}

test('answers 404 as JSON, with the same headers', async (t) => {
  const { port } = await serve(t)
  const { status, headers, text } = await ask(port, '/nothing<script>')
  assert.equal(status, 404)
  assert.equal(failure(text).code, 'NOT_FOUND')
  assert.equal(headers['x-content-type-options'], 'nosniff')
})

test('answers 405 with the methods that a path has', async (t) => {
  const { port } = await serve(t)
  for (const method of ['POST', 'DELETE', 'OPTIONS', 'PATCH']) {
    const { status, headers, text } = await ask(port, '/open', { method })
    assert.equal(status, 405, method)
    assert.equal(headers.allow, 'GET, HEAD')
    assert.equal(failure(text).code, 'METHOD_NOT_ALLOWED')
  }
})

test('answers 400 as JSON to a path that cannot be decoded', async (t) => {
  const { port } = await serve(t)
  const { status, headers, text } = await ask(port, '/echo/%zz')
  assert.equal(status, 400)
  assert.equal(failure(text).code, 'BAD_REQUEST')
  assert.equal(headers['x-content-type-options'], 'nosniff')
})

test('answers 400 as JSON to what is not HTTP', async (t) => {
  const { port } = await serve(t)
  const socket = connect(port, '127.0.0.1')
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  socket.end('\x16\x03\x01 hello\r\n\r\n')
  await once(socket, 'close')
  const [head, body] = Buffer.concat(chunks).toString().split('\r\n\r\n')
  assert.match(String(head), /^HTTP\/1\.1 400 /)
  assert.equal(failure(String(body)).code, 'BAD_REQUEST')
})

test('answers 413 to a body beyond the limit', async (t) => {
  const { port } = await serve(t)
  const body = 'x'.repeat(1024 * 1024 + 1)
  const { status, text } = await ask(port, '/echo/a', { method: 'POST', body })
  assert.equal(status, 413)
  assert.equal(failure(text).code, 'BODY_TOO_LARGE')
})

test('answers 431 to headers beyond the limit', async (t) => {
  const { port } = await serve(t)
  const { status, text } = await ask(port, '/open', { headers: { 'x-long': 'x'.repeat(20_000) } })
  assert.equal(status, 431)
  assert.equal(failure(text).code, 'HEADERS_TOO_LARGE')
})

test('answers 500 to a handler that fails, keeps the text to the log', async (t) => {
  const { logger: log, lines } = new RecordedLog()
  const { port } = await serve(t, { log })
  const { status, text } = await ask(port, '/fails')
  assert.equal(status, 500)
  assert.equal(failure(text).code, 'INTERNAL_UNEXPECTED')
  assert.equal(text.includes('hunter2'), false)
  assert.equal(lines.find(({ event }) => event === 'web.request.failed')?.fields['path'], '/fails')
})

test('answers an error of ours with its code and its text', async (t) => {
  const { port } = await serve(t)
  const { status, text } = await ask(port, '/fails-politely')
  assert.equal(status, 500)
  assert.deepEqual(failure(text), { code: 'MODEL_NOT_FOUND', message: 'There is no model "pump".' })
})

test('refuses a page that reached loopback under another name', async (t) => {
  const { port } = await serve(t)
  const { status, text } = await ask(port, '/open', { headers: { host: 'evil.example' } })
  assert.equal(status, 403)
  assert.equal(failure(text).code, 'HOST_NOT_ALLOWED')
  const mine = await ask(port, '/open', { headers: { host: `localhost:${port}` } })
  assert.equal(mine.status, 200)
})

test('refuses to listen where others reach it without a token', async () => {
  const options = { host: '0.0.0.0', port: 0, routes, log: silentLogger }
  await assert.rejects(startFastifyServer(options), { code: 'WEB_TOKEN_MISSING', exitCode: 3 })
  await assert.rejects(startFastifyServer({ ...options, token: '' }), { code: 'WEB_TOKEN_MISSING' })
})

test('asks for the token where others reach it, but for public routes', async (t) => {
  const { port } = await serve(t, { host: '0.0.0.0', token: 's3cret' })
  const without = await ask(port, '/closed')
  assert.equal(without.status, 401)
  assert.equal(failure(without.text).code, 'UNAUTHORIZED')
  assert.equal(without.headers['www-authenticate'], 'Bearer realm="edgeboot"')
  const wrong = await ask(port, '/closed', { headers: { authorization: 'Bearer s3creT' } })
  assert.equal(wrong.status, 401)
  const right = await ask(port, '/closed', { headers: { authorization: 'Bearer s3cret' } })
  assert.equal(right.text, '{"secret":1}')
  assert.equal((await ask(port, '/open')).status, 200)
  assert.equal((await ask(port, '/no-such-route')).status, 401, 'tells nobody what there is')
})

test('logs requests that are not public, without query and headers', async (t) => {
  const { logger: log, lines } = new RecordedLog()
  const { port } = await serve(t, { log, token: 's3cret' })
  await ask(port, '/open')
  const headers = { authorization: 'Bearer s3cret' }
  await ask(port, '/closed?token=s3cret', { headers })
  const logged = lines.filter(({ event }) => event === 'web.request')
  assert.equal(logged.length, 1)
  assert.equal(logged[0]?.level, 'debug')
  assert.equal(logged[0]?.fields['path'], '/closed')
  assert.equal(logged[0]?.fields['status'], 200)
  assert.equal(JSON.stringify(lines).includes('s3cret'), false)
})

test('a port in use is WEB_PORT_IN_USE and names host and port', async (t) => {
  const blocker = createServer().listen(0, '127.0.0.1')
  t.after(() => blocker.close())
  await once(blocker, 'listening')
  const { port } = blocker.address() as { port: number }
  const options = { host: '127.0.0.1', port, routes, log: silentLogger }
  await assert.rejects(startFastifyServer(options), {
    code: 'WEB_PORT_IN_USE',
    exitCode: 4,
    message: new RegExp(`127\\.0\\.0\\.1:${port}`),
  })
})

for (const host of ['192.0.2.1', 'no-such-host.invalid']) {
  test(`${host} is WEB_ADDRESS_INVALID`, async () => {
    const port = await freePort()
    const options = { host, port, token: 't', routes, log: silentLogger }
    await assert.rejects(startFastifyServer(options), {
      code: 'WEB_ADDRESS_INVALID',
      message: new RegExp(`${host}:${port}`),
    })
  })
}

test('closes with a request under way and a connection kept alive', async (t) => {
  const { port, server } = await serve(t)
  const idle = connect(port, '127.0.0.1')
  idle.write('GET /open HTTP/1.1\r\nhost: localhost\r\n\r\n')
  await once(idle, 'data')
  const busy = connect(port, '127.0.0.1')
  busy.on('error', () => {}) // a reset is as good an end as any
  busy.write('GET /never HTTP/1.1\r\nhost: localhost\r\n\r\n')
  await ask(port, '/open') // a round trip later, the server has read the request before it
  const gone = [idle, busy].map((socket) => new Promise((resolve) => socket.once('close', resolve)))
  await server.close()
  await Promise.all(gone)
  await assert.rejects(ask(port, '/open'), { code: 'ECONNREFUSED' })
  await server.close()
})

const loopbacks = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? [])
const noIpv6 = loopbacks.some(({ address }) => address === '::1')
  ? false
  : 'SKIPPED: this machine has no IPv6 loopback'

test('listens on the IPv6 loopback, with or without brackets', { skip: noIpv6 }, async (t) => {
  for (const host of ['::1', '[::1]']) {
    const { server } = await serve(t, { host })
    assert.match(server.address, /^http:\/\/\[::1\]:\d+$/)
    assert.equal((await fetch(`${server.address}/open`)).status, 200)
  }
})

test('what changes something is in the log at info, with who asked and what came of it', async (t) => {
  const log = new RecordedLog()
  const { port } = await serve(t, { log: log.logger })
  const headers = { 'user-agent': 'curl/8 '.padEnd(500, 'x') }
  await ask(port, '/echo/a?key=hidden', { method: 'POST', headers })
  await ask(port, '/echo/b', { method: 'POST', headers: { origin: 'https://evil.com' } })
  const lines = log.lines.filter(({ event }) => event === 'admin.request')
  assert.deepEqual(
    lines.map(({ level, fields }) => [level, fields['method'], fields['path'], fields['status']]),
    [
      ['info', 'POST', '/echo/a', 200],
      ['info', 'POST', '/echo/b', 403],
    ],
  )
  assert.equal(lines[0]?.fields['remote'], '127.0.0.1')
  assert.equal(String(lines[0]?.fields['agent']).length, 80)
  assert.ok(!log.text.includes('hidden'))
})

test('a POST to a path that nobody serves is no change', async (t) => {
  const log = new RecordedLog()
  const { port } = await serve(t, { log: log.logger })
  assert.equal((await ask(port, '/nothing', { method: 'POST' })).status, 404)
  assert.deepEqual(log.of('admin.request'), [])
})
