/** An ONNX model from end to end: out of a zip, with its manifest, between the topics of a broker. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { Mosquitto, needsMosquitto } from '../support/mosquitto.ts'
import { MqttPeer } from '../support/mqtt-peer.ts'
import { needsScikitLearn, pressAnswers, pressFolder } from '../support/press-model.ts'
import { Workbench } from '../support/workbench.ts'
import { zipFolder } from '../support/zip-bytes.ts'

const events = 40

test(
  'an ONNX export of scikit-learn answers over MQTT what scikit-learn answers',
  { skip: needsMosquitto || needsScikitLearn },
  async (context: TestContext) => {
    const bench = await Workbench.open()
    context.after(() => bench.close())
    const broker = await Mosquitto.start(['allow_anonymous true'])
    context.after(() => broker.stop())
    await bench.write('packages/press.zip', await zipFolder(pressFolder))
    const config = await bench.write(
      'config.yaml',
      `mqtts:
  - { name: plant, broker: 'tcp://127.0.0.1:${broker.port}' }
rules:
  - name: press
    sub: { name: plant, topic: plant/+/telemetry }
    pub: { name: plant, topic: verdicts }
    funcs: [press-condition]
funcs:
  - { modelName: press-condition, modelAddress: packages/press.zip }
models: { folder: models }
web: { port: 0 }
`,
    )
    const edgeboot = bench.run(config)
    await edgeboot.ready(60_000)
    const peer = await MqttPeer.connect(`mqtt://127.0.0.1:${broker.port}`, { protocolVersion: 5 })
    context.after(() => peer.end())
    await peer.subscribe('verdicts')
    const expected = pressAnswers(events)
    for (const { event } of expected) {
      await peer.publish('plant/press-1/telemetry', JSON.stringify(event))
    }
    await peer.publish('plant/press-1/telemetry', JSON.stringify({ telemetry: { mode: 'press' } }))
    const seen = await peer.received(events)
    const verdicts = seen.map(({ text }) => (JSON.parse(text) as { verdict: string }).verdict)
    assert.deepEqual(
      verdicts,
      expected.map(({ verdict }) => verdict),
    )
    const error = await edgeboot.line('model.failed')
    assert.match(JSON.stringify(error), /input \\"oil\\": telemetry\.oil is missing/)
    const [status] = await edgeboot.pipelines()
    assert.match(JSON.stringify(status), /onnxruntime 1\.30\.0/)
    assert.equal(seen[0]?.userProperties?.['edgeboot-version'], '1.0.0')
  },
)
