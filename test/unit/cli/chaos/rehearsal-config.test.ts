import assert from 'node:assert/strict'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { readNative, rehearsalConfig } from '../../../../src/cli/chaos/rehearsal-config.ts'
import { loadSettings } from '../../../../src/config/load.ts'
import { Scratch } from '../../../support/scratch.ts'

let scratch: Scratch
beforeEach(async () => {
  scratch = await Scratch.make()
})
afterEach(() => scratch[Symbol.asyncDispose]())

const original = `mqtts:
  - { name: plant, broker: 'mqtts://broker.plant:8883', username: '\${USER_NAME}', passwordFile: /nowhere, keepAlive: 5s }
rules:
  - name: r
    sub: { name: plant, topic: in/#, clientId: in }
    pub: { name: plant, topic: out, clientId: out, timeout: 3s }
    queue: { size: 7 }
funcs:
  - { modelName: f, modelAddress: ../f.zip, python: ./venv/bin/python, timeout: 2s, params: { limit: 80 } }
  - { modelName: g, modelAddress: https://models/g.zip, python: python3 }
models: { folder: models, download: never }
web: { host: 0.0.0.0, token: secret }
stateFolder: state
`

const stage = {
  brokers: new Map([['plant', 'mqtt://127.0.0.1:1']]),
  stateFolder: '/stage/state',
  webPort: 5,
}

test('only brokers, state folder and web are others; credentials are left out', async () => {
  const file = await scratch.write('conf/config.yaml', original)
  const config = rehearsalConfig(readNative(file, {}, scratch.folder), file, stage)
  assert.deepEqual(config.mqtts, [
    { name: 'plant', broker: 'mqtt://127.0.0.1:1', qos: 1, keepAlive: '5s' },
  ])
  assert.deepEqual(config.web, { host: '127.0.0.1', port: 5 })
  assert.equal(config.stateFolder, '/stage/state')
  assert.equal(JSON.stringify(config).includes('secret'), false)
  assert.equal(config.rules[0]?.queue?.size, 7)
  assert.deepEqual(config.funcs[0]?.params, { limit: 80 })
})

test('paths are absolute, so that it means the same in another folder', async () => {
  const file = await scratch.write('conf/config.yaml', original)
  const config = rehearsalConfig(readNative(file, {}, scratch.folder), file, stage)
  const [f, g] = config.funcs
  assert.equal(f?.modelAddress, join(scratch.folder, 'f.zip'))
  assert.equal(f?.python, join(scratch.folder, 'conf/venv/bin/python'))
  assert.deepEqual([g?.modelAddress, g?.python], ['https://models/g.zip', 'python3'])
  assert.equal(config.models?.folder, join(scratch.folder, 'conf/models'))
})

test('what comes out is a configuration of QoS 1 with a spool', async () => {
  const file = await scratch.write('conf/config.yaml', original)
  const config = rehearsalConfig(readNative(file, {}, scratch.folder), file, stage)
  const written = await scratch.write('elsewhere/config.json', JSON.stringify(config))
  const { settings } = loadSettings(written, { env: {}, cwd: scratch.folder })
  assert.equal(settings.pipelines.length, 2)
  for (const { source, sink } of settings.pipelines) {
    assert.deepEqual([source.qos, sink.qos, sink.timeoutMs], [1, 1, 3000])
    assert.ok(sink.spool)
  }
})

test('a mistake is told as by validate, and pyboot’s forms are taken', async () => {
  const bad = await scratch.write('bad.yaml', 'mqtts: []\nrules: []\nfuncs: []\nfnucs: []\n')
  assert.throws(() => readNative(bad, {}, scratch.folder), { code: 'CONFIG_INVALID' })
  assert.throws(() => readNative('none.yaml', {}, scratch.folder), { code: 'CONFIG_NOT_FOUND' })
})
