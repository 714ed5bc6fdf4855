/** Signed versions of a model are exchanged, refused, rolled back and activated while it answers. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import type { EdgebootProcess } from '../support/edgeboot-process.ts'
import { Mosquitto, needsMosquitto } from '../support/mosquitto.ts'
import {
  makeKeys,
  readSigningKey,
  signatureText,
  type NewKeys,
} from '../../src/models/signing-key.ts'
import { MqttPeer } from '../support/mqtt-peer.ts'
import { SteadyTraffic } from '../support/steady-traffic.ts'
import { until } from '../support/wait.ts'
import { Workbench } from '../support/workbench.ts'
import { plainZip } from '../support/zip-bytes.ts'

const version = (text: string): Promise<Buffer> =>
  plainZip({
    'index.mjs': 'export const handler = (event) => event\n',
    'model.yaml': `name: model\nversion: ${text}\n`,
  })

const author = makeKeys()
const stranger = makeKeys()

async function signed(zip: Buffer, by: NewKeys): Promise<string> {
  const key = await readSigningKey(by.secretText, 'a key')
  return signatureText(key, createHash('blake2b512').update(zip).digest(), 'model')
}

describe('with a Mosquitto', { skip: needsMosquitto }, () => {
  let broker: Mosquitto
  let bench: Workbench
  let peer: MqttPeer
  let edgeboot: EdgebootProcess
  let traffic: SteadyTraffic

  const serving = async (): Promise<string | undefined> =>
    (await edgeboot.pipelines())[0]?.modelVersion
  /** Runs a command of the group `model` on the running instance, and returns what it printed. */
  const model = async (...args: string[]): Promise<string> => {
    const command = bench.command('model', ...args, '--url', await edgeboot.address())
    assert.equal(await command.exited, 0, command.stdout)
    return command.stdout
  }

  /** Puts a version where the configuration says, and has it looked at. */
  const publish = async (text: string, by = author): Promise<void> => {
    const zip = await version(text)
    await bench.write('model.zip', zip)
    await bench.write('model.zip.minisig', await signed(zip, by))
  }
  const reload = async (): Promise<void> => {
    await fetch(`${await edgeboot.address()}/api/v1/reload`, { method: 'POST' })
  }

  before(async () => {
    broker = await Mosquitto.start()
    bench = await Workbench.open()
    peer = await MqttPeer.connect(`mqtt://127.0.0.1:${broker.port}`)
    await publish('1.0.0')
    const models = `models: { folder: models, require: signature, keys: [${author.publicLine}] }`
    const funcs = { model: 'modelAddress: model.zip' }
    const config = await bench.configure(broker.port, funcs, { broker: 'qos: 1', models })
    edgeboot = bench.run(config)
    await edgeboot.ready()
    traffic = await SteadyTraffic.start(peer, 'model', 100)
  })
  after(async () => {
    traffic?.stop()
    await peer?.end()
    await bench?.close()
    await broker?.stop()
  })

  test('a rollback takes effect at once, and no reload brings the other version back', async () => {
    await publish('2.0.0')
    await reload()
    await until('version 2 to serve', async () => (await serving()) === '2.0.0')
    await edgeboot.line('model.activated', ({ version: is }) => is === '2.0.0')
    const text = await model('rollback', 'model', '--reason', 'too many alarms', '--wait', '60s')
    assert.match(text, /^model: version 1\.0\.0 \(\w{12}\)$/m)
    assert.match(text, /^all of them serve with 1\.0\.0$/m)
    await reload()
    const line = await edgeboot.line('model.held-back')
    assert.equal(line['reason'], 'too many alarms')
    assert.equal(await serving(), '1.0.0')
  })

  test('a version that was held back serves again when an operator activates it', async () => {
    const text = await model('activate', 'model', '2.0.0', '--wait', '60s')
    assert.match(text, /^all of them serve with 2\.0\.0$/m)
    assert.equal(await serving(), '2.0.0')
  })

  test('a version that a stranger signed is refused, and the old one goes on', async () => {
    await publish('3.0.0', stranger)
    await model('activate', 'model', '--unpin')
    await reload()
    const line = await edgeboot.line('model.kept-previous')
    assert.equal(line['code'], 'MODEL_SIGNATURE_UNKNOWN_KEY')
    assert.match(String(line['reason']), new RegExp(`signed by key ${stranger.id}`))
    const answered = traffic.answers.length
    await until('further answers', () => traffic.answers.length > answered + 20)
    assert.equal(await serving(), '2.0.0')
  })

  test('meanwhile every message was answered once and in order', async () => {
    traffic.stop()
    await until('the last answer', () => traffic.answers.length >= traffic.sent)
    assert.deepEqual(
      traffic.answers,
      Array.from({ length: traffic.sent }, (_, n) => n),
    )
  })
})
