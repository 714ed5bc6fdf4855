/** A program in C from end to end: built, zipped, fetched, unpacked with its bit, asked over MQTT. */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { readSamples } from '../../src/models/read-samples.ts'
import { compareOutcome } from '../../src/runtime/samples/compare-outcome.ts'
import { buildExecExample, needsCompiler } from '../support/exec-example.ts'
import { Mosquitto, needsMosquitto } from '../support/mosquitto.ts'
import { MqttPeer } from '../support/mqtt-peer.ts'
import { processesIn } from '../support/processes-in.ts'
import { Workbench } from '../support/workbench.ts'
import { rawZip } from '../support/zip-bytes.ts'

test(
  'a program in C answers its samples over MQTT, again after it was killed, and ends',
  { skip: needsMosquitto || needsCompiler },
  async (context: TestContext) => {
    const bench = await Workbench.open()
    context.after(() => bench.close())
    const broker = await Mosquitto.start()
    context.after(() => broker.stop())
    const built = join(bench.folder, 'built')
    await buildExecExample(built)
    const read = (name: string): Promise<Buffer> => readFile(join(built, name))
    const package_ = rawZip([
      { name: 'model.yaml', content: await read('model.yaml') },
      { name: 'tests/samples.json', content: await read('tests/samples.json') },
      { name: 'model', content: await read('model'), deflate: true, mode: 0o100755 },
    ])
    await bench.write('bearing.zip', package_)
    const edgeboot = bench.run(
      await bench.configure(broker.port, { bearing: 'modelAddress: bearing.zip' }),
    )
    await edgeboot.ready()
    const [status] = await edgeboot.pipelines()
    assert.match(JSON.stringify(status), /bearing 1\.0\.0 \(C99\)/)

    const peer = await MqttPeer.connect(`mqtt://127.0.0.1:${broker.port}`)
    context.after(() => peer.end())
    await peer.subscribe('out/bearing')
    const samples = await readSamples({ name: 'bearing', folder: built })
    for (const { event } of samples) await peer.publish('in/bearing', event)
    const answered = samples.filter(({ expected }) => expected.kind === 'result')
    const results = await peer.received(answered.length)
    for (const [index, sample] of answered.entries()) {
      const payload = Buffer.from(results[index]?.text ?? '')
      assert.equal(compareOutcome(sample, { kind: 'value', payload }), undefined)
    }
    const error = await edgeboot.line('model.failed')
    assert.match(JSON.stringify(error), /EventError/)

    const models = join(bench.folder, 'models')
    const [program = ''] = processesIn(models)
    process.kill(Number.parseInt(program, 10), 'SIGSEGV')
    await edgeboot.line('runner.lost')
    for (const { event } of samples) await peer.publish('in/bearing', event)
    await peer.received(2 * answered.length)
    await edgeboot.stop()
    assert.deepEqual(processesIn(models), [])
  },
)
