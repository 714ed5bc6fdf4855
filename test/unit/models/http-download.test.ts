import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { test } from 'node:test'
import { systemClock, type Clock } from '../../../src/core/clock.ts'
import { EdgebootError } from '../../../src/core/errors.ts'
import { downloadFile, redirectsMax } from '../../../src/models/http-download.ts'
import { ModelServer } from '../../support/model-server.ts'
import { roomyLimits } from '../../support/roomy-limits.ts'
import { Scratch } from '../../support/scratch.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { freePort } from '../../../src/cli/chaos/local-broker.ts'
import { until } from '../../support/wait.ts'

interface Options {
  readonly limits?: Partial<typeof roomyLimits>
  readonly clock?: Clock
  readonly signal?: AbortSignal
  readonly onProgress?: (bytes: number, total: number | undefined) => void
}

async function download(scratch: Scratch, address: string, options: Options = {}) {
  const { limits, ...others } = options
  return await downloadFile(address, scratch.path('file.zip'), {
    fetch: globalThis.fetch,
    clock: systemClock,
    ...others,
    limits: { ...roomyLimits, ...limits },
  })
}

/** The error of a download that must fail. */
async function failure(address: string, options: Options = {}): Promise<EdgebootError> {
  await using scratch = await Scratch.make()
  const outcome: unknown = await download(scratch, address, options).catch(
    (thrown: unknown) => thrown,
  )
  assert.ok(outcome instanceof EdgebootError, String(outcome))
  return outcome
}

const body = Buffer.alloc(300_000, 'model bytes ')

test('saves a file, hashes it on the way and tells how far it is', async () => {
  await using scratch = await Scratch.make()
  await using server = await ModelServer.start()
  server.routes.set('/a.zip', body)
  const progress: (number | undefined)[][] = []
  const digests = await download(scratch, server.url('/a.zip'), {
    onProgress: (bytes, total) => progress.push([bytes, total]),
  })
  assert.deepEqual(digests, {
    bytes: body.length,
    resumedAt: 0,
    md5: createHash('md5').update(body).digest('hex'),
    sha256: createHash('sha256').update(body).digest('hex'),
  })
  assert.ok(body.equals(await readFile(scratch.path('file.zip'))))
  assert.deepEqual(progress.at(-1), [body.length, body.length])
})

test('takes a body whose size is not announced', async () => {
  await using scratch = await Scratch.make()
  await using server = await ModelServer.start()
  server.routes.set('/a.zip', (_request, response) => {
    response.writeHead(200)
    response.write(body)
    response.end()
  })
  const totals = new Set<number | undefined>()
  const digests = await download(scratch, server.url('/a.zip'), {
    onProgress: (_bytes, total) => totals.add(total),
  })
  assert.equal(digests.bytes, body.length)
  assert.deepEqual([...totals], [undefined])
})

test('sends user and password to the server and never shows them', async () => {
  await using scratch = await Scratch.make()
  await using server = await ModelServer.start()
  server.routes.set('/a.zip?token=hush', body)
  await download(scratch, server.url('/a.zip?token=hush', 'me:p%40ss@'))
  const basic = `Basic ${Buffer.from('me:p@ss').toString('base64')}`
  assert.deepEqual(server.authorizations, [basic])
  const error = await failure(server.url('/b.zip?token=hush', 'me:p%40ss@'))
  assert.equal(error.details.where, server.url('/b.zip'))
  assert.doesNotMatch(
    JSON.stringify([error.message, error.details, String(error.cause)]),
    /p%40ss|p@ss|hush/,
  )
})

test('sends a password with a bare percent sign as it is', async () => {
  await using scratch = await Scratch.make()
  await using server = await ModelServer.start()
  server.routes.set('/a.zip', body)
  await download(scratch, server.url('/a.zip', 'me:100%@'))
  assert.deepEqual(server.authorizations, [`Basic ${Buffer.from('me:100%').toString('base64')}`])
})

test('refuses an address for good that the server refuses', async () => {
  await using server = await ModelServer.start()
  server.routes.set('/none', (_request, response) => response.writeHead(204).end())
  const missing = await failure(server.url('/missing.zip'))
  assert.equal(missing.code, 'MODEL_DOWNLOAD_REFUSED')
  assert.equal(missing.message, `${server.url('/missing.zip')} answered 404 Not Found`)
  assert.equal(missing.details['status'], 404)
  assert.equal((await failure(server.url('/none'))).code, 'MODEL_DOWNLOAD_REFUSED')
})

test('calls an answer retryable when the server may recover', async () => {
  await using server = await ModelServer.start()
  for (const status of [500, 503, 429, 408]) {
    server.routes.set('/a.zip', (_request, response) => response.writeHead(status).end())
    const error = await failure(server.url('/a.zip'))
    assert.equal(error.code, 'MODEL_DOWNLOAD_FAILED')
    assert.equal(error.retryable, true)
    assert.match(error.message, new RegExp(`answered ${status}`))
  }
})

test('follows redirects, and leaves the password at home', async () => {
  await using scratch = await Scratch.make()
  await using server = await ModelServer.start()
  await using other = await ModelServer.start()
  server.routes.set('/a.zip', (_request, response) => {
    response.writeHead(302, { location: '/b.zip' }).end()
  })
  server.routes.set('/b.zip', (_request, response) => {
    response.writeHead(307, { location: other.url('/c.zip') }).end()
  })
  other.routes.set('/c.zip', body)
  const digests = await download(scratch, server.url('/a.zip', 'me:secret@'))
  assert.equal(digests.bytes, body.length)
  assert.equal(server.authorizations.filter((header) => header !== undefined).length, 2)
  assert.deepEqual(other.authorizations, [undefined])
})

test('gives up on a circle of redirects', async () => {
  await using server = await ModelServer.start()
  server.routes.set('/a.zip', (_request, response) => {
    response.writeHead(302, { location: '/a.zip' }).end()
  })
  const error = await failure(server.url('/a.zip'))
  assert.equal(error.code, 'MODEL_DOWNLOAD_REFUSED')
  assert.match(error.message, /redirects more than 5 times/)
  assert.equal(server.requests.length, redirectsMax + 1)
})

test('refuses redirects that leave the web', async () => {
  await using server = await ModelServer.start()
  server.routes.set('/a.zip', (_request, response) => {
    response.writeHead(302, { location: 'file:///etc/passwd' }).end()
  })
  assert.match((await failure(server.url('/a.zip'))).message, /not http\(s\)/)
})

test('refuses a redirect from https to plain http', async () => {
  const answer = new Response(null, { status: 302, headers: { location: 'http://host/a.zip' } })
  await using scratch = await Scratch.make()
  const fetched = downloadFile('https://host/a.zip', scratch.path('file.zip'), {
    fetch: () => Promise.resolve(answer),
    clock: systemClock,
    limits: roomyLimits,
  })
  await assert.rejects(fetched, { code: 'MODEL_DOWNLOAD_REFUSED', message: /to plain http/ })
})

test('notices a body that ends before its announced size', async () => {
  await using server = await ModelServer.start()
  server.routes.set('/a.zip', (_request, response) => {
    response.writeHead(200, { 'content-length': body.length + 10 })
    response.write(body, () => response.destroy())
  })
  const error = await failure(server.url('/a.zip'))
  assert.equal(error.code, 'MODEL_DOWNLOAD_FAILED')
  assert.match(error.message, /closed the connection before the end/)
})

test('notices a short body also when fetch does not', async () => {
  await using scratch = await Scratch.make()
  const answer = new Response('short', { headers: { 'content-length': '10' } })
  const fetched = downloadFile('http://host/a.zip', scratch.path('file.zip'), {
    fetch: () => Promise.resolve(answer),
    clock: systemClock,
    limits: roomyLimits,
  })
  await assert.rejects(fetched, {
    code: 'MODEL_DOWNLOAD_FAILED',
    message: 'the body of http://host/a.zip ended after 5 of 10 bytes',
  })
})

test('refuses an announced size above the limit without reading on', async () => {
  await using server = await ModelServer.start()
  server.routes.set('/a.zip', body)
  const error = await failure(server.url('/a.zip'), { limits: { packageBytesMax: 1000 } })
  assert.equal(error.code, 'MODEL_PACKAGE_TOO_LARGE')
  assert.match(error.message, /\(300000 bytes\) than models.limits.packageBytesMax, 1000 bytes/)
})

test('cuts off a body without end at the limit', async () => {
  await using server = await ModelServer.start()
  server.routes.set('/a.zip', (_request, response) => {
    const more = (): void => {
      if (!response.destroyed) response.write(body, more)
    }
    more()
  })
  const error = await failure(server.url('/a.zip'), { limits: { packageBytesMax: 1_000_000 } })
  assert.equal(error.code, 'MODEL_PACKAGE_TOO_LARGE')
})

test('gives up on a server that sends nothing for the idle time', async () => {
  await using server = await ModelServer.start()
  server.routes.set('/a.zip', (_request, response) => {
    response.writeHead(200, { 'content-length': 100 })
    response.write('some')
  })
  const clock = new FakeClock()
  const some = Promise.withResolvers<void>()
  const failing = failure(server.url('/a.zip'), { clock, onProgress: () => some.resolve() })
  await some.promise
  clock.advance(roomyLimits.idleMs)
  const error = await failing
  assert.equal(error.code, 'MODEL_DOWNLOAD_FAILED')
  assert.match(error.message, /sent nothing for models.limits.idleTimeout, 30000 ms/)
  assert.equal(clock.timers, 0)
})

test('gives up on a server that accepts and never answers', async () => {
  await using server = await ModelServer.start()
  server.routes.set('/a.zip', () => {})
  const clock = new FakeClock()
  const failing = failure(server.url('/a.zip'), { clock })
  await server.requested()
  clock.advance(roomyLimits.idleMs)
  assert.match((await failing).message, /idleTimeout/)
})

test('gives up on a download that drips for longer than the total time', async () => {
  await using server = await ModelServer.start()
  let drip = (): void => {}
  server.routes.set('/a.zip', (_request, response) => {
    response.writeHead(200, { 'content-length': 100 })
    drip = () => response.write('x')
    drip()
  })
  const clock = new FakeClock()
  const limits = { idleMs: 1000, totalMs: 2500 }
  let bytes = 0
  const failing = failure(server.url('/a.zip'), { clock, limits, onProgress: (n) => (bytes = n) })
  for (let expected = 1; expected <= 3; expected++) {
    await until(`byte ${expected}`, () => bytes === expected)
    clock.advance(900)
    drip()
  }
  assert.match((await failing).message, /longer than models.limits.totalTimeout, 2500 ms/)
})

test('says why a server cannot be reached', async () => {
  const address = `http://127.0.0.1:${await freePort()}/a.zip`
  const error = await failure(address)
  assert.equal(error.code, 'MODEL_DOWNLOAD_FAILED')
  assert.equal(error.message, `cannot fetch ${address}: nothing listens there (ECONNREFUSED)`)
})

test('calls something that is no web server a failure', async () => {
  const server = createServer((socket) => socket.end('SSH-2.0-OpenSSH\r\n'))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address() as { port: number }
  const error = await failure(`http://127.0.0.1:${address.port}/a.zip`)
  assert.equal(error.code, 'MODEL_DOWNLOAD_FAILED')
  server.close()
})

test('refuses an address that is none, and shows nothing of it', async () => {
  const error = await failure('http://me:secret@host:99999/a.zip')
  assert.equal(error.code, 'MODEL_DOWNLOAD_REFUSED')
  assert.doesNotMatch(`${error.message} ${JSON.stringify(error.details)}`, /secret/)
})

test('stops with the reason of the signal', async () => {
  await using scratch = await Scratch.make()
  await using server = await ModelServer.start()
  server.routes.set('/a.zip', () => {})
  const controller = new AbortController()
  const fetched = download(scratch, server.url('/a.zip'), { signal: controller.signal })
  await server.requested()
  controller.abort(new Error('shutting down'))
  await assert.rejects(fetched, /shutting down/)
})
