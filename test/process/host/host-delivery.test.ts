/** QoS 1 through a real host process and a broker: what is left behind comes to the next host. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { systemClock } from '../../../src/core/clock.ts'
import type { FromHost } from '../../../src/host/host-messages.ts'
import { hostStarter, type HostProcess } from '../../../src/host/host-process.ts'
import type { PipelineStats } from '../../../src/pipeline/pipeline-stats.ts'
import { EmbeddedBroker } from '../../../src/transport/embedded-broker.ts'
import { brokerSettings } from '../../support/broker-settings.ts'
import { MqttPeer } from '../../support/mqtt-peer.ts'
import { assertBalanced } from '../../support/pipeline-bench.ts'
import { pipelineSettings } from '../../support/pipeline-settings.ts'
import { Scratch } from '../../support/scratch.ts'
import { until } from '../../support/wait.ts'

/** Answers everything but `{"n":2}`, for which it never comes back. */
const stubborn = 'export const handler = (event) => event.n === 2 ? new Promise(() => {}) : event\n'
const willing = 'export const handler = (event) => event\n'

/** A host process, with what it told. */
class Host {
  readonly heard: FromHost[] = []
  readonly process: HostProcess
  isGone = false

  constructor() {
    this.process = hostStarter(systemClock)(
      'delivery',
      { PATH: '/usr/bin:/bin' },
      {
        message: (message) => this.heard.push(message),
        disconnected: () => {},
        printed: () => {},
        broke: () => {},
        exited: () => (this.isGone = true),
      },
    )
  }

  get stats(): PipelineStats | undefined {
    return this.heard.findLast((message) => message.type === 'stats')?.stats
  }

  async counts(): Promise<PipelineStats> {
    this.process.send({ type: 'stats', requestId: 1 })
    const before = this.heard.length
    await until('the counts', () => this.heard.slice(before).some(({ type }) => type === 'stats'))
    assert.ok(this.stats)
    return this.stats
  }

  async gone(): Promise<void> {
    await until('the host to be gone', () => this.isGone)
  }
}

/** A broker, a peer at both its ends, and hosts of one pipeline with QoS 1. */
async function plant(
  t: TestContext,
): Promise<{ peer: MqttPeer; host: (source: string) => Promise<Host> }> {
  const scratch = await Scratch.make()
  const embedded = await EmbeddedBroker.start({ host: '127.0.0.1', port: 0 })
  const peer = await MqttPeer.connect(embedded.url)
  await peer.subscribe('out')
  const hosts: Host[] = []
  t.after(async () => {
    for (const { process, isGone } of hosts) if (!isGone) process.kill('SIGKILL')
    await Promise.all(hosts.map((host) => host.gone()))
    await peer.end()
    await embedded.close()
    await scratch[Symbol.asyncDispose]()
  })
  const broker = brokerSettings(embedded.url, { qos: 1, protocol: '3.1.1' })
  const settings = pipelineSettings({ queue: { size: 100, whenFull: 'block' } })
  const recordsFolder = scratch.path('sessions')
  const host = async (source: string): Promise<Host> => {
    const made = new Host()
    hosts.push(made)
    const modelFolder = `models/${hosts.length}`
    const entryFile = await scratch.write(`${modelFolder}/index.mjs`, source)
    made.process.send({
      type: 'start',
      pipeline: {
        ...settings,
        source: { ...settings.source, broker, recordsFolder, qos: 1, sessionExpirySeconds: 600 },
        sink: { ...settings.sink, broker, qos: 1 },
      },
      model: {
        name: 'echo',
        version: 'folder',
        runtime: 'javascript',
        format: 'module',
        folder: scratch.path(modelFolder),
        entryFile,
        modelsFolder: join(scratch.folder, 'models'),
      },
      judge: false,
      onProbation: false,
      runnerEnvironment: {},
      logLevel: 'info',
    })
    await until('the host to be ready', () =>
      made.heard.some((message) => message.type === 'state' && message.state === 'READY'),
    )
    return made
  }
  return { peer, host }
}

async function send(peer: MqttPeer, numbers: readonly number[]): Promise<void> {
  for (const n of numbers) await peer.publish('in/a', JSON.stringify({ n }), { qos: 1 })
}

/** One message is answered, then others are in the hands of a stubborn model: in one batch none would come out. */
async function begin(peer: MqttPeer, host: Host, others: readonly number[]): Promise<void> {
  await send(peer, [1])
  await until('the first result', () => peer.messages.length === 1)
  await send(peer, others)
  await until('the others in its hands', async () => {
    const { unacknowledged, published } = await host.counts()
    return published === 1 && unacknowledged === others.length
  })
}

const serials = (peer: MqttPeer): unknown[] =>
  peer.messages.map(({ text }) => (JSON.parse(text) as { n: number }).n)

test('what a stop cuts off stays with the broker and comes to the next host, in order', async (t) => {
  const { peer, host } = await plant(t)
  const first = await host(stubborn)
  await begin(peer, first, [2, 3])
  first.process.send({ type: 'stop', drainMs: 200 })
  await first.gone()
  assert.ok(first.stats)
  assertBalanced(first.stats)
  assert.equal(first.stats.dropped.unacknowledged, 2)
  assert.equal(first.stats.dropped.stopped, 0)
  const second = await host(willing)
  await until('the others', () => peer.messages.length >= 3)
  assert.deepEqual(serials(peer), [1, 2, 3])
  const counts = await until('no message in motion', async () => {
    const stats = await second.counts()
    return stats.unacknowledged === 0 ? stats : undefined
  })
  // Aedes marks none of them as a duplicate.
  assert.deepEqual([counts.received, counts.published], [2, 2])
})

test('after a SIGTERM to the whole group the main process says how long to drain', async (t) => {
  const { peer, host } = await plant(t)
  const first = await host(stubborn)
  await begin(peer, first, [2])
  first.process.kill('SIGTERM')
  // There and back twice: by then it has had the signal.
  for (let times = 0; times < 2; times++) await first.counts()
  first.process.send({ type: 'stop', drainMs: 200 })
  // Far sooner than its own 20 s: `until` would give up.
  await first.gone()
  assert.equal(first.stats?.dropped.unacknowledged, 1)
})

test('what a killed host had in its hands comes to the next one', async (t) => {
  const { peer, host } = await plant(t)
  const first = await host(stubborn)
  await begin(peer, first, [2, 3])
  first.process.kill('SIGKILL')
  await first.gone()
  // While nobody is there.
  await send(peer, [4])
  await host(willing)
  await until('the others', () => peer.messages.length >= 4)
  assert.deepEqual(serials(peer), [1, 2, 3, 4])
})
