/** A real host process, driven as the supervisor drives it. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { systemClock } from '../../../src/core/clock.ts'
import type { EdgebootError } from '../../../src/core/errors.ts'
import {
  channelDescriptor,
  fromHost,
  toHost,
  type FromHost,
} from '../../../src/host/host-messages.ts'
import { hostStarter, type HostProcess } from '../../../src/host/host-process.ts'
import type { ModelPackage } from '../../../src/models/model-package.ts'
import { encodeJsonFrame } from '../../../src/runtime/frame.ts'
import { freePort } from '../../../src/cli/chaos/local-broker.ts'
import { brokerSettings } from '../../support/broker-settings.ts'
import { pipelineSettings } from '../../support/pipeline-settings.ts'
import { until } from '../../support/wait.ts'
import { Workbench } from '../../support/workbench.ts'

let bench: Workbench
let host: HostProcess
let heard: FromHost[]
let printed: string[]
let disconnected: boolean
let broken: EdgebootError[]
let exit: { code: number | null; signal: string | null } | undefined

beforeEach(async () => {
  bench = await Workbench.open()
  heard = []
  printed = []
  disconnected = false
  broken = []
  exit = undefined
  host = hostStarter(systemClock)(
    'sub_process_b1_echo_0',
    { PATH: '/usr/bin:/bin' },
    {
      message: (message) => heard.push(message),
      disconnected: () => (disconnected = true),
      printed: (_level, { line }) => printed.push(line as string),
      broke: (error) => broken.push(error),
      exited: (code, signal) => (exit = { code, signal }),
    },
  )
})
afterEach(async () => {
  if (exit === undefined) host.kill('SIGKILL')
  await until('the host to be gone', () => exit)
  await bench.close()
})

/** Starts a pipeline whose broker is away, with an inline model. */
async function start(source: string, { standby = false } = {}): Promise<void> {
  const entryFile = await bench.write('models/echo/index.mjs', source)
  const folder = join(bench.folder, 'models/echo')
  const model: ModelPackage = {
    name: 'echo',
    version: 'folder',
    runtime: 'javascript',
    format: 'module',
    folder,
    entryFile,
    modelsFolder: join(bench.folder, 'models'),
  }
  const broker = brokerSettings(`mqtt://127.0.0.1:${await freePort()}`)
  const settings = pipelineSettings({ workers: 0 })
  host.send({
    type: 'start',
    pipeline: {
      ...settings,
      source: { ...settings.source, broker },
      sink: { ...settings.sink, broker },
    },
    model,
    judge: false,
    onProbation: false,
    runnerEnvironment: {},
    logLevel: 'info',
    standby,
  })
}

const stateNamed = (state: string): FromHost | undefined =>
  heard.find((message) => message.type === 'state' && message.state === state)

test('a host tells its state with the reason, answers for its counts, and leaves when asked', async () => {
  await start('export const handler = (event) => event')
  const state = await until('the state', () => stateNamed('BACKOFF'))
  assert.match(JSON.stringify(state), /nothing listens there/)
  host.send({ type: 'stats', requestId: 7 })
  const isAnswer = (message: FromHost): boolean =>
    message.type === 'stats' && message.requestId === 7
  await until('the counts', () => heard.some(isAnswer))
  host.send({ type: 'stop', drainMs: 1000 })
  await until('its exit', () => exit)
  assert.deepEqual(exit, { code: 0, signal: null })
  assert.equal(heard.at(-1)?.type, 'stats', 'the last counts come last')
})

test('a host has the environment that it was given and nothing of its parent, and the name of its pipeline', async () => {
  // An inline model sees what its host sees; /proc would not do, since a title overwrites it.
  await start(
    'console.log(Object.keys(process.env).join())\nexport const handler = (event) => event',
  )
  await until('the state', () => stateNamed('BACKOFF'))
  const names = (await until('the names', () => printed[0])).split(',')
  // Node adds this while coverage is measured.
  const own = names.filter((name) => name !== 'NODE_V8_COVERAGE')
  assert.deepEqual(own, ['PATH'])
  assert.match(readFileSync(`/proc/${host.pid}/cmdline`, 'utf8'), /^sub_process_b1_echo_0/)
})

test('SIGTERM alone makes a host leave in order', async () => {
  await start('export const handler = (event) => event')
  await until('the state', () => stateNamed('BACKOFF'))
  host.kill('SIGTERM')
  await until('its exit', () => exit)
  assert.deepEqual(exit, { code: 0, signal: null })
})

test('that a model closed the descriptors of its host shows at once', async () => {
  const closing =
    'setTimeout(() => [0, 1, 2, 3].forEach((descriptor) => closeSync(descriptor)), 100)'
  await start(
    `import { closeSync } from 'node:fs'\n${closing}\nexport const handler = (event) => event`,
  )
  await until('the end of the channel', () => disconnected)
})

test('an inline model that brings its host down is heard to the last', async () => {
  await start(
    'console.log("loaded")\n' +
      'setTimeout(() => { throw new RangeError("too much") }, 50)\n' +
      'export const handler = (event) => event',
  )
  await until('its exit', () => exit)
  assert.deepEqual(exit, { code: 1, signal: null })
  const failed = heard.find(({ type }) => type === 'failed')
  assert.match(JSON.stringify(failed), /too much/)
  assert.ok(printed.includes('loaded'))
  assert.match(host.lastLines.join('\n'), /RangeError|too much/)
})

test('a host that stands by loads its model and connects only when it is told to go', async () => {
  await start('export const handler = (event) => event', { standby: true })
  const isLoaded = (message: FromHost): boolean => message.type === 'state' && !!message.engine
  await until('the model', () => heard.find(isLoaded))
  assert.equal(stateNamed('BACKOFF'), undefined, 'it has tried no broker')
  host.send({ type: 'go' })
  assert.match(JSON.stringify(await until('a try', () => stateNamed('BACKOFF'))), /nothing listens/)
})

test('a host that stands by leaves when it is told to, having connected to nothing', async () => {
  await start('export const handler = (event) => event', { standby: true })
  host.send({ type: 'stop', drainMs: 0 })
  await until('its exit', () => exit)
  assert.deepEqual(exit, { code: 0, signal: null })
  assert.equal(stateNamed('BACKOFF'), undefined)
})

/** A model that writes to the channel of its host when it is loaded, after the host has said so. */
async function startWriting(...bytes: readonly Uint8Array[]): Promise<void> {
  const base64 = Buffer.concat(bytes).toString('base64')
  const write = `writeSync(${channelDescriptor}, Buffer.from('${base64}', 'base64'))`
  await start(
    `import { writeSync } from 'node:fs'\nsetTimeout(() => ${write}, 100)\n` +
      'export const handler = (event) => event',
    { standby: true },
  )
}

const frame = (message: unknown): Buffer => encodeJsonFrame(fromHost.type, message)
const header = (length: number): Buffer => {
  const bytes = Buffer.from([0, 0, 0, 0, fromHost.type])
  bytes.writeUInt32BE(length)
  return bytes
}
const wire = { code: 'HOST_EXITED', message: '', fix: '', details: {} }

for (const [what, bytes, fault] of [
  ['a line of text', Buffer.from('garbage\n'), /announces \d+ bytes/],
  ['an empty line', Buffer.from('\n'), /announces \d+ bytes/],
  ['binary garbage', Buffer.from([0, 0, 0, 9, 200, 255, 0, 128]), /unknown type/],
  ['a huge length', header(2 ** 32 - 1), /announces 4294967295 bytes/],
  ['half a frame', Buffer.concat([header(1000), Buffer.from('{"type":')]), /JSON does not/],
  ['a frame without JSON', Buffer.concat([header(3), Buffer.from('no')]), /JSON does not/],
  ['JSON that is no object', frame([]), /JSON object/],
  ['a message of no type', frame({ type: 'constructor' }), /unknown type/],
  ['a state that is none', frame({ type: 'state', state: 'FETCHING', reason: '' }), /a state/],
  ['a failure of no code', frame({ type: 'failed', error: { ...wire, code: 'x' } }), /an error/],
  ['counts that are none', frame({ type: 'stats', stats: { received: 1 } }), /counts/],
] as const) {
  test(`a host whose model writes ${what} to its channel is killed, and why is told`, async () => {
    await startWriting(bytes)
    await until('the end of it', async () => {
      // What the host says next is what the rest of half a frame is taken from.
      if (broken.length === 0) host.send({ type: 'stats', requestId: 1 })
      return exit
    })
    assert.deepEqual(exit, { code: null, signal: 'SIGKILL' })
    assert.deepEqual(
      broken.map(({ code }) => code),
      ['HOST_PROTOCOL'],
    )
    assert.match(broken[0]?.message ?? '', fault)
  })
}

test('a model that says it in form may lie about its own pipeline', async () => {
  const fields = { n: 1, rule: 'another', pipeline: 'another' }
  await startWriting(
    frame({ type: 'log', level: 'info', event: 'model.log', fields }),
    frame({ type: 'failed', error: wire }),
  )
  await until('the failure', () => heard.find(({ type }) => type === 'failed'))
  const line = heard.find((message) => message.type === 'log' && message.event === 'model.log')
  assert.deepEqual(line, { type: 'log', level: 'info', event: 'model.log', fields: { n: 1 } })
  assert.deepEqual(broken, [])
})

test('a host whose model has read a message to it says so and leaves', async () => {
  await start(
    `import { readSync, writeSync } from 'node:fs'
    const read = () => {
      try { readSync(${channelDescriptor}, new Uint8Array(3)) } catch { setImmediate(read) }
    }
    setTimeout(read, 100)
    export const handler = (event) => event`,
    { standby: true },
  )
  await until('its exit', () => {
    if (exit === undefined) host.send({ type: 'stats', requestId: 1 })
    return exit
  })
  assert.deepEqual(exit, { code: 1, signal: null })
  const failed = heard.find((message) => message.type === 'failed')
  assert.equal(failed?.error.code, 'HOST_PROTOCOL')
})

test('an order that is too large is not sent, and ends the host', async () => {
  const large = 'x'.repeat(toHost.bytesMax)
  host.send({
    type: 'start',
    pipeline: pipelineSettings({ params: { large } }),
    model: {
      name: '',
      version: '',
      runtime: 'python',
      format: 'module',
      folder: '',
      entryFile: '',
      modelsFolder: '',
    },
    judge: false,
    onProbation: false,
    runnerEnvironment: {},
    logLevel: 'info',
  })
  await until('its exit', () => exit)
  assert.match(broken[0]?.message ?? '', /settings take more than/)
})
