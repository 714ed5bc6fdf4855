/** Messages that end the host of their model, and what outlives it. */
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { readRecordedBooks } from '../../src/host/recorder/read-recorder.ts'
import type { EdgebootProcess } from '../support/edgeboot-process.ts'
import { Mosquitto, needsMosquitto } from '../support/mosquitto.ts'
import { MqttPeer } from '../support/mqtt-peer.ts'
import { assertBalanced } from '../support/pipeline-bench.ts'
import { until } from '../support/wait.ts'
import { Workbench } from '../support/workbench.ts'

const devices = 20
const messages = 400
const fatal = 207

const eventOf = (serial: number): string =>
  JSON.stringify({
    deviceInfo: { deviceName: `d${serial % devices}` },
    serial,
    ...(serial === fatal ? { fatal: true } : {}),
  })

describe('with a Mosquitto', { skip: needsMosquitto }, () => {
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

  const serialsOf = (): number[] =>
    peer.messages.map(({ text }) => (JSON.parse(text) as { serial: number }).serial)

  const statsOf = async (edgeboot: EdgebootProcess) => {
    const [pipeline] = await edgeboot.pipelines()
    assert.ok(pipeline)
    return pipeline.stats
  }

  const ways = [
    ['a thread that crashes the process', 'workers: 1', "process.kill(process.pid, 'SIGSEGV')"],
    ['an inline model that aborts', 'workers: 0', 'process.abort()'],
  ] as const
  for (const [what, workers, end] of ways) {
    test(`${what} costs the one message that makes it do so`, async () => {
      await bench.write(
        'models/moody/index.ts',
        `export const handler = (event: any) => {\n  if (event.fatal) ${end}\n  return event\n}\n`,
      )
      const edgeboot = bench.run(
        await bench.configure(broker.port, { moody: workers }, { broker: 'qos: 1' }),
      )
      await edgeboot.ready()
      for (let serial = 0; serial < messages; serial++) {
        await peer.publish('in/moody', eventOf(serial), { qos: 1 })
      }
      const isOver = async () => {
        const counts = await statsOf(edgeboot).catch(() => undefined)
        const isAnswered = counts?.dropped.crash === 1 && new Set(serialsOf()).size === messages - 1
        return isAnswered && counts.unacknowledged === 0 ? counts : undefined
      }
      const what = 'the message to be given up, and all others to be answered'
      // A dozen hosts one after the other, on a machine that may be busy.
      const stats = await until(what, isOver, 60_000)
      assertBalanced(stats)
      assert.equal(serialsOf().includes(fatal), false)
      const line = await edgeboot.line('event.given-up', () => true)
      assert.equal(line['attempts'], 3)
      const last = new Map<number, number>()
      const seen = new Set<number>()
      for (const serial of serialsOf()) {
        if (seen.has(serial)) continue
        seen.add(serial)
        assert.ok((last.get(serial % devices) ?? -1) < serial, `order of d${serial % devices}`)
        last.set(serial % devices, serial)
      }
      assert.equal(await edgeboot.stop(), 0)
      const folder = join(bench.folder, 'models/.edgeboot/state/recorder')
      const [file] = readdirSync(folder)
      const books = readRecordedBooks(join(folder, file ?? ''))
      assert.ok(books)
      assertBalanced(books.totals)
      assert.equal(books.totals.dropped.crash, 1)
      // What the broker got from a host that was gone before it heard so came again, and counts once.
      const { published } = books.totals
      assert.ok(published >= messages - 1 && published <= serialsOf().length, `${published}`)
    })
  }
})
