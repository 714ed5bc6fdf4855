/** QoS 1 over MQTT against brokers that do what goes wrong in the field. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, it } from 'node:test'
import type { BrokerSettings, SourceSettings } from '../../src/config/settings.ts'
import { systemClock } from '../../src/core/clock.ts'
import { createAbandonedSessions } from '../../src/transport/mqtt/create-mqtt-transport.ts'
import type { Source, SourceMessage } from '../../src/transport/transport.ts'
import { brokerSettings } from '../support/broker-settings.ts'
import { Mosquitto, needsMosquitto } from '../support/mosquitto.ts'
import { MqttPeer } from '../support/mqtt-peer.ts'
import { RecordedLog } from '../support/recorded-log.ts'
import {
  reply,
  ScriptedBroker,
  type ScriptedPacket,
  type ScriptedPublish,
} from '../support/scripted-broker.ts'
import {
  openSink as openMqttSink,
  openSource as openMqttSource,
  type Recorder,
  uniqueId,
} from '../support/transport-fixture.ts'
import { until } from '../support/wait.ts'

const undo: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const each of undo.splice(0).toReversed()) await each()
})

const openSource = async (
  broker: BrokerSettings,
  options: Partial<SourceSettings> & { readonly unconnected?: boolean } = {},
): ReturnType<typeof openMqttSource> => {
  const made = await openMqttSource(broker, { qos: 1, ...options })
  undo.push(() => made.source.close())
  return made
}

const openSink = async (broker: BrokerSettings): ReturnType<typeof openMqttSink> => {
  const made = await openMqttSink(broker, { qos: 1 })
  undo.push(() => made.sink.close(0))
  return made
}

async function recordsFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'edgeboot-sessions-'))
  undo.push(() => rm(folder, { recursive: true, force: true }))
  return folder
}

function acknowledge(source: Source, messages: readonly SourceMessage[]): void {
  for (const { ack } of messages) if (ack) source.acknowledge(ack)
}

const received = (record: Recorder, count: number): Promise<boolean> =>
  until(`${count} messages`, () => record.messages.length >= count)

type Script = (packet: ScriptedPacket, socket: Socket, connection: number) => void

for (const protocol of ['5', '3.1.1'] as const) {
  const version = protocol === '5' ? 5 : 4
  const settings = (url: string, overrides: Partial<BrokerSettings> = {}): BrokerSettings =>
    brokerSettings(url, { protocol, ...overrides })

  /**
   * A broker that lets everybody in and grants what is asked; what else it does, it is told.
   *
   * @param options.isPresent - Whether the n-th connection, from 1, finds its session.
   */
  async function startScripted(
    more: Script,
    options: {
      readonly isPresent?: (connection: number) => boolean
      readonly properties?: readonly number[]
    } = {},
  ): Promise<ScriptedBroker> {
    const { isPresent = () => false, properties = [] } = options
    let connections = 0
    const numbers = new Map<Socket, number>()
    const broker = await ScriptedBroker.start((packet, socket) => {
      if (packet.name === 'connect') {
        numbers.set(socket, ++connections)
        const present = isPresent(connections)
        const answer =
          version === 5 ? reply.connack5(0, properties, present) : reply.connack311(0, present)
        socket.write(answer)
      }
      if (packet.name === 'subscribe') socket.write(reply.suback(packet, version, 1))
      if (packet.name === 'unsubscribe') socket.write(reply.unsuback(packet, version))
      more(packet, socket, numbers.get(socket) ?? 0)
    })
    undo.push(() => broker.stop())
    return broker
  }

  const message = (id: number, more: Partial<ScriptedPublish> = {}): Buffer =>
    reply.publish(version, { topic: 'in', payload: String(id), qos: 1, id, ...more })
  const confirm = (packet: ScriptedPacket, socket: Socket, code = 0): void => {
    socket.write(reply.puback(version, packet.decoded.messageId ?? 0, code))
  }
  const idsOf = (broker: ScriptedBroker, name: 'puback' | 'publish'): (number | undefined)[] =>
    broker.packets.filter((packet) => packet.name === name).map(({ decoded }) => decoded.messageId)

  describe(`delivery over MQTT ${protocol}`, () => {
    it('acknowledges a message only when the broker has confirmed its result', async () => {
      const waiting: (() => void)[] = []
      const broker = await startScripted((packet, socket) => {
        if (packet.name === 'subscribe') for (const id of [7, 8]) socket.write(message(id))
        if (packet.name === 'publish') waiting.push(() => confirm(packet, socket))
      })
      const { sink } = await openSink(settings(broker.url))
      const { source, record } = await openSource(settings(broker.url), { unconnected: true })
      record.onMessage = ({ payload, ack }) => {
        sink.publish({ topic: 'out', payload }, (outcome) => {
          assert.equal(outcome, 'published')
          if (ack) source.acknowledge(ack)
        })
      }
      await until('both results', () => waiting.length === 2)
      assert.deepEqual(idsOf(broker, 'puback'), [])
      waiting[0]?.()
      await until('a PUBACK', () => idsOf(broker, 'puback').length === 1)
      assert.deepEqual(idsOf(broker, 'puback'), [7])
      waiting[1]?.()
      await until('the other PUBACK', () => idsOf(broker, 'puback').length === 2)
      assert.deepEqual(idsOf(broker, 'puback'), [7, 8])
    })

    it('discards acknowledgements of an older connection, and passes duplicates on as such', async () => {
      const broker = await startScripted(
        (packet, socket, connection) => {
          if (packet.name !== 'subscribe') return
          const duplicate = connection > 1
          socket.write(Buffer.concat([message(1, { duplicate }), message(2, { duplicate })]))
        },
        { isPresent: (connection) => connection > 1 },
      )
      const { source, record } = await openSource(settings(broker.url))
      await received(record, 2)
      for (const socket of broker.sockets) socket.destroy()
      await received(record, 4)
      assert.deepEqual(
        record.messages.map(({ duplicate }) => duplicate),
        [false, false, true, true],
      )
      acknowledge(source, record.messages.slice(0, 3))
      await until('a PUBACK', () => idsOf(broker, 'puback').length > 0)
      // It would come after them.
      await source.close()
      await until('the goodbye', () => broker.packets.at(-1)?.name === 'disconnect')
      assert.deepEqual(idsOf(broker, 'puback'), [1])
      assert.equal(record.sessionsLost, 0)
    })

    it('tells that the session is gone, and subscribes again', async () => {
      const broker = await startScripted(() => {})
      const { record } = await openSource(settings(broker.url))
      for (const socket of broker.sockets) socket.destroy()
      await record.reached('connected', record.states.length)
      assert.equal(record.sessionsLost, 1)
      const subscribes = broker.packets.filter(({ name }) => name === 'subscribe')
      assert.equal(subscribes.length, 2)
    })

    it('never passes on more than its window to an owner, although the broker sends more', async () => {
      const broker = await startScripted((packet, socket) => {
        if (packet.name !== 'subscribe') return
        for (let id = 1; id <= 200; id++) socket.write(message(id))
      })
      const { source, record } = await openSource(settings(broker.url), { window: 10 })
      const [connect] = broker.packets
      const announced = connect?.decoded.cmd === 'connect' && connect.decoded.properties
      if (version === 5) assert.equal(announced && announced.receiveMaximum, 10)
      for (let acknowledged = 0; acknowledged < 200; acknowledged += 1) {
        await received(record, acknowledged + 1)
        assert.ok(record.messages.length <= acknowledged + 10)
        acknowledge(source, record.messages.slice(acknowledged, acknowledged + 1))
      }
      await until('all PUBACKs', () => idsOf(broker, 'puback').length === 200)
      assert.deepEqual(
        idsOf(broker, 'puback'),
        Array.from({ length: 200 }, (_, i) => i + 1),
      )
      const lines = record.lines.filter(({ event }) => event === 'broker.receive-maximum-exceeded')
      assert.equal(lines.length, version === 5 ? 1 : 0)
    })

    it('is connected once its window lets it read the answer to SUBSCRIBE', async () => {
      const broker = await startScripted(
        (packet, socket) => {
          // The answer to SUBSCRIBE stands behind more than the window holds.
          if (packet.name !== 'connect') return
          for (let id = 1; id <= 30; id++) socket.write(message(id))
        },
        { isPresent: () => true },
      )
      const options = { window: 5, unconnected: true }
      const { source, record } = await openSource(settings(broker.url), options)
      await received(record, 5)
      record.onMessage = (next) => {
        record.messages.push(next)
        acknowledge(source, [next])
      }
      acknowledge(source, record.messages)
      await record.reached('connected')
      assert.deepEqual(
        record.texts,
        Array.from({ length: 30 }, (_, i) => String(i + 1)),
      )
    })

    it('has written what was acknowledged before it says goodbye', async () => {
      const broker = await startScripted((packet, socket) => {
        if (packet.name === 'subscribe') for (const id of [1, 2, 3]) socket.write(message(id))
      })
      const { source, record } = await openSource(settings(broker.url))
      await received(record, 3)
      source.drain()
      acknowledge(source, record.messages)
      await source.close()
      await until('the goodbye', () => broker.packets.at(-1)?.name === 'disconnect')
      assert.deepEqual(
        broker.packets.slice(-4).map(({ name }) => name),
        ['puback', 'puback', 'puback', 'disconnect'],
      )
    })

    it('sends unconfirmed results again, marked and in order, on the next connection', async () => {
      const seen: string[] = []
      const broker = await startScripted((packet, socket, connection) => {
        if (packet.decoded.cmd !== 'publish') return
        seen.push(`${packet.decoded.payload.toString()}${packet.decoded.dup ? ' again' : ''}`)
        if (connection > 1 || seen.length === 2) confirm(packet, socket)
        if (connection === 1 && seen.length === 3) setImmediate(() => socket.destroy())
      })
      const { sink, record } = await openSink(settings(broker.url))
      for (const text of ['a', 'b', 'c']) {
        sink.publish({ topic: 'out', payload: Buffer.from(text) }, record.settled)
      }
      await until('all settled', () => record.outcomes.length === 3)
      assert.deepEqual(record.outcomes, ['published', 'published', 'published'])
      assert.deepEqual(seen.slice(0, 3), ['a', 'b', 'c'])
      // The confirmation of b may have been lost with the connection.
      const again = seen.slice(3).filter((text) => text !== 'b again')
      assert.deepEqual(again, ['a again', 'c again'])
    })

    it('finds out that a broker is only half there, and sends again what it never confirmed', async () => {
      const broker = await startScripted((packet, socket, connection) => {
        // The first connection stays open and deaf: no PINGRESP, no PUBACK.
        if (connection > 1 && packet.name === 'publish') confirm(packet, socket)
      })
      const { sink, record } = await openSink(settings(broker.url, { keepAliveSeconds: 1 }))
      sink.publish({ topic: 'out', payload: Buffer.from('x') }, record.settled)
      const state = await record.reached('waiting')
      assert.match(state.status === 'waiting' ? state.reason : '', /no longer answers/)
      await until('settled', () => record.outcomes.length === 1)
      assert.deepEqual(record.outcomes, ['published'])
      const publishes = broker.packets.filter(({ name }) => name === 'publish')
      assert.equal(publishes.length, 2)
    })
  })

  describe(`a Mosquitto that restarts, over MQTT ${protocol}`, { skip: needsMosquitto }, () => {
    const urlOf = (mosquitto: Mosquitto): string => `mqtt://127.0.0.1:${mosquitto.port}`
    const peerOf = async (mosquitto: Mosquitto): Promise<MqttPeer> => {
      const peer = await MqttPeer.connect(urlOf(mosquitto))
      undo.push(() => peer.end())
      return peer
    }

    it('has lost the session without persistence, and it is told', async () => {
      const mosquitto = await Mosquitto.start()
      undo.push(() => mosquitto.stop())
      const { record } = await openSource(settings(urlOf(mosquitto)), { topic: 'in/#' })
      await mosquitto.halt('SIGKILL')
      await record.reached('waiting')
      await mosquitto.resume()
      await until('the loss', () => record.sessionsLost === 1)
      await until('connected', () => record.statuses.at(-1) === 'connected')
      const peer = await peerOf(mosquitto)
      await peer.publish('in/1', 'fresh', { qos: 1 })
      await received(record, 1)
    })

    it('has everything with the settings that edgeboot recommends, killed or not', async () => {
      const mosquitto = await Mosquitto.startAsReference()
      undo.push(() => mosquitto.stop())
      const folder = await recordsFolder()
      const clientId = uniqueId('kept')
      const options = { topic: 'in/#', clientId, recordsFolder: folder }
      const { source, record } = await openSource(settings(urlOf(mosquitto)), options)
      const peer = await peerOf(mosquitto)
      for (let i = 0; i < 5; i++) await peer.publish('in/1', String(i), { qos: 1 })
      await received(record, 5)
      await source.close()
      for (let i = 5; i < 10; i++) await peer.publish('in/1', String(i), { qos: 1 })
      await mosquitto.saved()
      await mosquitto.halt('SIGKILL')
      await mosquitto.resume()
      const { record: next } = await openSource(settings(urlOf(mosquitto)), options)
      await received(next, 10)
      assert.deepEqual(
        next.texts,
        Array.from({ length: 10 }, (_, i) => String(i)),
      )
      assert.equal(next.sessionsLost, 0)
    })

    it('stops sending for a filter that left the configuration; what it had is marked', async () => {
      const mosquitto = await Mosquitto.start()
      undo.push(() => mosquitto.stop())
      const shared = { clientId: uniqueId('moved'), recordsFolder: await recordsFolder() }
      const { source } = await openSource(settings(urlOf(mosquitto)), { ...shared, topic: 'old/#' })
      await source.close()
      const peer = await peerOf(mosquitto)
      await peer.publish('old/1', 'late', { qos: 1 })
      const { record } = await openSource(settings(urlOf(mosquitto)), { ...shared, topic: 'new/#' })
      await peer.publish('old/1', 'never', { qos: 1 })
      await peer.publish('new/1', 'ours', { qos: 1 })
      await until('ours', () => record.texts.includes('ours'))
      assert.deepEqual(
        record.messages.map(({ topic, stray }) => [topic, stray === true]),
        [
          ['old/1', true],
          ['new/1', false],
        ],
      )
    })

    it('is told of a client id that nobody uses any more, and keeps what it had', async () => {
      const mosquitto = await Mosquitto.start()
      undo.push(() => mosquitto.stop())
      const broker = settings(urlOf(mosquitto))
      const folder = await recordsFolder()
      const options = { clientId: uniqueId('gone'), recordsFolder: folder, topic: 'in/#' }
      const { source } = await openSource(broker, options)
      await source.close()
      const peer = await peerOf(mosquitto)
      await peer.publish('in/1', 'before', { qos: 1 })
      const log = new RecordedLog()
      const sweep = createAbandonedSessions({
        recordsFolder: folder,
        brokers: [broker],
        sources: [],
        clock: systemClock,
        log: log.logger,
      })
      undo.push(() => sweep.close())
      sweep.start()
      await sweep.finished()
      assert.equal(log.of('broker.session-abandoned').length, 1)
      await peer.publish('in/1', 'after', { qos: 1 })
      const { record } = await openSource(broker, options)
      await peer.publish('in/1', 'again', { qos: 1 })
      await until('again', () => record.texts.includes('again'))
      assert.deepEqual(record.texts, ['before', 'again'])
    })
  })
}

describe('what only MQTT 5 can say', () => {
  const settings = (broker: ScriptedBroker): BrokerSettings =>
    brokerSettings(broker.url, { protocol: '5' })
  async function start(
    properties: readonly number[],
    publish: (packet: ScriptedPacket, socket: Socket, count: number) => void,
  ): Promise<ScriptedBroker> {
    let count = 0
    const broker = await ScriptedBroker.start((packet, socket) => {
      if (packet.name === 'connect') socket.write(reply.connack5(0, properties))
      if (packet.name === 'subscribe') socket.write(reply.suback(packet, 5, 1))
      if (packet.name === 'publish') publish(packet, socket, ++count)
    })
    undo.push(() => broker.stop())
    return broker
  }
  const answer = (packet: ScriptedPacket, socket: Socket, code = 0): void => {
    socket.write(reply.puback(5, packet.decoded.messageId ?? 0, code))
  }

  it('keeps to the receive maximum of the broker', async () => {
    const open: (() => void)[] = []
    let most = 0
    const broker = await start([0x21, 0, 3], (packet, socket) => {
      open.push(() => answer(packet, socket))
      most = Math.max(most, open.length)
    })
    const { sink, record } = await openSink(settings(broker))
    for (let i = 0; i < 20; i++) {
      sink.publish({ topic: 'out', payload: Buffer.from(String(i)) }, record.settled)
    }
    while (record.outcomes.length < 20) {
      const expected = Math.min(3, 20 - record.outcomes.length)
      await until('as many as allowed', () => open.length === expected)
      const { length } = record.outcomes
      open.shift()?.()
      await until('settled', () => record.outcomes.length === length + 1)
    }
    assert.equal(most, 3)
  })

  it('gives up a result that is larger than the broker takes, and publishes the next', async () => {
    const broker = await start([0x27, 0, 0, 0, 100], answer)
    const { sink, record } = await openSink(settings(broker))
    sink.publish({ topic: 'out', payload: Buffer.alloc(100) }, record.settled)
    sink.publish({ topic: 'out', payload: Buffer.alloc(10) }, record.settled)
    await until('both settled', () => record.outcomes.length === 2)
    assert.deepEqual(record.outcomes, ['too-large', 'published'])
  })

  it('tries a result again that is over a quota, and gives one up that is not allowed', async () => {
    const broker = await start([], (packet, socket, count) => {
      const isForbidden = packet.decoded.cmd === 'publish' && packet.decoded.topic === 'forbidden'
      if (isForbidden) answer(packet, socket, 0x87)
      else answer(packet, socket, count === 1 ? 0x97 : 0x10)
    })
    const { sink, record } = await openSink(settings(broker))
    sink.publish({ topic: 'out', payload: Buffer.from('x') }, record.settled)
    sink.publish({ topic: 'forbidden', payload: Buffer.from('x') }, record.settled)
    await until('both settled', () => record.outcomes.length === 2)
    assert.deepEqual(record.outcomes.toSorted(), ['published', 'refused'])
    const line = record.lines.find(({ event }) => event === 'result.refused')
    assert.equal(line?.fields['topic'], 'forbidden')
    assert.equal(line.fields['reason'], 'not authorised')
  })

  it('leaves the session to another client when it is told so', async () => {
    const broker = await start([], () => {})
    const { record } = await openSource(settings(broker), { clientId: 'twice' })
    for (const socket of broker.sockets) socket.write(reply.disconnect5(0x8e))
    const state = await record.reached('taken')
    assert.equal(state.status === 'taken' && state.error?.code, 'BROKER_SESSION_TAKEN')
    assert.match(state.status === 'taken' ? state.reason : '', /"twice".*another client/)
  })

  it('names the code of a DISCONNECT that nobody knows', async () => {
    const broker = await start([], () => {})
    const { record } = await openSource(settings(broker))
    for (const socket of broker.sockets) socket.write(reply.disconnect5(0xb7))
    const state = await record.reached('waiting')
    assert.match(state.status === 'waiting' ? state.reason : '', /unknown reason code 0xB7/)
  })
})
