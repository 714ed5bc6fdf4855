/**
 * The promise of QoS 1, put to the test: messages flow through a model while its runner, its host,
 * the main process and the broker are killed at random, and every one of them is answered.
 *
 * The broker is a Mosquitto as `deploy/mosquitto/mosquitto.conf` sets it up. A kill takes from it
 * what it acknowledged since it last saved, up to three seconds of it; edgeboot cannot bring that
 * back. So the publisher here keeps what was acknowledged since the last save and sends it again, as
 * `docs/delivery.md` tells those to do who kill brokers: what is still missing then, edgeboot lost.
 *
 * `EDGEBOOT_KILL_SEED=n` repeats a run's plan.
 */
import assert from 'node:assert/strict'
import { describe, test, type TestContext } from 'node:test'
import { planFaults, seededRandom, type Victim } from '../../src/cli/chaos/fault-plan.ts'
import { CarefulPublisher, type ScheduledMessage } from '../support/careful-publisher.ts'
import { DeliveryLedger } from '../support/delivery-ledger.ts'
import type { EdgebootProcess } from '../support/edgeboot-process.ts'
import { Killer } from '../support/killer.ts'
import { Mosquitto, needsMosquitto } from '../support/mosquitto.ts'
import { PersistentCollector } from '../support/persistent-collector.ts'
import { needsPython } from '../support/python-interpreters.ts'
import { until } from '../support/wait.ts'
import { Workbench } from '../support/workbench.ts'

const messagesMax = 20_000
const perSecond = 800
const devices = Array.from({ length: 20 }, (_, n) => `pump-${n + 1}`)
/** Messages that may be received and not yet acknowledged, and so come twice after a kill. */
const window = 200
/** Shorter than the broker is away: results go to the disk, and main is killed with some there. */
const spoolAfterMs = 100
const noProgressMs = 20_000
const seed = Number(process.env['EDGEBOOT_KILL_SEED'] ?? 20_260_917)

const pythonModel = `import time


def handle_batch(events, contexts):
    time.sleep(0.0005 * len(events))
    return [[event["deviceInfo"]["deviceName"], event["telemetry"]["seq"]] for event in events]
`

const typeScriptModel = `interface Message {
  deviceInfo: { deviceName: string }
  telemetry: { seq: number }
}

const nobody = new Int32Array(new SharedArrayBuffer(4))

export function handler(event: Message) {
  Atomics.wait(nobody, 0, 0, 0.5)
  return [event.deviceInfo.deviceName, event.telemetry.seq]
}
`

/** A message in the shape of pyboot's samples, about 250 bytes. */
function scheduled(index: number): ScheduledMessage {
  const deviceName = deviceOf(index)
  const seq = seqOf(index)
  const deviceInfo = { deviceName, edgeDeviceName: 'plant', topic: 'GG2', edgeCalculation: false }
  const telemetry = {
    ts: 1585194439000 + index,
    seq,
    RC_cylinder1_1P_d_dispPeak: 86,
    OPC温度: 10370,
  }
  const model_data = { window: 'short', trend_model_data: [[1585298907056, 33]] }
  return {
    topic: `in/${deviceName}`,
    payload: JSON.stringify({ deviceInfo, telemetry, model_data }),
    dueMs: (index * 1000) / perSecond,
  }
}

function deviceOf(index: number): string {
  return devices[index % devices.length] ?? ''
}

function seqOf(index: number): number {
  return Math.floor(index / devices.length)
}

function configuration(port: number): string {
  const entries = devices.map((name) => `      - { deviceName: ${name} }\n`)
  return (
    `mqtts:\n  - { name: plant, broker: "tcp://127.0.0.1:${port}", qos: 1 }\n` +
    `rules:\n  - name: kill\n    sub: { name: plant, topic: in/#, clientId: kill-in }\n` +
    `    pub: { name: plant, topic: out/results, clientId: kill-out, timeout: ${spoolAfterMs}ms }\n` +
    `    queue: { size: ${window} }\n` +
    `funcs:\n  - modelName: echo\n    workers: 2\n    devices:\n${entries.join('')}` +
    `models: { folder: models }\nweb: { port: 0 }\n`
  )
}

async function run(
  context: TestContext,
  model: { readonly file: string; readonly text: string },
  counts: Readonly<Record<Victim, number>>,
): Promise<void> {
  const broker = await Mosquitto.startAsReference()
  const bench = await Workbench.open()
  const ledger = new DeliveryLedger()
  const url = `mqtt://127.0.0.1:${broker.port}`
  const collector = await PersistentCollector.open(url, {
    clientId: 'collector',
    filter: 'out/#',
    message(payload) {
      const [device, seq] = JSON.parse(payload.toString()) as [string, number]
      ledger.collected(device, seq, Date.now())
    },
  })
  const messages = Array.from({ length: messagesMax }, (_, index) => scheduled(index))
  const publisher = new CarefulPublisher(url, messages, (index) =>
    ledger.published(deviceOf(index), seqOf(index)),
  )
  const forgot = (from: number, to: number): void => {
    publisher.brokerForgot(from)
    ledger.brokerForgot(from, to)
  }
  try {
    await bench.write(model.file, model.text)
    const config = await bench.write('config.yaml', configuration(broker.port))
    const killer = new Killer({ broker, start: () => bench.run(config), forgot })
    await killer.edgeboot.ready()
    await broker.saved() // both sessions with their subscriptions
    const publishing = publisher.run()
    const spanMs = (messagesMax / perSecond) * 1000
    const plan = planFaults({ kills: counts, troubles: {} }, spanMs, seededRandom(seed))
    try {
      await killer.follow(plan)
      await everythingCame(ledger, publisher)
    } finally {
      publisher.close()
      await publishing
    }
    const summary = ledger.summary()
    const kills = plan.length
    context.diagnostic(JSON.stringify({ seed, ...summary, kills: counts, ...killer.facts }))
    assert.ok(kills >= 20, `${kills} kills`)
    assert.equal(summary.sent, messagesMax)
    assert.deepEqual([summary.lost, summary.lostExamples], [0, []])
    assert.deepEqual([summary.disordered, summary.unknown], [[], []])
    await settled(killer.edgeboot)
    const { byEdgeboot } = ledger.summary().duplicates
    assert.ok(byEdgeboot <= window * kills, `${byEdgeboot} duplicates for ${kills} kills`)
    assert.equal(await killer.edgeboot.stop(), 0)
  } finally {
    await collector.close()
    await bench.close()
    await broker.stop()
  }
}

/** Returns as well when nothing has come for {@link noProgressMs}: the ledger then says what is missing. */
async function everythingCame(ledger: DeliveryLedger, publisher: CarefulPublisher): Promise<void> {
  let delivered = 0
  let progressAt = performance.now()
  await until(
    'everything to come, or nothing any more',
    () => {
      if (publisher.isDone && ledger.delivered === messagesMax) return true
      if (ledger.delivered > delivered) progressAt = performance.now()
      delivered = ledger.delivered
      return performance.now() - progressAt > noProgressMs
    },
    120_000,
  )
}

/** Waits until nothing is left inside, and checks that the last host's counts add up. */
async function settled(edgeboot: EdgebootProcess): Promise<void> {
  const stats = await until('nothing to be in motion', async () => {
    const [pipeline] = await edgeboot.pipelines()
    if (pipeline === undefined) return undefined
    const { inMotion, spooled, unacknowledged } = pipeline.stats
    return inMotion + spooled + unacknowledged === 0 ? pipeline.stats : undefined
  })
  const dropped = Object.values(stats.dropped).reduce((sum, count) => sum + count)
  assert.equal(dropped, 0)
  assert.equal(stats.received + stats.fannedOut + stats.recovered, stats.published)
}

describe('20,000 messages with QoS 1 while everything is killed', { skip: needsMosquitto }, () => {
  const options = { timeout: 180_000 }

  test('are all answered by a Python model', { ...options, skip: needsPython }, (context) =>
    run(
      context,
      { file: 'models/echo/index.py', text: pythonModel },
      { runner: 7, host: 6, main: 5, broker: 4 },
    ),
  )

  test('are all answered by a TypeScript model', options, (context) =>
    run(
      context,
      { file: 'models/echo/index.ts', text: typeScriptModel },
      { runner: 0, host: 11, main: 6, broker: 4 },
    ),
  )
})
