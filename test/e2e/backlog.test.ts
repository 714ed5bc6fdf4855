/** Back-pressure reaches the broker: a backlog stays there, and does not become edgeboot's memory. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { describe, test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { EdgebootProcess } from '../support/edgeboot-process.ts'
import { Mosquitto, needsMosquitto } from '../support/mosquitto.ts'
import { MqttPeer } from '../support/mqtt-peer.ts'
import { PersistentCollector } from '../support/persistent-collector.ts'
import { until } from '../support/wait.ts'
import { Workbench } from '../support/workbench.ts'

const messagesMax = 100_000
/** While the window is full and the rest waits in the broker. Measured: 2 to 4. */
const heldGrowthMiBMax = 30
/**
 * While it all goes through as fast as it can. Measured: 155, reached after 90,000 messages and not
 * exceeded by 400,000: most likely the young generations of two V8 heaps at full speed.
 */
const flowingGrowthMiBMax = 220
const keepAliveMs = 1_000
/** As many as `max_inflight_messages` of the reference broker: with 3.1.1 it sends no more. */
const window = 200

/** Answers nothing before a file is there, then everything at once. */
const gatedModel = `import { existsSync } from 'node:fs'

const nobody = new Int32Array(new SharedArrayBuffer(4))
let open = false

export function handler(event: { n: number }, context: { params: { gate: string } }) {
  while (!open) {
    open = existsSync(context.params.gate)
    if (!open) Atomics.wait(nobody, 0, 0, 20)
  }
  return event.n
}
`

function configuration(port: number, protocol: string, gate: string): string {
  return (
    `mqtts:\n  - { name: plant, broker: "tcp://127.0.0.1:${port}", qos: 1, ` +
    `protocol: "${protocol}", keepAlive: ${keepAliveMs}ms }\n` +
    `rules:\n  - name: backlog\n    sub: { name: plant, topic: in/#, clientId: backlog-in }\n` +
    `    pub: { name: plant, topic: out/results, clientId: backlog-out }\n` +
    `    queue: { size: ${window} }\n` +
    `funcs:\n  - { modelName: gated, timeout: 100s, params: { gate: "${gate}" } }\n` +
    `models: { folder: models }\nweb: { port: 0 }\n`
  )
}

/** Memory of the host now and at most since it began, in MiB. */
async function memoryOf(edgeboot: EdgebootProcess): Promise<{ now: number; most: number }> {
  const [pipeline] = await edgeboot.pipelines()
  const status = readFileSync(`/proc/${pipeline?.pid}/status`, 'utf8')
  const mib = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) / 1024
  return { now: mib('VmRSS'), most: mib('VmHWM') }
}

/** 250 bytes each, as fast as the broker takes them. */
async function fill(url: string): Promise<void> {
  const peer = await MqttPeer.connect(url)
  const padding = 'x'.repeat(230)
  for (let first = 0; first < messagesMax; first += 1_000) {
    const chunk = Array.from({ length: 1_000 }, (_, i) =>
      peer.publish(`in/${i % 20}`, JSON.stringify({ n: first + i, padding }), { qos: 1 }),
    )
    await Promise.all(chunk)
  }
  await peer.end()
}

async function run(context: TestContext, protocol: '5' | '3.1.1'): Promise<void> {
  const broker = await Mosquitto.startAsReference()
  const bench = await Workbench.open()
  const url = `mqtt://127.0.0.1:${broker.port}`
  const results = new Set<number>()
  const collector = await PersistentCollector.open(url, {
    clientId: 'collector',
    filter: 'out/#',
    message: (payload) => void results.add(Number(payload)),
  })
  try {
    await bench.write('models/gated/index.ts', gatedModel)
    const gate = `${bench.folder}/gate`
    const config = await bench.write('config.yaml', configuration(broker.port, protocol, gate))
    const first = bench.run(config)
    await first.ready()
    const idle = await memoryOf(first)
    assert.equal(await first.stop(), 0)
    await fill(url)

    const edgeboot = bench.run(config)
    await edgeboot.ready()
    const unacknowledged = async (): Promise<number> =>
      (await edgeboot.pipelines())[0]?.stats.unacknowledged ?? 0
    await until('the window to be full', async () => (await unacknowledged()) === window)
    // The broker would have closed the connection after one and a half of them.
    await sleep(4 * keepAliveMs)
    assert.equal(await unacknowledged(), window)
    const held = await memoryOf(edgeboot)

    const opened = performance.now()
    await writeFile(gate, '')
    await until('every result', () => results.size === messagesMax, 60_000).catch(() => undefined)
    const seconds = (performance.now() - opened) / 1000
    const { most } = await memoryOf(edgeboot)
    const connections = edgeboot.lines.filter(({ event }) => event === 'broker.connected').length
    const rounded = [idle.now, held.most, most].map(Math.round).join(' ')
    context.diagnostic(
      `MQTT ${protocol}: ${results.size} results in ${seconds.toFixed(1)} s; MiB idle, held, most: ${rounded}`,
    )
    assert.equal(results.size, messagesMax)
    assert.ok(held.most - idle.now < heldGrowthMiBMax, `${held.most} MiB held, ${idle.now} idle`)
    assert.ok(most - idle.now < flowingGrowthMiBMax, `${most} MiB at most, ${idle.now} idle`)
    assert.equal(connections, 2)
    assert.equal(collector.received, messagesMax)
    assert.equal(await edgeboot.stop(), 0)
  } finally {
    await collector.close()
    await bench.close()
    await broker.stop()
  }
}

describe('100,000 messages that waited for edgeboot', { skip: needsMosquitto }, () => {
  for (const protocol of ['5', '3.1.1'] as const) {
    const title = `come out with bounded memory, and a held model breaks no connection (MQTT ${protocol})`
    test(title, { timeout: 120_000 }, (context) => run(context, protocol))
  }
})
