/** What the user sees of a model that hangs or leaks. */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { Mosquitto, needsMosquitto } from '../support/mosquitto.ts'
import { MqttPeer } from '../support/mqtt-peer.ts'
import { needsPython } from '../support/python-interpreters.ts'
import { until } from '../support/wait.ts'
import { Workbench } from '../support/workbench.ts'

const fixtures = join(import.meta.dirname, '..', 'fixtures', 'misbehaving')
const misbehave = '{"misbehave":true}'

describe('with a Mosquitto', { skip: needsMosquitto || needsPython }, () => {
  let broker: Mosquitto
  let bench: Workbench
  let peer: MqttPeer

  beforeEach(async () => {
    broker = await Mosquitto.start()
    bench = await Workbench.open()
    peer = await MqttPeer.connect(`mqtt://127.0.0.1:${broker.port}`)
    await peer.subscribe('out/#')
  })
  afterEach(async () => {
    await peer.end()
    await bench.close()
    await broker.stop()
  })

  const install = async (language: string, name: string, file: string): Promise<void> => {
    const text = await readFile(join(fixtures, language, name, file), 'utf8')
    await bench.write(`models/${language}/${file}`, text)
  }

  for (const [language, file] of [
    ['python', 'index.py'],
    ['typescript', 'index.ts'],
  ] as const) {
    test(`a model that hangs is shown with the line where it does: ${language}`, async () => {
      await install(language, 'loops-for-ever', file)
      const config = await bench.configure(broker.port, { [language]: 'timeout: 300ms' })
      const edgeboot = bench.run(config)
      await edgeboot.ready()
      await peer.publish(`in/${language}`, misbehave)
      const isPlaced = (text: string): boolean => new RegExp(`it was at .*${file}:\\d+`).test(text)
      const readiness = await until('the reason', async () => {
        const answer = await edgeboot.get('/readyz')
        return isPlaced(answer.body) ? answer : undefined
      })
      assert.equal(readiness.status, 503)
      await until('the status page to say it', async () => isPlaced((await edgeboot.get('/')).body))
      const lost = await edgeboot.line('runner.lost')
      assert.equal(lost['code'], 'RUNNER_DEADLINE')
      assert.match(String(lost['stack']), /handler/)
      assert.match(String(lost['where']), new RegExp(`${file}:\\d+$`))
    })

    test(`a message that hangs costs its attempts, whoever travels with it: ${language}`, async () => {
      await install(language, 'loops-for-ever', file)
      const lines = 'timeout: 1s\nbatch: { size: 64, delay: 500ms }'
      const edgeboot = bench.run(await bench.configure(broker.port, { [language]: lines }))
      await edgeboot.ready()
      for (let n = 0; n < 64; n++) {
        await peer.publish(`in/${language}`, n === 40 ? misbehave : `{"n":${n}}`)
      }
      await edgeboot.line('event.given-up')
      await peer.received(63)
      // Counted when its dead letter is on the disk.
      const dropped = await until('the message to be counted', async () => {
        const counts = (await edgeboot.pipelines())[0]?.stats.dropped
        return counts?.deadline === 0 ? undefined : counts
      })
      assert.equal(dropped.deadline, 1)
      const deaths = edgeboot.lines.filter(({ event }) => event === 'runner.lost')
      assert.equal(deaths.length, 3)
    })

    test(`a model that leaks is exchanged, and no event notices: ${language}`, async () => {
      await install(language, 'leaks', file)
      const edgeboot = bench.run(
        await bench.configure(broker.port, { [language]: 'memory: 64MiB' }),
      )
      await edgeboot.ready()
      let sent = 0
      const stats = await until('a second runner to be exchanged', async () => {
        // Each is answered before the next: so many at once could reach twice the limit.
        await peer.publish(`in/${language}`, sent % 4 === 0 ? misbehave : '{"n":1}')
        await peer.received((sent += 1))
        const [pipeline] = await edgeboot.pipelines()
        assert.equal(pipeline?.state, 'READY')
        return pipeline.stats.runnerRecycles >= 2 ? pipeline.stats : undefined
      })
      assert.deepEqual([stats.retried, stats.runnerRestarts], [0, 0])
      assert.equal(peer.messages.length, sent)
      const { memoryBytes } = await edgeboot.line('runner.recycled')
      assert.ok(Number(memoryBytes) > 64 * 1024 ** 2)
    })
  }
})
