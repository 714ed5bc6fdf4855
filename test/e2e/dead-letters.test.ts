/** Dead letters as their user sees them: the product, a real broker, and the command line. */
import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { addDlqCommand } from '../../src/cli/dlq.ts'
import { Mosquitto, needsMosquitto } from '../support/mosquitto.ts'
import { MqttPeer } from '../support/mqtt-peer.ts'
import { until } from '../support/wait.ts'
import { Workbench } from '../support/workbench.ts'
import { runCommand, type CommandRun } from '../unit/cli/run-command.ts'

const broken =
  'import os\n\n\n' +
  'def handler(event, context):\n' +
  '    if event.get("die"):\n' +
  '        os._exit(3)\n' +
  '    return {"sum": event["a"] + event["b"]}\n'
const mended =
  'def handler(event, context):\n    return {"sum": event.get("a", 0) + event.get("b", 0)}\n'

interface Listed {
  readonly id: string
  readonly error: { readonly kind: string }
  readonly topic: string
}

describe('with a Mosquitto', { skip: needsMosquitto }, () => {
  let broker: Mosquitto
  let bench: Workbench
  let peer: MqttPeer
  let config: string

  beforeEach(async () => {
    broker = await Mosquitto.start()
    bench = await Workbench.open()
    peer = await MqttPeer.connect(`mqtt://127.0.0.1:${broker.port}`)
    await peer.subscribe('out/#', 'dead')
    await bench.write('models/adder/index.py', broken)
    config = await bench.write('config.yaml', configuration(broker.port))
  })
  afterEach(async () => {
    await peer.end()
    await bench.close()
    await broker.stop()
  })

  const dlq = (...args: string[]): Promise<CommandRun> => {
    const [command = '', ...rest] = args
    const line = ['dlq', command, '--config', config, ...rest]
    return runCommand(addDlqCommand, line, { cwd: bench.folder })
  }
  const listed = async (): Promise<Listed[]> =>
    JSON.parse((await dlq('list', '--json')).stdout) as Listed[]

  test('poison, an exception and garbage are kept, shown, and run again once the model was mended', async () => {
    const none = await dlq('list')
    assert.match(none.stdout, /nothing was given up/)
    assert.equal(none.status, 0)

    const edgeboot = bench.run(config)
    await edgeboot.ready()
    for (const payload of ['{"die":true}', '{"a":1}', 'garbage \u001b[31m', '{"a":1,"b":2}']) {
      await peer.publish('in/adder', payload, { qos: 1 })
    }
    const letters = await until('three letters', async () => {
      const all = await listed()
      return all.length === 3 ? all : undefined
    })
    assert.deepEqual(letters.map(({ error }) => error.kind).toSorted(), [
      'crash',
      'decode',
      'model',
    ])
    const idOf = (kind: string): string =>
      letters.find(({ error }) => error.kind === kind)?.id ?? ''
    const stats = await until('the counts', async () => {
      const [found] = await edgeboot.pipelines()
      return found?.stats.deadLettered === 3 ? found.stats : undefined
    })
    assert.equal(stats.deadLetterCopies, 3)

    const shown = (await dlq('show', idOf('model').slice(0, 6))).stdout
    assert.match(shown, /KeyError: 'b'/)
    assert.match(shown, /adder, version /)
    assert.match(shown, /"a": 1/)
    assert.match((await dlq('list')).stdout, /model .*adder .*in\/adder\n +KeyError: 'b' \(.*:7\)/)
    assert.equal((await dlq('show', idOf('decode'))).stdout.includes('\u001b'), false)

    // While the model is as it was, it fails again, and the letter stays.
    const url = await edgeboot.address()
    const again = await dlq('replay', idOf('model'), '--url', url)
    assert.match(again.stdout, /0 went through, 1 given up again/)
    assert.equal(again.status, 1)

    await bench.write('models/adder/index.py', mended)
    await fetch(`${url}/api/v1/reload`, { method: 'POST' })
    await edgeboot.line('reload.pipeline-replaced')
    await edgeboot.ready()
    const exception = await dlq('replay', '--all', '--kind', 'model', '--url', url)
    assert.match(exception.stdout, /1 went through, 0 given up again/)
    assert.match((await dlq('replay', idOf('crash'), '--url', url)).stdout, /1 went through/)

    await assert.rejects(dlq('drop', '--all'), /this would drop 1 dead letter for good/)
    assert.match((await dlq('drop', '--all', '--yes')).stdout, /^dropped 1 dead letter\n/)
    assert.deepEqual(await listed(), [])

    const received = await peer.received(6)
    const results = received.filter(({ topic }) => topic === 'out/adder').map(({ text }) => text)
    assert.deepEqual(results.toSorted(), ['{"sum": 0}', '{"sum": 1}', '{"sum": 3}'])
    const copies = received.filter(({ topic }) => topic === 'dead')
    assert.equal(copies.length, 3, 'replays are not told of again')
    assert.equal(await edgeboot.stop(), 0)
  })

  test('letters that are marked while nothing runs are replayed at the next start, also after kills', async () => {
    const first = bench.run(config)
    await first.ready()
    for (let a = 0; a < 20; a++) await peer.publish('in/adder', `{"a":${a}}`, { qos: 1 })
    await until('twenty letters', async () => {
      const [found] = await first.pipelines()
      return found?.stats.deadLettered === 20 && found.stats.unacknowledged === 0
    })
    first.signal('SIGKILL')
    await first.exited
    const marked = await dlq('replay', '--all', '--rule', 'adder')
    assert.match(marked.stdout, /^20 dead letters will be replayed when edgeboot next starts/)
    assert.match((await dlq('list')).stdout, /\(to be replayed\) KeyError/)
    await bench.write('models/adder/index.py', mended)
    const second = bench.run(config)
    const copies = 20
    const sums = (await peer.received(copies + 20)).flatMap(({ topic, text }) =>
      topic === 'out/adder' ? [text] : [],
    )
    assert.equal(new Set(sums).size, 20)
    await until('an empty store', async () => (await listed()).length === 0)
    assert.equal(await second.stop(), 0)
  })
})

function configuration(port: number): string {
  return `
mqtts: [{ name: plant, broker: "tcp://127.0.0.1:${port}", qos: 1 }]
rules:
  - name: adder
    sub: { name: plant, topic: in/adder }
    pub: { name: plant, topic: out/adder }
    onError: { attempts: 2, deadLetter: dead }
funcs: [{ modelName: adder }]
models: { folder: models }
web: { port: 0 }
`
}
