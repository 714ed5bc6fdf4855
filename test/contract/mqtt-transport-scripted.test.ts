/** What the transports make of brokers that real ones cannot be made to be, over real sockets. */
import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { afterEach, describe, it } from 'node:test'
import type { BrokerSettings } from '../../src/config/settings.ts'
import type { ConnectionState } from '../../src/transport/transport.ts'
import { brokerSettings } from '../support/broker-settings.ts'
import { reply, ScriptedBroker, type ScriptedPacket } from '../support/scripted-broker.ts'
import {
  openSink as openMqttSink,
  openSource as openMqttSource,
} from '../support/transport-fixture.ts'
import { until } from '../support/wait.ts'

const undo: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const each of undo.splice(0).toReversed()) await each()
})

type Script = (packet: ScriptedPacket, socket: Socket) => void

async function startBroker(script: Script): Promise<ScriptedBroker> {
  const broker = await ScriptedBroker.start(script)
  undo.push(() => broker.stop())
  return broker
}

const openSource = async (
  broker: ScriptedBroker,
  settings: Partial<BrokerSettings>,
  options: Parameters<typeof openMqttSource>[1] = {},
): ReturnType<typeof openMqttSource> => {
  const made = await openMqttSource(brokerSettings(broker.url, settings), options)
  undo.push(() => made.source.close())
  return made
}

/** A broker that accepts everything, and may do more. */
function accepting(version: 4 | 5, more: Script = () => {}): Script {
  return (packet, socket) => {
    if (packet.name === 'connect') {
      socket.write(version === 5 ? reply.connack5(0) : reply.connack311(0))
    }
    if (packet.name === 'subscribe') socket.write(reply.suback(packet, version, 0))
    more(packet, socket)
  }
}

const reasonOf = (state: ConnectionState): string =>
  state.status === 'connected' ? '' : `${state.error?.code}: ${state.reason}`

describe('an MQTT transport with a scripted broker', () => {
  it('steps aside when MQTT 5 says that the session was taken over', async () => {
    const broker = await startBroker(
      accepting(5, (packet, socket) => {
        if (packet.name === 'subscribe') socket.write(reply.disconnect5(0x8e))
      }),
    )
    const { record } = await openSource(broker, {}, { clientId: 'edge-1', unconnected: true })
    const state = await record.reached('taken')
    assert.match(reasonOf(state), /^BROKER_SESSION_TAKEN: .*"edge-1" to another client/)
    assert.equal(broker.packets.filter(({ name }) => name === 'connect').length, 1)
  })

  it('names the reason of another DISCONNECT and comes back', async () => {
    let connections = 0
    const broker = await startBroker(
      accepting(5, (packet, socket) => {
        if (packet.name === 'subscribe' && ++connections === 1) {
          socket.write(reply.disconnect5(0x8b))
        }
      }),
    )
    const { record } = await openSource(broker, {}, { unconnected: true })
    const state = await record.reached('waiting')
    assert.match(reasonOf(state), /^BROKER_CONNECTION_LOST: .*it is shutting down/)
    await record.reached('connected', record.states.indexOf(state))
  })

  it('gives up a broker that does not answer CONNECT, or SUBSCRIBE', async () => {
    const mute = await startBroker(() => {})
    const half = await startBroker((packet, socket) => {
      if (packet.name === 'connect') socket.write(reply.connack5(0))
    })
    for (const [broker, step] of [
      [mute, 'CONNECT'],
      [half, 'SUBSCRIBE'],
    ] as const) {
      const { record } = await openSource(broker, { connectTimeoutMs: 200 }, { unconnected: true })
      const state = await record.reached('waiting')
      assert.match(
        reasonOf(state),
        new RegExp(`^BROKER_UNREACHABLE: .*answer ${step} within 0.2 s`),
      )
      assert.ok(!record.statuses.includes('connected'))
    }
  })

  it('survives what is not MQTT, before and after CONNACK', async () => {
    const early = await startBroker((_packet, socket) =>
      socket.write('HTTP/1.1 400 Bad Request\r\n'),
    )
    const late = await startBroker(
      accepting(5, (packet, socket) => {
        if (packet.name === 'subscribe') socket.write(Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff]))
      }),
    )
    for (const broker of [early, late]) {
      const { record } = await openSource(broker, {}, { unconnected: true })
      const state = await record.reached('waiting')
      assert.match(reasonOf(state), /^BROKER_(UNREACHABLE|CONNECTION_LOST): /)
    }
  })

  it('survives a listener that throws', async () => {
    const broker = await startBroker(
      accepting(4, (packet, socket) => {
        if (packet.name !== 'subscribe') return
        for (const text of ['a', 'b']) {
          socket.write(reply.publish(4, { topic: 'in', payload: Buffer.from(text) }))
        }
      }),
    )
    const { source, record } = await openMqttSource(
      brokerSettings(broker.url, { protocol: '3.1.1' }),
      { unconnected: true },
    )
    undo.push(() => source.close())
    const seen: string[] = []
    record.onMessage = (message) => {
      seen.push(Buffer.from(message.payload).toString())
      throw new Error('of the listener')
    }
    await until('both', () => seen.length === 2)
    assert.deepEqual(seen, ['a', 'b'])
    assert.ok(record.lines.some(({ event }) => event === 'source.listener-threw'))
  })

  it("keeps to the broker's largest packet, told in its CONNACK", async () => {
    const broker = await startBroker((packet, socket) => {
      // Property 0x27, maximum packet size: 1000.
      if (packet.name === 'connect') socket.write(reply.connack5(0, [0x27, 0, 0, 3, 0xe8]))
    })
    const { sink, record } = await openMqttSink(brokerSettings(broker.url))
    undo.push(() => sink.close(0))
    const head = 1 + 2 + 2 + 'out'.length + 1
    sink.publish({ topic: 'out', payload: Buffer.alloc(1001 - head) }, record.settled)
    sink.publish({ topic: 'out', payload: Buffer.alloc(1000 - head) }, record.settled)
    await until('both', () => record.outcomes.length === 2)
    assert.deepEqual(record.outcomes, ['too-large', 'published'])
  })
})
