import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { afterEach, describe, it } from 'node:test'
import { EdgebootError } from '../../../src/core/errors.ts'
import { EmbeddedBroker } from '../../../src/transport/embedded-broker.ts'
import { brokerSettings } from '../../support/broker-settings.ts'
import { MqttPeer } from '../../support/mqtt-peer.ts'
import { RecordedLog } from '../../support/recorded-log.ts'
import { openSource, Recorder } from '../../support/transport-fixture.ts'
import { until } from '../../support/wait.ts'

const undo: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const each of undo.splice(0).toReversed()) await each()
})

async function start(
  options: Partial<Parameters<typeof EmbeddedBroker.start>[0]> = {},
): Promise<EmbeddedBroker> {
  const broker = await EmbeddedBroker.start({ host: '127.0.0.1', port: 0, ...options })
  undo.push(() => broker.close())
  return broker
}

describe('EmbeddedBroker', () => {
  it('listens on a free port when asked for port 0, and says where', async () => {
    const broker = await start({ webSocketPort: 0 })
    assert.match(broker.url, /^mqtt:\/\/127\.0\.0\.1:[1-9]\d+$/)
    assert.match(broker.webSocketUrl ?? '', /^ws:\/\/127\.0\.0\.1:[1-9]\d+\/mqtt$/)
    assert.equal((await start()).webSocketUrl, undefined)
  })

  it('carries messages between TCP and WebSocket', async () => {
    const broker = await start({ webSocketPort: 0 })
    const reader = await MqttPeer.connect(broker.url)
    const writer = await MqttPeer.connect(broker.webSocketUrl ?? '')
    await reader.subscribe('plant/+')
    await writer.publish('plant/泵', 'hello')
    await until('the message', () => reader.messages.length === 1)
    assert.equal(reader.messages[0]?.topic, 'plant/泵')
    await Promise.all([reader.end(), writer.end()])
  })

  for (const which of ['port', 'webSocketPort'] as const) {
    it(`refuses a ${which} that is in use, naming it, and lets go of everything`, async () => {
      const port = Number(new URL((await start()).url).port)
      const wanted = { host: '127.0.0.1', port: 0, [which]: port }
      await assert.rejects(EmbeddedBroker.start(wanted), (error) => {
        assert.ok(error instanceof EdgebootError)
        assert.equal(error.code, 'BROKER_PORT_IN_USE')
        assert.match(error.message, new RegExp(`port ${port} is in use`))
        return true
      })
    })
  }

  it('refuses an address that is not of this machine', async () => {
    await assert.rejects(EmbeddedBroker.start({ host: '192.0.2.1', port: 0 }), {
      code: 'BROKER_LISTEN_FAILED',
    })
  })

  it('refuses shared subscriptions in the SUBACK and in the log', async () => {
    const record = new Recorder()
    const broker = await start({ log: record.log })
    const topic = '$share/workers/plant/#'
    const made = await openSource(brokerSettings(broker.url), { topic, unconnected: true })
    undo.push(() => made.source.close())
    const state = await made.record.reached('waiting')
    assert.equal(state.status === 'waiting' && state.error?.code, 'BROKER_SUBSCRIBE_REFUSED')
    assert.match(state.status === 'waiting' ? state.reason : '', /\$share\/workers\/plant\/#/)
    const [line] = record.lines
    assert.equal(line?.event, 'embedded-broker.subscription-refused')
    assert.equal(line?.fields['topic'], topic)
  })

  it('refuses a payload above the limit and stays up', async () => {
    const record = new Recorder()
    const broker = await start({ log: record.log })
    const peer = await MqttPeer.connect(broker.url)
    const gone = new Promise<void>((resolve) => peer.client.once('close', () => resolve()))
    void peer.publish('plant/huge', Buffer.alloc(9 * 1024 * 1024)).catch(() => {})
    await gone
    assert.equal(record.lines[0]?.event, 'embedded-broker.publish-refused')
    const other = await MqttPeer.connect(broker.url)
    await other.end()
  })

  it('passes no topic on that would make subscribers disconnect, also not that of a will', async () => {
    const logged = new RecordedLog()
    const broker = await start({ log: logged.logger })
    const { source, record } = await openSource(brokerSettings(broker.url))
    undo.push(() => source.close())
    const first = await MqttPeer.connect(broker.url)
    first.client.publish('in/\0', 'x')
    const will = { topic: 'in/+', payload: Buffer.from('x'), qos: 1, retain: false } as const
    const second = await MqttPeer.connect(broker.url, { will })
    second.client.stream.destroy()
    await until('both refusals', () => logged.lines.length === 2)
    const problems = logged.of('embedded-broker.publish-refused').map(({ problem }) => problem)
    assert.ok(problems.includes('the topic has a NUL character'))
    assert.ok(problems.some((problem) => /wildcard/.test(String(problem))))
    const third = await MqttPeer.connect(broker.url)
    await third.publish('in/a', 'y')
    await until('a message', () => record.messages.length > 0)
    assert.deepEqual([record.texts, record.statuses], [['y'], ['connecting', 'connected']])
    await Promise.all([first, second, third].map((peer) => peer.end()))
  })

  it('survives clients that send what is not MQTT, or nothing', async () => {
    const broker = await start({ webSocketPort: 0 })
    const port = Number(new URL(broker.url).port)
    const rude = connect(port, '127.0.0.1')
    rude.on('error', () => {})
    const cut = new Promise((resolve) => rude.once('close', resolve))
    rude.resume().end('GET / HTTP/1.1\r\n\r\n')
    await cut
    const page = await fetch(`http://127.0.0.1:${new URL(broker.webSocketUrl ?? '').port}/`)
    assert.equal(page.status, 426)
    const peer = await MqttPeer.connect(broker.url)
    await peer.end()
  })

  it('ends all clients and listeners on close, those that never said CONNECT too', async () => {
    const broker = await start({ webSocketPort: 0 })
    const peer = await MqttPeer.connect(broker.webSocketUrl ?? '')
    const mute = connect(Number(new URL(broker.url).port), '127.0.0.1')
    await once(mute, 'connect')
    const ends = [
      new Promise<void>((resolve) => mute.resume().once('close', () => resolve())),
      new Promise<void>((resolve) => peer.client.once('close', () => resolve())),
    ]
    mute.on('error', () => {})
    await broker.close()
    await broker.close()
    await Promise.all(ends)
    await assert.rejects(MqttPeer.connect(broker.url), /ECONNREFUSED/)
  })
})
