/** Every example in examples/models: packed, fetched, loaded and asked over MQTT. */
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { readSamples } from '../../src/models/read-samples.ts'
import { compareOutcome } from '../../src/runtime/samples/compare-outcome.ts'
import type { EdgebootProcess } from '../support/edgeboot-process.ts'
import { root } from '../support/markdown.ts'
import { Mosquitto, needsMosquitto } from '../support/mosquitto.ts'
import { MqttPeer } from '../support/mqtt-peer.ts'
import { needsScikitLearn } from '../support/press-model.ts'
import { until } from '../support/wait.ts'
import { Workbench } from '../support/workbench.ts'

const folder = join(root, 'examples/models')
const python = '/usr/bin/python3'

/** These ask for a library that is on PyPI alone: `npm run test:extra` runs them. */
const extra = ['keras', 'saved-model', 'tflite']
/** Built from its source by the test of its own. */
const built = ['exec-c']
const kinds = readdirSync(folder).filter((kind) => ![...extra, ...built].includes(kind))

describe('with a Mosquitto', { skip: needsMosquitto || needsScikitLearn }, () => {
  let broker: Mosquitto
  let bench: Workbench
  let peer: MqttPeer
  let edgeboot: EdgebootProcess

  before(async () => {
    broker = await Mosquitto.start()
    bench = await Workbench.open()
    peer = await MqttPeer.connect(`mqtt://127.0.0.1:${broker.port}`)
    await peer.subscribe('out/#')
    const models: Record<string, string> = {}
    for (const kind of kinds) {
      const packing = bench.command('model', 'pack', join(folder, kind), '-o', `${kind}.zip`)
      assert.equal(await packing.exited, 0, packing.stderr)
      models[kind] = `modelAddress: ${kind}.zip\npython: ${python}`
    }
    edgeboot = bench.run(await bench.configure(broker.port, models, { broker: 'qos: 1' }))
    await edgeboot.ready(60_000)
  })
  after(async () => {
    await peer?.end()
    await bench?.close()
    await broker?.stop()
  })

  for (const kind of kinds) {
    test(`the example ${kind} answers its samples as its author says`, async () => {
      const samples = await readSamples({ name: kind, folder: join(folder, kind) })
      assert.ok(samples.length > 0, 'the example has samples')
      const answers = (): string[] =>
        peer.messages.filter(({ topic }) => topic === `out/${kind}`).map(({ text }) => text)
      for (const sample of samples) {
        const known = answers().length
        await peer.publish(`in/${kind}`, sample.event)
        if (sample.expected.kind !== 'result') continue
        const payload = await until('the answer', () => answers()[known])
        const outcome = { kind: 'value', payload: Buffer.from(payload) } as const
        assert.equal(compareOutcome(sample, outcome), undefined)
      }
    })
  }
})
