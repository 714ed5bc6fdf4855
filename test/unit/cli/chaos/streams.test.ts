import assert from 'node:assert/strict'
import { afterEach, beforeEach, test } from 'node:test'
import { listeners, planStreams } from '../../../../src/cli/chaos/streams.ts'
import { loadSettings } from '../../../../src/config/load.ts'
import type { Settings } from '../../../../src/config/settings.ts'
import { Scratch } from '../../../support/scratch.ts'

let scratch: Scratch
beforeEach(async () => {
  scratch = await Scratch.make()
})
afterEach(() => scratch[Symbol.asyncDispose]())

const settingsOf = async (text: string): Promise<Settings> => {
  const file = await scratch.write('config.yaml', text)
  return loadSettings(file, { env: {}, cwd: scratch.folder }).settings
}

const brokers = `mqtts: [{ name: a, broker: 'tcp://x:1' }, { name: b, broker: 'tcp://x:2' }]\n`
const rule = (name: string, broker: string, topic: string, func: string): string =>
  `  - { name: ${name}, sub: { name: ${broker}, topic: '${topic}' }, pub: { name: a, topic: out }, funcs: [${func}] }\n`

test('each device that a func names gets a stream with every point of the configuration', async () => {
  const settings = await settingsOf(
    `${brokers}rules:\n${rule('r', 'a', 'plant/+/telemetry', 'f')}` +
      `funcs:\n  - modelName: f\n    devices:\n` +
      `      - { deviceName: 设备1, pointName: OPC温度 }\n      - { deviceName: p/2, pointName: flow }\n`,
  )
  const streams = planStreams(settings, [])
  assert.deepEqual(
    streams.map(({ topic, device }) => [topic, device]),
    [
      ['plant/设备1/telemetry', '设备1'],
      ['plant/p-2/telemetry', 'p/2'],
    ],
  )
  const telemetry = streams[0]?.event['telemetry'] as Record<string, unknown>
  assert.deepEqual(Object.keys(telemetry), ['ts', 'OPC温度', 'flow', 'temperature'])
})

test('a func without devices gets some of ours, and two rules on one topic share their streams', async () => {
  const settings = await settingsOf(
    `${brokers}rules:\n${rule('r', 'a', 'in/#', 'f')}${rule('s', 'a', 'in/#', 'f')}` +
      `funcs: [{ modelName: f }]\n`,
  )
  const streams = planStreams(settings, [])
  assert.deepEqual(
    streams.map(({ topic }) => topic),
    ['in/chaos-1', 'in/chaos-2', 'in/chaos-3', 'in/chaos-4'],
  )
  assert.equal(listeners(settings.pipelines, { broker: 'a', topic: 'in/x' }).length, 2)
  assert.equal(listeners(settings.pipelines, { broker: 'b', topic: 'in/x' }).length, 0)
})

test('samples are sent as they are, on every topic that somebody listens to', async () => {
  const settings = await settingsOf(
    `${brokers}rules:\n${rule('r', 'a', '$share/g/in/+', 'f')}${rule('s', 'b', 'fixed', 'f')}` +
      `funcs: [{ modelName: f }]\n`,
  )
  const sample = { deviceInfo: { deviceName: 'pump' }, x: 1 }
  const streams = planStreams(settings, [sample, sample, { y: 2 }])
  assert.deepEqual(
    streams.map(({ broker, topic, device }) => [broker, topic, device]),
    [
      ['a', 'in/pump', 'pump'],
      ['a', 'in/pump-2', 'pump-2'],
      ['a', 'in/sample-3', 'sample-3'],
      ['b', 'fixed', 'pump'],
      ['b', 'fixed', 'pump-2'],
      ['b', 'fixed', 'sample-3'],
    ],
  )
  assert.ok(streams.every(({ isGenerated }) => !isGenerated))
  assert.deepEqual(streams[1]?.event, sample)
})
