/** What a chaos run sends and reads with must lose nothing of itself. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ChaosCollector } from '../../../src/cli/chaos/collector.ts'
import { findMosquitto, LocalBroker } from '../../../src/cli/chaos/local-broker.ts'
import { MessagePlan } from '../../../src/cli/chaos/message-plan.ts'
import { ChaosPublisher } from '../../../src/cli/chaos/publisher.ts'
import { silentLogger } from '../../../src/core/log.ts'
import { brokerSettings } from '../../support/broker-settings.ts'
import { needsMosquitto } from '../../support/mosquitto.ts'
import { PersistentCollector } from '../../support/persistent-collector.ts'
import { Scratch } from '../../support/scratch.ts'
import { until } from '../../support/wait.ts'

const messagesMax = 2_000

test(
  'devices lose nothing and keep their order when the broker is killed, and when it restarts',
  {
    skip: needsMosquitto,
  },
  async () => {
    await using scratch = await Scratch.make()
    const broker = await LocalBroker.start(findMosquitto(undefined, {}), scratch.path('broker'))
    const url = `mqtt://127.0.0.1:${broker.port}`
    const seen: number[] = []
    const reader = await PersistentCollector.open(url, {
      clientId: 'reader',
      filter: 'in/#',
      message: (payload) => seen.push((JSON.parse(payload.toString()) as { n: number }).n),
    })
    await broker.saved()
    const stream = { broker: 'plant', topic: 'in/a', device: 'a', isGenerated: false, event: {} }
    const plan = new MessagePlan({
      streams: [stream],
      poison: [],
      messages: messagesMax,
      perSecond: 1000,
      poisonEvery: 0,
      undecodableEvery: 0,
    })
    let leftTwice = 0
    const left = new Set<number>()
    const publisher = new ChaosPublisher({
      broker: brokerSettings(url, { qos: 1 }),
      log: silentLogger,
      indexes: Array.from({ length: messagesMax }, (_, index) => index),
      messageAt: (index) => ({ ...plan.at(index), payload: Buffer.from(`{"n":${index}}`) }),
      sent: (index) => {
        if (left.has(index)) leftTwice += 1
        left.add(index)
      },
    })
    await publisher.start()
    for (const [share, how] of [
      [0.3, 'SIGKILL'],
      [0.6, 'SIGTERM'],
      [0.9, 'SIGKILL'],
    ] as const) {
      await until(`${share} of the messages`, () => new Set(seen).size >= share * messagesMax)
      await publisher.holdBack()
      await broker.halt(how)
      const since = how === 'SIGKILL' ? await broker.forgottenSince() : Infinity
      await broker.resume()
      await publisher.brokerIsBack(since)
    }
    await until('every message', () => publisher.isDone && new Set(seen).size === messagesMax)
    await publisher.close()
    await reader.close()
    await broker.halt('SIGKILL')
    assert.deepEqual([...new Set(seen)], [...left])
    assert.ok(leftTwice > 0, 'what the broker forgot was sent again')
  },
)

test(
  'the collector takes results by their ids, and misses none while the broker restarts',
  {
    skip: needsMosquitto,
  },
  async () => {
    await using scratch = await Scratch.make()
    const broker = await LocalBroker.start(findMosquitto(undefined, {}), scratch.path('broker'))
    const settings = brokerSettings(`mqtt://127.0.0.1:${broker.port}`, { qos: 1 })
    const ids: string[] = []
    const collector = new ChaosCollector({
      broker: settings,
      filter: 'out/#',
      recordsFolder: scratch.path('records'),
      log: silentLogger,
      result: (id) => ids.push(id),
    })
    await collector.start()
    const { connect } = await import('mqtt')
    const publish = async (id: string): Promise<void> => {
      const client = connect(settings.url, { protocolVersion: 5 })
      const properties = { userProperties: { 'edgeboot-id': id } }
      await client.publishAsync('out/a', 'x', { qos: 1, properties: id === '' ? {} : properties })
      await client.endAsync()
    }
    await publish('one')
    await publish('')
    await until('one', () => ids.length === 1)
    await broker.halt('SIGTERM')
    await broker.resume()
    await publish('two')
    await collector.reconnect()
    await until('two', () => ids.includes('two'))
    await collector.close()
    await broker.halt('SIGKILL')
    assert.deepEqual(ids, ['one', 'two'])
  },
)
