/** The MQTT session over real sockets, with a broker that does what real ones cannot be made to. */
import assert from 'node:assert/strict'
import { createServer, type Socket } from 'node:net'
import { afterEach, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { limits } from '../../src/core/limits.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { RecordedSession, type RecordedSessionOptions } from '../support/recorded-session.ts'
import { reply, ScriptedBroker, type ScriptedPacket } from '../support/scripted-broker.ts'
import { until } from '../support/wait.ts'

const undo: (() => unknown)[] = []
afterEach(async () => {
  for (const each of undo.splice(0).toReversed()) await each()
})

type Script = (packet: ScriptedPacket, socket: Socket) => void

async function startBroker(script: Script): Promise<ScriptedBroker> {
  const broker = await ScriptedBroker.start(script)
  undo.push(() => broker.stop())
  return broker
}

for (const protocol of ['5', '3.1.1'] as const) {
  const version = protocol === '5' ? 5 : 4
  const connack = (code: number, sessionPresent = false): Buffer =>
    version === 5
      ? reply.connack5(code, [], sessionPresent)
      : reply.connack311(code, sessionPresent)

  /** A broker that accepts everything and confirms publishes, and does more if it is told to. */
  const accepting =
    (more: Script = () => {}, sessionPresent = false): Script =>
    (packet, socket) => {
      if (packet.name === 'connect') socket.write(connack(0, sessionPresent))
      if (packet.name === 'subscribe') socket.write(reply.suback(packet, version, 1))
      if (packet.name === 'unsubscribe') socket.write(reply.unsuback(packet, version))
      more(packet, socket)
    }
  const open = async (
    broker: { readonly url: string },
    options: RecordedSessionOptions = {},
  ): Promise<RecordedSession> => {
    const recorded = await RecordedSession.open(broker.url, { protocol, ...options })
    undo.push(() => recorded.session.destroy())
    return recorded
  }
  const tryOpen = (
    broker: { readonly url: string },
    options: RecordedSessionOptions = {},
  ): RecordedSession => {
    const recorded = new RecordedSession(broker.url, { protocol, ...options })
    undo.push(() => recorded.session.destroy())
    return recorded
  }
  const publish = (text: string, id?: number): Buffer =>
    reply.publish(version, {
      topic: 'in',
      payload: text,
      ...(id !== undefined && { id, qos: 1 as const }),
    })
  const names = (broker: ScriptedBroker): string[] =>
    broker.packets.map(({ name, decoded }) =>
      decoded.messageId === undefined ? name : `${name} ${decoded.messageId}`,
    )

  describe(`an MQTT ${protocol} session with a scripted broker`, () => {
    it('connects, subscribes, publishes and says goodbye', async () => {
      const broker = await startBroker(
        accepting((packet, socket) => {
          if (packet.name === 'publish') {
            socket.write(reply.puback(version, packet.decoded.messageId ?? 0))
          }
          if (packet.name === 'disconnect') socket.end()
        }),
      )
      const recorded = await open(broker)
      assert.equal(await recorded.subscribe('a'), 1)
      assert.equal(await recorded.publish('x'), 0)
      assert.equal(await recorded.publish('y', { qos: 0 }), 0)
      await recorded.session.disconnect(5_000)
      const expected = ['connect', 'subscribe 1', 'publish 2', 'publish', 'disconnect']
      await until('all', () => broker.packets.length === expected.length)
      assert.deepEqual(names(broker), expected)
      assert.deepEqual(recorded.ends, [])
    })

    it('tells the code of a refusal', async () => {
      const broker = await startBroker((_packet, socket) =>
        socket.write(connack(version === 5 ? 0x87 : 5)),
      )
      const end = await tryOpen(broker).ended()
      assert.deepEqual(end, { kind: 'refused', code: version === 5 ? 0x87 : 5 })
    })

    it('tells the code of a SUBACK that refuses', async () => {
      const broker = await startBroker((packet, socket) => {
        if (packet.name === 'connect') socket.write(connack(0))
        else socket.write(reply.suback(packet, version, 128))
      })
      assert.equal(await (await open(broker)).subscribe('a'), 128)
    })

    it('acknowledges when it is told to, in that order and once', async () => {
      const broker = await startBroker(
        accepting((packet, socket) => {
          if (packet.name === 'subscribe') {
            for (const id of [5, 6, 7]) socket.write(publish(String(id), id))
          }
        }),
      )
      const recorded = await open(broker)
      await recorded.subscribe('in')
      await recorded.received(3)
      assert.deepEqual(names(broker), ['connect', 'subscribe 1'])
      for (const id of [5, 6, 6, 9, 7]) recorded.session.acknowledge(id)
      await until('three PUBACKs', () => broker.packets.length === 5)
      assert.deepEqual(names(broker).slice(2), ['puback 5', 'puback 6', 'puback 7'])
    })

    it('gets messages of a kept session before it subscribes, and says which came before', async () => {
      const broker = await startBroker(
        accepting((packet, socket) => {
          if (packet.name !== 'connect') return
          const again = { topic: 'in', payload: 'a', qos: 1, id: 1, duplicate: true } as const
          socket.write(Buffer.concat([reply.publish(version, again), publish('b', 2)]))
        }, true),
      )
      const recorded = await open(broker, { keptForSeconds: 60 })
      await recorded.received(2)
      assert.equal(recorded.facts[0]?.sessionPresent, true)
      assert.deepEqual(
        recorded.messages.map(({ duplicate }) => duplicate),
        [true, false],
      )
    })

    it('passes a message that is too large on without its payload', async () => {
      const bytes = limits.payloadBytesMax + 1
      const payload = Buffer.alloc(bytes)
      const broker = await startBroker(
        accepting((packet, socket) => {
          if (packet.name !== 'subscribe') return
          socket.write(reply.publish(version, { topic: 'in', payload, qos: 1, id: 3 }))
          socket.write(publish('after it'))
        }),
      )
      const recorded = await open(broker)
      await recorded.subscribe('in')
      await recorded.received(2)
      assert.equal(recorded.messages[0]?.oversizeBytes, bytes)
      assert.equal(recorded.texts[1], 'after it')
    })

    it('leaves a broker that sends what is not MQTT, saying so where it can', async () => {
      const broker = await startBroker(
        accepting((packet, socket) => {
          if (packet.name === 'subscribe') socket.write(Buffer.alloc(5, 0xff))
        }),
      )
      const recorded = await open(broker)
      await recorded.subscribe('in')
      const end = await recorded.ended()
      assert.equal(end.kind, 'protocol')
      await until('the connection to be closed', () => broker.sockets.size === 0)
      const last = broker.packets.at(-1)?.decoded
      if (version === 4) assert.equal(last?.cmd, 'subscribe')
      else assert.ok(last?.cmd === 'disconnect' && last.reasonCode === 0x81)
    })

    it('takes no answer to CONNECT but CONNACK', async () => {
      const broker = await startBroker((_packet, socket) => socket.write('HTTP/1.1 400 No\r\n'))
      assert.equal((await tryOpen(broker).ended()).kind, 'protocol')
    })

    it('gives up a broker that accepts and then says nothing', async () => {
      const broker = await startBroker(accepting())
      const clock = new FakeClock()
      const recorded = await open(broker, { keepAliveSeconds: 60, clock })
      clock.advance(60_000)
      await until('PINGREQ', () => names(broker).includes('pingreq'))
      assert.deepEqual(recorded.ends, [])
      clock.advance(30_000)
      assert.deepEqual(await recorded.ended(), { kind: 'silent' })
      await until('the connection to be closed', () => broker.sockets.size === 0)
    })

    it('finds out that a broker is gone although it publishes all the time', async () => {
      const broker = await startBroker(accepting())
      const clock = new FakeClock()
      const recorded = await open(broker, { keepAliveSeconds: 60, clock })
      for (let i = 0; i < 9; i++) {
        await recorded.publish('x', { qos: 0 })
        clock.advance(10_000)
      }
      assert.deepEqual(await recorded.ended(), { kind: 'silent' })
      assert.equal(names(broker).filter((name) => name === 'pingreq').length, 1)
    })

    it('takes messages for a sign of life when the answer to a ping is late', async () => {
      const broker = await startBroker(
        accepting((packet, socket) => {
          if (packet.name === 'pingreq') socket.write(publish('busy'))
        }),
      )
      const clock = new FakeClock()
      const recorded = await open(broker, { keepAliveSeconds: 60, clock })
      for (let i = 1; i <= 3; i++) {
        clock.advance(60_000)
        await recorded.received(i)
      }
      assert.deepEqual(recorded.ends, [])
    })

    it('stays connected while it is paused for longer than the keep-alive time', async () => {
      const broker = await startBroker(
        accepting((packet, socket) => {
          if (packet.name === 'pingreq') socket.write(reply.pingresp())
          if (packet.name !== 'subscribe') return
          for (let i = 0; i < 3; i++) socket.write(publish(String(i)))
        }),
      )
      const clock = new FakeClock()
      const recorded = await open(broker, { keepAliveSeconds: 60, clock })
      recorded.session.pause()
      await recorded.subscribe('in')
      const pings = (): number => names(broker).filter((name) => name === 'pingreq').length
      for (let i = 1; i <= 4; i++) {
        clock.advance(60_000)
        await until('a ping', () => pings() === i)
      }
      assert.deepEqual(recorded.texts, [])
      recorded.session.resume()
      await recorded.received(3)
      assert.deepEqual(recorded.ends, [])
    })

    it('lets the broker wait while it is paused: memory stays bounded, nothing is lost', async () => {
      const payload = Buffer.alloc(64 * 1024)
      const count = 1024
      let sent = 0
      const pour = (socket: Socket): void => {
        while (sent < count) {
          payload.writeUInt32BE(sent)
          sent += 1
          if (!socket.write(reply.publish(version, { topic: 'in', payload }))) {
            socket.once('drain', () => pour(socket))
            return
          }
        }
      }
      const broker = await startBroker(accepting())
      const recorded = await open(broker)
      const [socket] = broker.sockets
      assert.ok(socket !== undefined)
      recorded.session.pause()
      pour(socket)
      // What the buffers of the kernel hold is all that leaves the broker: it comes to a halt.
      let before = -1
      await until('the broker to be held up', async () => {
        const isHeldUp = sent === before && socket.writableNeedDrain
        before = sent
        if (!isHeldUp) await sleep(100)
        return isHeldUp
      })
      assert.ok(sent < count / 2, `${sent} of ${count} messages left the broker`)
      assert.equal(recorded.messages.length, 0)
      const seen: number[] = []
      recorded.onMessage = (message) => {
        recorded.messages.length = 0
        seen.push(Buffer.from(message.payload).readUInt32BE())
      }
      recorded.session.resume()
      await until('everything', () => seen.length === count)
      assert.deepEqual(
        seen,
        Array.from({ length: count }, (_, i) => i),
      )
    })

    it('says goodbye also while it is paused with messages unread', async () => {
      const broker = await startBroker(
        accepting((packet, socket) => {
          if (packet.name === 'subscribe') {
            for (let i = 0; i < 100; i++) socket.write(publish('x'.repeat(10_000), i + 1))
          }
          if (packet.name === 'disconnect') socket.end()
        }),
      )
      const recorded = await open(broker)
      recorded.onMessage = () => recorded.session.pause()
      await recorded.subscribe('in')
      await recorded.received(1)
      recorded.acknowledgeAll()
      await recorded.session.disconnect(5_000)
      await until('DISCONNECT', () => names(broker).includes('disconnect'))
      assert.deepEqual(names(broker).slice(2), ['puback 1', 'disconnect'])
    })

    it('does not wait for ever for a broker that keeps the connection open', async () => {
      const server = createServer({ allowHalfOpen: true }, (socket) => {
        socket.on('error', () => {})
        socket.once('data', () => socket.write(connack(0))).resume()
        undo.push(() => socket.destroy())
      })
      await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
      undo.push(() => server.close())
      const { port } = server.address() as { readonly port: number }
      const recorded = await open({ url: `mqtt://127.0.0.1:${port}` })
      await recorded.session.disconnect(50)
      assert.deepEqual(recorded.ends, [])
    })

    it('tells when the broker closes the connection, or nobody is there', async () => {
      const broker = await startBroker(
        accepting((packet, socket) => {
          if (packet.name === 'subscribe') socket.end()
        }),
      )
      const recorded = await open(broker)
      await recorded.subscribe('in')
      assert.deepEqual(await recorded.ended(), { kind: 'socket' })
      await broker.stop()
      undo.length = 0
      const end = await new RecordedSession(broker.url, { protocol }).ended()
      assert.ok(end.kind === 'socket')
      assert.equal((end.error as NodeJS.ErrnoException).code, 'ECONNREFUSED')
    })
  })

  if (version === 4) continue
  describe('an MQTT 5 session with a scripted broker of MQTT 5', () => {
    it("keeps to the broker's receive maximum", async () => {
      const broker = await startBroker((packet, socket) => {
        // Property 0x21, receive maximum: 3.
        if (packet.name === 'connect') socket.write(reply.connack5(0, [0x21, 0, 3]))
      })
      const recorded = await open(broker)
      const codes: number[] = []
      for (let i = 0; recorded.session.hasRoom; i++) {
        void recorded.publish(String(i)).then((code) => codes.push(code))
      }
      await until('three publishes', () => broker.packets.length === 4)
      assert.deepEqual(names(broker).slice(1), ['publish 1', 'publish 2', 'publish 3'])
      const [socket] = broker.sockets
      socket?.write(reply.puback(5, 2, 0x97))
      await until('room', () => recorded.rooms === 1)
      assert.deepEqual(codes, [0x97])
      assert.ok(recorded.session.hasRoom)
    })

    it('tells why the broker disconnects, such as another client with its id', async () => {
      const broker = await startBroker(
        accepting((packet, socket) => {
          if (packet.name === 'subscribe') socket.write(reply.disconnect5(0x8e))
        }),
      )
      const recorded = await open(broker)
      await recorded.subscribe('in')
      assert.deepEqual(await recorded.ended(), { kind: 'disconnected', code: 0x8e })
    })
  })
}
