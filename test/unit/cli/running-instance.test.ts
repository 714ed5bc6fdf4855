import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createTcpServer, type AddressInfo, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import type { CommandIo } from '../../../src/cli/command-io.ts'
import { findInstance, RunningInstance } from '../../../src/cli/running-instance.ts'
import { EdgebootError } from '../../../src/core/errors.ts'

function commandIo(cwd: string, env: Readonly<Record<string, string>> = {}): CommandIo {
  return { stdout() {}, stderr() {}, exit() {}, env, cwd }
}

function folderWith(t: TestContext, files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'edgeboot-test-'))
  t.after(() => rmSync(folder, { recursive: true }))
  mkdirSync(join(folder, 'conf'))
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
  return folder
}

async function listening(t: TestContext, server: Server): Promise<string> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

function serve(
  t: TestContext,
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<string> {
  const server = createServer(answer)
  t.after(() => server.closeAllConnections())
  return listening(t, server)
}

function withCode(code: string, pattern: RegExp): (thrown: unknown) => boolean {
  return (thrown) => {
    assert.ok(thrown instanceof EdgebootError)
    assert.equal(thrown.code, code)
    assert.match(`${thrown.message} ${thrown.fix}`, pattern)
    return true
  }
}

test('looks at the usual address when there is no configuration at the usual place', (t) => {
  const instance = findInstance({}, commandIo(folderWith(t, {})))
  assert.equal(instance.address, 'http://127.0.0.1:5888')
})

test('looks where the configuration lets it listen', (t) => {
  const web = (text: string): string => `mqtts: []\nrules: []\nfuncs: []\nweb: ${text}\n`
  const folder = folderWith(t, {
    'conf/config.yaml': web('{ port: 6001 }'),
    'all.yaml': web('{ host: 0.0.0.0, port: 6002, token: secret }'),
    'six.yaml': web('{ host: "::", port: 6003, token: secret }'),
  })
  const io = commandIo(folder)
  assert.equal(findInstance({}, io).address, 'http://127.0.0.1:6001')
  assert.equal(findInstance({ config: 'all.yaml' }, io).address, 'http://127.0.0.1:6002')
  assert.equal(findInstance({ config: 'six.yaml' }, io).address, 'http://[::1]:6003')
})

test('says so when the configuration gives no address', (t) => {
  const folder = folderWith(t, {
    'off.yaml': 'mqtts: []\nrules: []\nfuncs: []\nweb: { enabled: false }\n',
    'free.yaml': 'mqtts: []\nrules: []\nfuncs: []\nweb: { port: 0 }\n',
  })
  const io = commandIo(folder)
  const code = 'CLI_INSTANCE_UNREACHABLE'
  assert.throws(() => findInstance({ config: 'off.yaml' }, io), withCode(code, /turns .* off/))
  assert.throws(() => findInstance({ config: 'free.yaml' }, io), withCode(code, /port 0.*--url/))
})

test('refuses an address that is none, and repeats no password of it', (t) => {
  const io = commandIo(folderWith(t, {}))
  for (const url of ['', 'localhost:5888', 'mqtt://host', 'http://me:hunter2@host', 'hunter2']) {
    assert.throws(
      () => findInstance({ url }, io),
      (thrown: EdgebootError) => {
        assert.equal(thrown.code, 'CLI_USAGE')
        assert.doesNotMatch(thrown.message, /hunter2/)
        return true
      },
    )
  }
})

test('refuses a token that HTTP cannot carry, and does not repeat it', (t) => {
  const folder = folderWith(t, { token: 'hunter2\nhunter3', empty: '\n' })
  for (const tokenFile of ['token', 'empty', 'absent']) {
    assert.throws(
      () => findInstance({ tokenFile }, commandIo(folder)),
      (thrown: EdgebootError) => {
        assert.equal(thrown.code, 'CLI_USAGE')
        assert.doesNotMatch(thrown.message, /hunter/)
        return true
      },
    )
  }
  const io = commandIo(folder, { EDGEBOOT_TOKEN: 'hunter2\n' })
  assert.throws(() => findInstance({}, io), withCode('CLI_USAGE', /EDGEBOOT_TOKEN/))
})

test('asks with the token of the file, else of the environment, else of the configuration', async (t) => {
  const tokens: (string | undefined)[] = []
  const url = await serve(t, (request, response) => {
    tokens.push(request.headers.authorization)
    response.end('{}')
  })
  const { port } = new URL(url)
  const config = `mqtts: []\nrules: []\nfuncs: []\nweb: { port: ${port}, token: of-config }\n`
  const folder = folderWith(t, { 'conf/config.yaml': config, token: 'of-file\n' })
  const env = { EDGEBOOT_TOKEN: 'of-environment' }
  await findInstance({ tokenFile: 'token' }, commandIo(folder, env)).get('/')
  await findInstance({}, commandIo(folder, env)).get('/')
  await findInstance({}, commandIo(folder)).get('/')
  // What a configuration holds is not for whoever listens at some other address.
  await findInstance({ url }, commandIo(folder)).get('/')
  const sent = ['Bearer of-file', 'Bearer of-environment', 'Bearer of-config', undefined]
  assert.deepEqual(tokens, sent)
})

test('gets and posts JSON', async (t) => {
  const url = await serve(t, (request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const { method, url, headers } = request
      const body = Buffer.concat(chunks).toString()
      response.end(JSON.stringify([method, url, headers['content-type'] ?? '', body]))
    })
  })
  const instance = new RunningInstance(new URL(url), undefined)
  assert.deepEqual(await instance.get('/api/v1/a?b=c'), ['GET', '/api/v1/a?b=c', '', ''])
  const posted = ['POST', '/api/v1/a', 'application/json', '{"b":1}']
  assert.deepEqual(await instance.post('/api/v1/a', { b: 1 }), posted)
})

test('says where it looked when nobody listens there', async (t) => {
  const server = createTcpServer()
  const url = await listening(t, server)
  server.close()
  await once(server, 'close')
  const unreachable = withCode('CLI_INSTANCE_UNREACHABLE', /127\.0\.0\.1:\d+: nobody .*--url/)
  await assert.rejects(new RunningInstance(new URL(url), undefined).get('/'), unreachable)
})

test('knows what is no edgeboot', async (t) => {
  const code = 'CLI_INSTANCE_UNREACHABLE'
  const page = await serve(t, (_request, response) => void response.end('<html>'))
  const get = (url: string): Promise<unknown> =>
    new RunningInstance(new URL(url), 'hunter2').get('/')
  await assert.rejects(get(page), withCode(code, /not edgeboot/))
  const elsewhere = await serve(t, (_request, response) => {
    response.writeHead(302, { location: page }).end()
  })
  await assert.rejects(get(elsewhere), withCode(code, /not edgeboot/))
  const foreign = await serve(t, (_request, response) => response.writeHead(500).end('{"a":1}'))
  await assert.rejects(get(foreign), withCode(code, /not edgeboot/))
  const broker = await listening(
    t,
    createTcpServer((socket) => socket.end('\u0020\u0002\u0000\u0000')),
  )
  await assert.rejects(get(broker), withCode(code, /not speak HTTP|cut/))
})

test('passes on what the instance answers, and asks for the token where one is missing', async (t) => {
  const url = await serve(t, (request, response) => {
    const status = request.url === '/closed' ? 401 : 400
    response.writeHead(status).end('{"error":{"code":"BAD_REQUEST","message":"no \\u001b topic"}}')
  })
  const code = 'CLI_INSTANCE_REFUSED'
  const instance = new RunningInstance(new URL(url), undefined)
  await assert.rejects(instance.get('/x'), withCode(code, /answered 400 BAD_REQUEST: no {3}topic/))
  await assert.rejects(instance.get('/closed'), withCode(code, /asks for a token.*--token-file/))
  const wrong = new RunningInstance(new URL(url), 'hunter2')
  await assert.rejects(wrong.get('/closed'), withCode(code, /does not take this token/))
  await assert.rejects(wrong.get('/closed'), (thrown: Error) => !/hunter2/.test(thrown.message))
})
