/** `edgeboot explain` against an instance at work: what it says is what happened to real messages. */
import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { addExplainCommand } from '../../src/cli/explain.ts'
import type { PipelineExplanation } from '../../src/host/explanation.ts'
import type { EdgebootProcess } from '../support/edgeboot-process.ts'
import { Mosquitto, needsMosquitto } from '../support/mosquitto.ts'
import { MqttPeer } from '../support/mqtt-peer.ts'
import { until } from '../support/wait.ts'
import { Workbench } from '../support/workbench.ts'
import { runCommand } from '../unit/cli/run-command.ts'

const topic = 'plant/pump-1/telemetry'
const event = (device: string, t: unknown): string =>
  JSON.stringify({ deviceInfo: { deviceName: device }, telemetry: { t } })

const model = `export function handler(event) {
  if (event.telemetry.t === 'bad') throw new RangeError('t is bad')
  return { t: event.telemetry.t }
}
`

const configuration = (port: number): string => `
mqtts: [{ name: plant, broker: "tcp://127.0.0.1:${port}" }]
rules:
  - name: alarms
    sub: { name: plant, topic: plant/+/telemetry }
    pub: { name: plant, topic: "out/\${device}" }
funcs:
  - modelName: threshold
    devices: [{ deviceName: pump-1, pointName: t }]
    when: telemetry.t != 0
models: { folder: models }
web: { port: 0, token: of-this-plant }
`

describe('with a Mosquitto', { skip: needsMosquitto }, () => {
  let broker: Mosquitto
  let bench: Workbench
  let peer: MqttPeer
  let edgeboot: EdgebootProcess
  let config: string

  beforeEach(async () => {
    broker = await Mosquitto.start()
    bench = await Workbench.open()
    peer = await MqttPeer.connect(`mqtt://127.0.0.1:${broker.port}`)
    await peer.subscribe('out/#')
    await bench.write('models/threshold/index.js', model)
    config = await bench.write('config.yaml', configuration(broker.port))
    await bench.write('token', 'of-this-plant\n')
    edgeboot = bench.run(config)
    await edgeboot.ready()
  })

  afterEach(async () => {
    await bench.close()
    await peer.end()
    await broker.stop()
  })

  /** What the command prints, and that it ended with status 0. */
  const explain = async (...args: readonly string[]): Promise<string> => {
    const command = bench.command('explain', ...args)
    assert.equal(await command.exited, 0, command.stderr)
    return command.stdout
  }
  const online = async (): Promise<string[]> => [
    '--url',
    await edgeboot.address(),
    '--token-file',
    'token',
  ]
  const onePipeline = async (...args: readonly string[]): Promise<PipelineExplanation> => {
    // In this process: it is asked often.
    const command = ['explain', '--json', ...args]
    const { stdout } = await runCommand(addExplainCommand, command, { cwd: bench.folder })
    const { pipelines } = JSON.parse(stdout) as { pipelines: PipelineExplanation[] }
    assert.equal(pipelines.length, 1)
    return pipelines[0]!
  }

  test('says where real messages ended, and foretells the same of the next', async () => {
    const sent = [
      ['published', event('pump-1', 7)],
      ['device', event('pump-2', 7)],
      ['when', event('pump-1', 0)],
      ['decode', '{"deviceInfo":'],
      ['model', event('pump-1', 'bad')],
    ] as const
    for (const [, payload] of sent) await peer.publish(topic, payload)
    const asked = [...(await online()), '--topic', topic]
    const { trail, dropped } = await until('every message to have ended', async () => {
      const { running } = await onePipeline(...asked, '--last', '10')
      return running?.trail.remembered === sent.length ? running : undefined
    })
    assert.deepEqual(trail.byEnding, { published: 1, device: 1, when: 1, decode: 1, model: 1 })
    assert.deepEqual(dropped, { device: 1, when: 1, decode: 1, model: 1 })
    assert.equal(trail.last.length, sent.length)
    assert.equal(trail.reasons.model?.text, 'RangeError: t is bad')
    for (const [ending, payload] of sent) {
      const { verdict, reason } = await onePipeline(...asked, payload)
      // What a model makes of an event is not foretold.
      const isTaken = ending === 'published' || ending === 'model'
      assert.equal(reason ?? verdict, isTaken ? 'taken' : ending)
    }
  })

  test('takes the same steps offline as online', async () => {
    const messages = [event('pump-1', 7), event('pump-2', 7), event('pump-1', 0), '[', '{}']
    for (const message of messages) {
      const { running, ...atWork } = await onePipeline(...(await online()), '-t', topic, message)
      const alone = await onePipeline('--offline', '-c', config, '-t', topic, message)
      assert.equal(running?.state, 'READY')
      assert.deepEqual(atWork, alone)
    }
  })

  test('reads as a person would tell it', async () => {
    await peer.publish(topic, event('pump-1', 7))
    await peer.received(1)
    const text = await explain(...(await online()), '-t', topic, event('pump-3', 7))
    assert.match(text, /^rule alarms · func threshold {3}READY, 1 received, 1 published\n/)
    assert.match(
      text,
      /✘ device {4}pump-1: deviceName: deviceInfo\.deviceName is "pump-3", not "pump-1"\n/,
    )
    assert.match(text, /→ dropped: device, no device entry of the func fits\n/)
    assert.match(text, /last of this topic: 1 published \(newest \d+ s ago: published\)\n/)
  })

  test('asks for the token, and shows none', async () => {
    const command = bench.command('explain', '--url', await edgeboot.address(), '-t', topic)
    assert.equal(await command.exited, 1)
    assert.match(command.stderr, /asks for a token \[CLI_INSTANCE_REFUSED\]/)
    assert.doesNotMatch(command.stderr + edgeboot.stdout, /of-this-plant/)
  })
})
