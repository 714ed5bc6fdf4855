/** The MQTT session with real brokers, and MQTT.js as the independent peer. */
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, it } from 'node:test'
import { EmbeddedBroker } from '../../src/transport/embedded-broker.ts'
import { needsOpenssl, TestAuthority } from '../support/certificates.ts'
import { freePort } from '../../src/cli/chaos/local-broker.ts'
import { Mosquitto, needsMosquitto } from '../support/mosquitto.ts'
import { MqttPeer } from '../support/mqtt-peer.ts'
import { RecordedSession, type RecordedSessionOptions } from '../support/recorded-session.ts'
import { uniqueId } from '../support/transport-fixture.ts'
import { until } from '../support/wait.ts'

const undo: (() => unknown)[] = []
afterEach(async () => {
  for (const each of undo.splice(0).toReversed()) await each()
})

async function startMosquitto(extra: readonly string[] = []): Promise<string> {
  const mosquitto = await Mosquitto.start(['allow_anonymous true', ...extra])
  undo.push(() => mosquitto.stop())
  return `mqtt://127.0.0.1:${mosquitto.port}`
}

async function startAedes(): Promise<EmbeddedBroker> {
  const broker = await EmbeddedBroker.start({ host: '127.0.0.1', port: 0, webSocketPort: 0 })
  undo.push(() => broker.close())
  return broker
}

async function connectPeer(url: string, protocolVersion: 4 | 5 = 4): Promise<MqttPeer> {
  const peer = await MqttPeer.connect(url, { protocolVersion })
  undo.push(() => peer.end())
  return peer
}

async function open(url: string, options: RecordedSessionOptions): Promise<RecordedSession> {
  const recorded = await RecordedSession.open(url, options)
  undo.push(() => recorded.session.destroy())
  return recorded
}

// Without its limit of 1,000, beyond which it drops what it has to deliver.
const startRoomyMosquitto = (): Promise<string> => startMosquitto(['max_queued_messages 0'])

const suites = [
  { broker: 'Mosquitto', protocol: '5', skip: needsMosquitto, start: startRoomyMosquitto },
  { broker: 'Mosquitto', protocol: '3.1.1', skip: needsMosquitto, start: startRoomyMosquitto },
  {
    broker: 'Aedes',
    protocol: '3.1.1',
    skip: false,
    start: async (): Promise<string> => (await startAedes()).url,
  },
] as const

for (const { broker, protocol, skip, start } of suites) {
  const peerVersion = protocol === '5' ? 5 : 4

  describe(`an MQTT ${protocol} session with ${broker}`, { skip }, () => {
    it('receives and publishes with QoS 0 and 1', async () => {
      const url = await start()
      const recorded = await open(url, { protocol })
      assert.equal(await recorded.subscribe('in/#'), 1)
      const peer = await connectPeer(url, peerVersion)
      await peer.subscribe('out/#')
      const large = 'x'.repeat(300_000)
      for (const qos of [0, 1, 2] as const) await peer.publish(`in/${qos}`, `q${qos}`, { qos })
      await peer.publish('in/large', large, { qos: 1 })
      await recorded.received(4)
      // Aedes does not lower QoS 2 to what was subscribed with.
      const qos2 = broker === 'Aedes' ? 2 : 1
      assert.deepEqual(
        recorded.messages.map(({ topic, qos }) => `${topic} ${qos}`),
        ['in/0 0', 'in/1 1', `in/2 ${qos2}`, 'in/large 1'],
      )
      assert.equal(recorded.texts[3], large)
      recorded.acknowledgeAll()
      assert.equal(await recorded.publish('a', { topic: 'out/a', qos: 0 }), 0)
      assert.ok((await recorded.publish('é', { topic: 'out/b' })) < 128)
      assert.ok((await recorded.publish(large, { topic: 'out/large' })) < 128)
      const seen = await peer.received(3)
      assert.deepEqual(
        seen.map(({ topic, text }) => [topic, text]),
        [
          ['out/a', 'a'],
          ['out/b', 'é'],
          ['out/large', large],
        ],
      )
    })

    it('receives again what it did not acknowledge, marked as such, on the next connection', async () => {
      const url = await start()
      const clientId = uniqueId('kept')
      const options = { protocol, clientId, keptForSeconds: 600 }
      const first = await open(url, options)
      assert.equal(first.facts[0]?.sessionPresent, false)
      await first.subscribe('in')
      const peer = await connectPeer(url)
      for (const text of ['a', 'b', 'c']) await peer.publish('in', text, { qos: 1 })
      await first.received(3)
      const ack = first.messages[0]?.ack
      assert.ok(ack !== undefined)
      first.session.acknowledge(ack.id)
      // Something behind the PUBACK that has an answer: the broker has read it.
      await first.publish('x')
      first.session.destroy()
      const second = await open(url, { ...options, epoch: 2 })
      assert.equal(second.facts[0]?.sessionPresent, true)
      await second.received(2)
      assert.deepEqual(second.texts, ['b', 'c'])
      // Aedes sends them again without saying so.
      const duplicate = broker !== 'Aedes'
      assert.deepEqual(
        second.messages.map((message) => [message.duplicate, message.ack?.epoch]),
        [
          [duplicate, 2],
          [duplicate, 2],
        ],
      )
      second.acknowledgeAll()
      await second.session.disconnect(5_000)
      const third = await open(url, options)
      await third.publish('x')
      assert.deepEqual(third.texts, [])
    })

    it('gets a clean session when it asks for one, and no more messages once it unsubscribed', async () => {
      const url = await start()
      const clientId = uniqueId('clean')
      const first = await open(url, { protocol, clientId, keptForSeconds: 600 })
      await first.subscribe('in')
      await first.session.disconnect(5_000)
      const second = await open(url, { protocol, clientId })
      assert.equal(second.facts[0]?.sessionPresent, false)
      await second.subscribe('in')
      assert.ok((await answerOf((done) => second.session.unsubscribe('in', done))) < 128)
      const peer = await connectPeer(url)
      await peer.publish('in', 'nobody wants it', { qos: 1 })
      await second.publish('x')
      assert.deepEqual(second.texts, [])
    })

    it('publishes thousands of messages as fast as PUBACKs allow, in order', async () => {
      const url = await start()
      const count = 3_000
      const recorded = await open(url, { protocol })
      recorded.onMessage = ({ ack }) => recorded.session.acknowledge(ack?.id ?? 0)
      await recorded.subscribe('out')
      let next = 0
      const codes: number[] = []
      while (next < count) {
        await until('room', () => recorded.session.hasRoom)
        while (recorded.session.hasRoom && next < count) {
          void recorded.publish(String(next++)).then((code) => codes.push(code))
        }
      }
      await until('every PUBACK', () => codes.length === count)
      await recorded.received(count)
      assert.deepEqual(
        recorded.texts,
        Array.from({ length: count }, (_, i) => String(i)),
      )
    })

    it('ends when another client takes its id', async () => {
      const url = await start()
      const clientId = uniqueId('taken')
      const first = await open(url, { protocol, clientId })
      await open(url, { protocol, clientId })
      // Mosquitto 2.0.11 does not give the reason that MQTT 5 has for it, later ones do.
      assert.match((await first.ended()).kind, /^(socket|disconnected)$/)
    })

    it('keeps the connection alive with pings', async () => {
      const url = await start()
      const recorded = await open(url, { protocol, keepAliveSeconds: 1 })
      const peer = await connectPeer(url)
      await recorded.subscribe('in')
      // Twice the time after which the broker would cut it off.
      await new Promise((resolve) => setTimeout(resolve, 3_000))
      await peer.publish('in', 'still there')
      await recorded.received(1)
      assert.deepEqual(recorded.ends, [])
    })
  })
}

const answerOf = (ask: (done: (code: number) => void) => void): Promise<number> => new Promise(ask)

describe('an MQTT session with Mosquitto', { skip: needsMosquitto }, () => {
  it('has its receive maximum honoured in both directions with MQTT 5', async () => {
    const url = await startMosquitto(['max_inflight_messages 5'])
    const recorded = await open(url, { receiveMaximum: 3 })
    await recorded.subscribe('in')
    const peer = await connectPeer(url)
    for (let i = 0; i < 10; i++) await peer.publish('in', String(i), { qos: 1 })
    await recorded.received(3)
    await recorded.publish('x')
    assert.equal(recorded.messages.length, 3)
    let accepted = 0
    for (; recorded.session.hasRoom; accepted++) void recorded.publish('x')
    assert.equal(accepted, 5)
  })

  it('is refused with wrong credentials, with the code of either version', async () => {
    const mosquitto = await Mosquitto.start(['allow_anonymous false'])
    undo.push(() => mosquitto.stop())
    const url = `mqtt://127.0.0.1:${mosquitto.port}`
    for (const [protocol, code] of [
      ['5', 135],
      ['3.1.1', 5],
    ] as const) {
      const end = await new RecordedSession(url, { protocol, password: 'only' }).ended()
      assert.deepEqual(end, { kind: 'refused', code })
    }
  })

  it('passes user properties on in both directions with MQTT 5', async () => {
    const url = await startMosquitto()
    const recorded = await open(url, {})
    await recorded.subscribe('in')
    const peer = await connectPeer(url, 5)
    await peer.subscribe('out')
    const userProperties = { rule: 'é', twice: ['1', '2'] }
    await peer.publish('in', 'x', { qos: 1, properties: { userProperties } })
    await recorded.received(1)
    assert.deepEqual({ ...recorded.messages[0]?.userProperties }, userProperties)
    await recorded.publish('y', { userProperties: { model: 'm' } })
    const [seen] = await peer.received(1)
    assert.deepEqual({ ...seen?.userProperties }, { model: 'm' })
  })

  it('opens over TLS', { skip: needsOpenssl }, async () => {
    const folder = await mkdtemp(join(tmpdir(), 'edgeboot-session-'))
    undo.push(() => rm(folder, { recursive: true, force: true }))
    const authority = await TestAuthority.create(folder, 'authority')
    const { certFile, keyFile } = await authority.issue('broker', 'IP:127.0.0.1')
    const port = await freePort()
    await startMosquitto([
      `listener ${port} 127.0.0.1`,
      `cafile ${authority.caFile}`,
      `certfile ${certFile}`,
      `keyfile ${keyFile}`,
    ])
    const url = `mqtts://127.0.0.1:${port}`
    const ca = await readFile(authority.caFile)
    const recorded = await open(url, { tls: { ca, rejectUnauthorized: true } })
    await recorded.subscribe('a')
    await recorded.publish('x'.repeat(100_000), { topic: 'a' })
    await recorded.received(1)
    await recorded.session.disconnect(5_000)
    const end = await new RecordedSession(url).ended()
    assert.ok(end.kind === 'socket' && end.error !== undefined)
  })
})

describe('an MQTT session over WebSocket', () => {
  it('opens, carries messages and closes', async () => {
    const { webSocketUrl } = await startAedes()
    assert.ok(webSocketUrl !== undefined)
    const recorded = await open(webSocketUrl, { protocol: '3.1.1' })
    await recorded.subscribe('a')
    await recorded.publish('x'.repeat(300_000), { topic: 'a' })
    await recorded.received(1)
    await recorded.session.disconnect(5_000)
    assert.deepEqual(recorded.ends, [])
  })

  it('tells when what answers is not a WebSocket', async () => {
    const server = createServer((_request, response) => response.writeHead(404).end())
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
    undo.push(() => server.close())
    const { port } = server.address() as { readonly port: number }
    const end = await new RecordedSession(`ws://127.0.0.1:${port}`).ended()
    assert.ok(end.kind === 'socket' && /404/.test(end.error?.message ?? ''))
  })
})
