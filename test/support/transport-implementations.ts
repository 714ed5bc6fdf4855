/** Every kind of transport with its far side, for the suites of test/contract/. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { BrokerSettings } from '../../src/config/settings.ts'
import { EmbeddedBroker } from '../../src/transport/embedded-broker.ts'
import { MemorySink } from '../../src/transport/memory-sink.ts'
import { MemorySource } from '../../src/transport/memory-source.ts'
import type { Source, WithdrawableSink } from '../../src/transport/transport.ts'
import { brokerSettings } from './broker-settings.ts'
import { needsOpenssl, TestAuthority } from './certificates.ts'
import { freePort } from '../../src/cli/chaos/local-broker.ts'
import { Mosquitto, needsMosquitto } from './mosquitto.ts'
import { MqttPeer } from './mqtt-peer.ts'
import {
  openSink as openMqttSink,
  openSource as openMqttSource,
  Recorder,
  uniqueId,
} from './transport-fixture.ts'

/** A message as the far side of a transport sees it. */
export interface Seen {
  readonly topic: string
  readonly text: string
}

/** How a source is opened; QoS 0 by default. */
export interface SourceOptions {
  readonly qos?: 0 | 1
  readonly window?: number
}

/** One implementation with its far side. */
export interface TransportImplementation {
  readonly name: string
  readonly protocol: string
  readonly skip?: false | string
  /** Its broker sends again without saying so, against MQTT 3.1.1, 3.3.1.1; Aedes does. */
  readonly hidesDuplicates?: boolean
  /** Payload that its far side can deliver; default 1 MiB. */
  readonly payloadBytesMax?: number
  open(): Promise<void>
  close(): Promise<void>
  openSource(topic: string, options?: SourceOptions): Promise<OpenedSource>
  /** Opens a source on the session of one that was closed. */
  succeed(source: Source): Promise<OpenedSource>
  openSink(qos?: 0 | 1): Promise<{ sink: WithdrawableSink; record: Recorder }>
  /** Publishes from the far side to the sources. */
  send(topic: string, payload: string | Buffer, qos?: 0 | 1): Promise<void>
  /** What has come out of the sinks under this topic prefix. */
  seen(prefix: string): readonly Seen[]
}

/** A source and everything that it said. */
export interface OpenedSource {
  readonly source: Source
  readonly record: Recorder
}

/** Memory: the test is the broker. */
function memory(): TransportImplementation {
  const sources: MemorySource[] = []
  const sinks: MemorySink[] = []
  async function start(source: MemorySource): Promise<OpenedSource> {
    const record = new Recorder()
    sources.push(source)
    await source.start(record.listener)
    return { source, record }
  }
  return {
    name: 'memory',
    protocol: 'memory',
    open: async () => {},
    close: async () => {},
    openSource: (_topic, { window } = {}) => start(new MemorySource({ ...(window && { window }) })),
    succeed: (source) => start((source as MemorySource).successor()),
    openSink: async () => {
      const sink = new MemorySink()
      const record = new Recorder()
      sinks.push(sink)
      await sink.start(record.listener)
      return { sink, record }
    },
    send: async (topic, payload, qos = 0) => sources.at(-1)?.deliver(topic, payload, { qos }),
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
  options: Pick<TransportImplementation, 'skip' | 'payloadBytesMax' | 'hidesDuplicates'>,
  connect: () => Promise<{
    settings: BrokerSettings
    peerUrl: string
    stop: () => Promise<void>
  }>,
): TransportImplementation {
  let broker: Awaited<ReturnType<typeof connect>>
  let peer: MqttPeer
  let recordsFolder: string
  const topics = new Map<Source, { readonly topic: string; readonly clientId: string }>()
  async function open(
    topic: string,
    clientId: string,
    options: SourceOptions,
  ): Promise<OpenedSource> {
    const settings = { topic, clientId, recordsFolder, ...options }
    const opened = await openMqttSource(broker.settings, settings)
    topics.set(opened.source, { topic, clientId })
    return opened
  }
  return {
    name,
    protocol,
    ...options,
    open: async () => {
      broker = await connect()
      recordsFolder = await mkdtemp(join(tmpdir(), 'edgeboot-sessions-'))
      peer = await MqttPeer.connect(broker.peerUrl)
      await peer.client.subscribeAsync('out/#', { qos: 1 })
    },
    close: async () => {
      await peer.end()
      await broker.stop()
      await rm(recordsFolder, { recursive: true, force: true })
    },
    openSource: (topic, options = {}) => open(topic, uniqueId('source'), options),
    succeed: (source) => {
      const known = topics.get(source)
      if (known === undefined) throw new Error('that source is of another implementation')
      return open(known.topic, known.clientId, { qos: 1 })
    },
    openSink: (qos = 0) => openMqttSink(broker.settings, { qos }),
    send: (topic, payload, qos = 0) => peer.publish(topic, payload, { qos }),
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

function mosquittoImplementations(): TransportImplementation[] {
  const dress = (
    name: string,
    protocol: '5' | '3.1.1',
    url: (many: ManyListeners) => string,
  ): TransportImplementation =>
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

function embeddedImplementations(): TransportImplementation[] {
  const dress = (
    name: string,
    url: (broker: EmbeddedBroker) => string | undefined,
  ): TransportImplementation =>
    mqtt(`the embedded broker over ${name}`, '3.1.1', { hidesDuplicates: true }, async () => {
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

/** All of them. */
export const transportImplementations = [
  memory(),
  ...mosquittoImplementations(),
  ...embeddedImplementations(),
]
