/** Models of scikit-learn, from a zip, through a broker: a pickle with code, and an estimator without. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { Mosquitto, needsMosquitto } from '../support/mosquitto.ts'
import { MqttPeer } from '../support/mqtt-peer.ts'
import { needsScikitLearn } from '../support/press-model.ts'
import { Workbench } from '../support/workbench.ts'
import { zipFolder } from '../support/zip-bytes.ts'

const examples = join(import.meta.dirname, '..', '..', 'examples', 'models')

test(
  'zips with pickled models answer over MQTT',
  { skip: needsMosquitto || needsScikitLearn },
  async (context: TestContext) => {
    const bench = await Workbench.open()
    context.after(() => bench.close())
    const broker = await Mosquitto.start()
    context.after(() => broker.stop())
    const funcs: Record<string, string> = {}
    for (const name of ['pickle', 'sklearn']) {
      const zip = await bench.write(`${name}.zip`, await zipFolder(join(examples, name)))
      funcs[name] = `modelAddress: ${zip}\npython: /usr/bin/python3`
    }
    const edgeboot = bench.run(await bench.configure(broker.port, funcs))
    await edgeboot.ready(60_000)
    const peer = await MqttPeer.connect(`mqtt://127.0.0.1:${broker.port}`)
    context.after(() => peer.end())
    await peer.subscribe('out/#')
    await peer.publish('in/pickle', '{"t":188,"h":134}')
    const [first] = await peer.received(1)
    assert.deepEqual([first?.topic, first?.text], ['out/pickle', '"1"'])
    const telemetry = { temperature: 72.64, vibration: 5.66, current: 4.34 }
    await peer.publish('in/sklearn', JSON.stringify({ telemetry }))
    const [, second] = await peer.received(2)
    const answer = JSON.parse(second?.text ?? '') as { verdict: string; chances: object }
    assert.equal(answer.verdict, 'fault')
    assert.deepEqual(Object.keys(answer.chances), ['fault', 'good', 'wear'])
  },
)
