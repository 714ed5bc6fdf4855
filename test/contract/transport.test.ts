/** What every Source and every Sink promises, over memory and over MQTT in all its dresses. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, describe, it } from 'node:test'
import type { BrokerSettings } from '../../src/config/settings.ts'
import { EmbeddedBroker } from '../../src/transport/embedded-broker.ts'
import { MemorySink, MemorySource } from '../../src/transport/memory-transport.ts'
import type { Sink, Source } from '../../src/transport/transport.ts'
import { brokerSettings } from '../support/broker-settings.ts'
import { needsOpenssl, TestAuthority } from '../support/certificates.ts'
import { freePort, Mosquitto, needsMosquitto } from '../support/mosquitto.ts'
import { MqttPeer } from '../support/mqtt-peer.ts'
import {
  openSink as openMqttSink,
  openSource as openMqttSource,
  Recorder,
  uniqueId,
} from '../support/transport-fixture.ts'
import { until } from '../support/wait.ts'

/** A message as the far side of a transport sees it. */
interface Seen {
  readonly topic: string
  readonly text: string
}

/** One implementation with its far side. */
interface Implementation {
  readonly name: string
  readonly protocol: string
  readonly skip?: false | string
  /** Payload that its far side can deliver; default 1 MiB. */
  readonly payloadBytesMax?: number
  open(): Promise<void>
  close(): Promise<void>
  openSource(topic: string): Promise<{ source: Source; record: Recorder }>
  openSink(): Promise<{ sink: Sink; record: Recorder }>
  /** Publishes from the far side to the sources. */
  send(topic: string, payload: string | Buffer): Promise<void>
  /** What has come out of the sinks under this topic prefix. */
  seen(prefix: string): readonly Seen[]
}

/** Memory: the test is the broker. */
function memory(): Implementation {
  const sources: MemorySource[] = []
  const sinks: MemorySink[] = []
  return {
    name: 'memory',
    protocol: 'memory',
    open: async () => {},
    close: async () => {},
    openSource: async () => {
      const source = new MemorySource()
      const record = new Recorder()
      sources.push(source)
      await source.start(record.listener)
      return { source, record }
    },
    openSink: async () => {
      const sink = new MemorySink()
      const record = new Recorder()
      sinks.push(sink)
      await sink.start(record.listener)
      return { sink, record }
    },
    send: async (topic, payload) => sources.at(-1)?.deliver(topic, payload),
    seen: (prefix) =>
      sinks.flatMap((sink) =>
        sink.published
          .filter(({ topic }) => topic.startsWith(prefix))
          .map(({ topic, payload }) => ({ topic, text: Buffer.from(payload).toString() })),
      ),
  }
}

/** MQTT towards a broker that `connect` starts. */
function mqtt(
  name: string,
  protocol: '5' | '3.1.1',
  options: { readonly skip: false | string; readonly payloadBytesMax?: number },
  connect: () => Promise<{
    settings: BrokerSettings
    peerUrl: string
    stop: () => Promise<void>
  }>,
): Implementation {
  let broker: Awaited<ReturnType<typeof connect>>
  let peer: MqttPeer
  return {
    name,
    protocol,
    ...options,
    open: async () => {
      broker = await connect()
      peer = await MqttPeer.connect(broker.peerUrl)
      await peer.subscribe('out/#')
    },
    close: async () => {
      await peer.end()
      await broker.stop()
    },
    openSource: (topic) => openMqttSource(broker.settings, { topic }),
    openSink: () => openMqttSink(broker.settings),
    send: (topic, payload) => peer.publish(topic, payload),
    seen: (prefix) =>
      peer.messages
        .filter(({ topic }) => topic.startsWith(prefix))
        .map(({ topic, text }) => ({ topic, text })),
  }
}

/** One Mosquitto with a listener of each kind, for all that use it. */
class ManyListeners {
  readonly folder: string
  readonly caFile: string
  readonly mosquitto: Mosquitto
  readonly ports: { readonly tls: number; readonly ws: number; readonly wss: number }

  private constructor(
    folder: string,
    caFile: string,
    mosquitto: Mosquitto,
    ports: ManyListeners['ports'],
  ) {
    this.folder = folder
    this.caFile = caFile
    this.mosquitto = mosquitto
    this.ports = ports
  }

  static async start(): Promise<ManyListeners> {
    const folder = await mkdtemp(join(tmpdir(), 'edgeboot-tls-'))
    const authority = await TestAuthority.create(folder, 'authority')
    const server = await authority.issue('server', 'IP:127.0.0.1,DNS:localhost')
    const ports = { tls: await freePort(), ws: await freePort(), wss: await freePort() }
    const tls = [`certfile ${server.certFile}`, `keyfile ${server.keyFile}`]
    const mosquitto = await Mosquitto.start([
      'allow_anonymous true',
      'max_queued_messages 0',
      `listener ${ports.tls} 127.0.0.1`,
      ...tls,
      `listener ${ports.ws} 127.0.0.1`,
      'protocol websockets',
      `listener ${ports.wss} 127.0.0.1`,
      'protocol websockets',
      ...tls,
    ])
    return new ManyListeners(folder, authority.caFile, mosquitto, ports)
  }

  async stop(): Promise<void> {
    await this.mosquitto.stop()
    await rm(this.folder, { recursive: true, force: true })
  }
}

/** Mosquitto 2.0.11 leaves larger messages stuck in a WebSocket until something else is sent. */
const mosquittoWebSocketBytesMax = 65_000

function dressOptions(dress: string): { skip: false | string; payloadBytesMax?: number } {
  const skip = needsMosquitto || needsOpenssl
  if (!dress.startsWith('WebSocket')) return { skip }
  return { skip, payloadBytesMax: mosquittoWebSocketBytesMax }
}

function mosquittoImplementations(): Implementation[] {
  const dress = (
    name: string,
    protocol: '5' | '3.1.1',
    url: (many: ManyListeners) => string,
  ): Implementation =>
    mqtt(`Mosquitto over ${name}, MQTT ${protocol}`, protocol, dressOptions(name), async () => {
      const many = await ManyListeners.start()
      const tls = { caFile: many.caFile, insecure: false }
      return {
        settings: brokerSettings(url(many), { protocol, tls }),
        peerUrl: `mqtt://127.0.0.1:${many.mosquitto.port}`,
        stop: () => many.stop(),
      }
    })
  return [
    dress('TCP', '5', (many) => `mqtt://127.0.0.1:${many.mosquitto.port}`),
    dress('TCP', '3.1.1', (many) => `mqtt://127.0.0.1:${many.mosquitto.port}`),
    dress('TLS', '5', (many) => `mqtts://127.0.0.1:${many.ports.tls}`),
    dress('TLS', '3.1.1', (many) => `mqtts://localhost:${many.ports.tls}`),
    dress('WebSocket', '5', (many) => `ws://127.0.0.1:${many.ports.ws}`),
    dress('WebSocket', '3.1.1', (many) => `ws://127.0.0.1:${many.ports.ws}/mqtt`),
    dress('WebSocket with TLS', '5', (many) => `wss://localhost:${many.ports.wss}`),
    dress('WebSocket with TLS', '3.1.1', (many) => `wss://127.0.0.1:${many.ports.wss}/mqtt`),
  ]
}

function embeddedImplementations(): Implementation[] {
  const dress = (
    name: string,
    url: (broker: EmbeddedBroker) => string | undefined,
  ): Implementation =>
    mqtt(`the embedded broker over ${name}`, '3.1.1', { skip: false }, async () => {
      const broker = await EmbeddedBroker.start({ host: '127.0.0.1', port: 0, webSocketPort: 0 })
      return {
        // MQTT 5 is tried first and refused.
        settings: brokerSettings(url(broker) ?? ''),
        peerUrl: broker.url,
        stop: () => broker.close(),
      }
    })
  return [dress('TCP', (broker) => broker.url), dress('WebSocket', (broker) => broker.webSocketUrl)]
}

const implementations = [memory(), ...mosquittoImplementations(), ...embeddedImplementations()]

for (const implementation of implementations) {
  describe(
    `a transport over ${implementation.name}`,
    { skip: implementation.skip ?? false },
    () => {
      const opened: { close(deadlineMs: number): Promise<void> }[] = []
      const openSource = async (topic: string): ReturnType<Implementation['openSource']> => {
        const made = await implementation.openSource(topic)
        opened.push(made.source)
        return made
      }
      const openSink = async (): ReturnType<Implementation['openSink']> => {
        const made = await implementation.openSink()
        opened.push(made.sink)
        return made
      }
      before(() => implementation.open())
      after(() => implementation.close())
      // So that a test that fails leaves nothing running.
      afterEach(async () => {
        await Promise.all(opened.splice(0).map((each) => each.close(100)))
      })

      it('is first connecting, then connected with its protocol, then closed', async () => {
        const { source, record } = await openSource('in/#')
        const { sink, record: sinkRecord } = await openSink()
        await source.close()
        await sink.close(1000)
        for (const { statuses, states } of [record, sinkRecord]) {
          assert.deepEqual(statuses, ['connecting', 'connected', 'closed'])
          assert.equal(
            states[1]?.status === 'connected' && states[1].protocol,
            implementation.protocol,
          )
        }
      })

      it('delivers topic, payload and flags, Chinese and empty ones included', async () => {
        const root = uniqueId('in/设备')
        const { source, record } = await openSource(`${root}/#`)
        await implementation.send(`${root}/水泵/温度`, '{"值":1}')
        await implementation.send(`${root}/leer`, '')
        await until('both messages', () => record.messages.length === 2)
        await source.close()
        const [first, second] = record.messages
        assert.equal(first?.topic, `${root}/水泵/温度`)
        assert.equal(Buffer.from(first.payload).toString(), '{"值":1}')
        assert.deepEqual([first.qos, first.retain, first.duplicate], [0, false, false])
        assert.equal(first.ack, undefined)
        assert.equal(second?.payload.length, 0)
      })

      it('delivers a large payload byte for byte', async () => {
        const topic = uniqueId('in/large')
        const { source, record } = await openSource(topic)
        const payload = Buffer.alloc(implementation.payloadBytesMax ?? 1024 * 1024, 'edgeboot')
        await implementation.send(topic, payload)
        await until('the message', () => record.messages.length === 1)
        await source.close()
        assert.ok(payload.equals(record.messages[0]?.payload ?? Buffer.alloc(0)))
      })

      it('keeps the order of 5,000 messages', async () => {
        const topic = uniqueId('in/order')
        const { source, record } = await openSource(topic)
        for (let i = 0; i < 5000; i += 500) {
          const numbers = Array.from({ length: 500 }, (_, k) => String(i + k))
          await Promise.all(numbers.map((number) => implementation.send(topic, number)))
        }
        await until('all messages', () => record.messages.length === 5000)
        await source.close()
        assert.deepEqual(
          record.texts,
          Array.from({ length: 5000 }, (_, i) => String(i)),
        )
      })

      it('stops reading while paused and loses nothing', async () => {
        const topic = uniqueId('in/pause')
        const { source, record } = await openSource(topic)
        source.pause()
        source.pause()
        for (let i = 0; i < 200; i++) void implementation.send(topic, String(i))
        // Something else that comes through shows that the broker had its time.
        const { source: other, record: otherRecord } = await openSource(topic)
        await implementation.send(topic, 'end')
        await until('the other source', () => otherRecord.texts.includes('end'))
        assert.ok(record.messages.length <= 1, `${record.messages.length} came while paused`)
        source.resume()
        source.resume()
        if (implementation.protocol !== 'memory')
          await until('the rest', () => record.texts.includes('end'))
        const numbers = record.texts.filter((text) => text !== 'end')
        assert.deepEqual(
          numbers,
          Array.from({ length: 200 }, (_, i) => String(i)),
        )
        await source.close()
        await other.close()
      })

      it('delivers nothing after drain, and close may be called twice', async () => {
        const topic = uniqueId('in/drain')
        const { source, record } = await openSource(topic)
        await implementation.send(topic, 'before')
        await until('the first message', () => record.messages.length === 1)
        source.drain()
        await implementation.send(topic, 'after')
        source.resume()
        await source.close()
        await source.close()
        assert.deepEqual(record.texts, ['before'])
        assert.equal(record.statuses.filter((status) => status === 'closed').length, 1)
      })

      it('publishes in order and settles each result once', async () => {
        const topic = uniqueId('out/order')
        const { sink, record } = await openSink()
        for (let i = 0; i < 1000; i++) {
          sink.publish({ topic, payload: Buffer.from(String(i)) }, record.settled)
        }
        await until('all settled', () => record.outcomes.length === 1000)
        assert.equal(sink.pending, 0)
        await until('all at the far side', () => implementation.seen(topic).length === 1000)
        await sink.close(1000)
        assert.deepEqual(new Set(record.outcomes), new Set(['published']))
        assert.deepEqual(
          implementation.seen(topic).map(({ text }) => text),
          Array.from({ length: 1000 }, (_, i) => String(i)),
        )
      })

      it('publishes empty results, Chinese topics and 1 MiB', async () => {
        const root = uniqueId('out/结果')
        const large = 'x'.repeat(1024 * 1024)
        const { sink, record } = await openSink()
        sink.publish({ topic: `${root}/空`, payload: Buffer.alloc(0) }, record.settled)
        sink.publish({ topic: `${root}/large`, payload: Buffer.from(large) }, record.settled)
        sink.publish({ topic: `${root}/后`, payload: Buffer.from('值') }, record.settled)
        await until('all at the far side', () => implementation.seen(root).length === 3)
        await sink.close(1000)
        assert.deepEqual(implementation.seen(root), [
          { topic: `${root}/空`, text: '' },
          { topic: `${root}/large`, text: large },
          { topic: `${root}/后`, text: '值' },
        ])
      })

      it('settles what is published after close as closed', async () => {
        const { sink, record } = await openSink()
        await sink.close(1000)
        await sink.close(1000)
        sink.publish({ topic: 'out/late', payload: Buffer.from('late') }, record.settled)
        assert.deepEqual(record.outcomes, ['closed'])
        assert.equal(record.statuses.filter((status) => status === 'closed').length, 1)
      })

      it('sends what was published just before close', async () => {
        const topic = uniqueId('out/last')
        const { sink, record } = await openSink()
        for (let i = 0; i < 100; i++) {
          sink.publish({ topic, payload: Buffer.from(String(i)) }, record.settled)
        }
        await sink.close(5000)
        assert.equal(record.outcomes.length, 100)
        await until('all at the far side', () => implementation.seen(topic).length === 100)
      })
    },
  )
}
