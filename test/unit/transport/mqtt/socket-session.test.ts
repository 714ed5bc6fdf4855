import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { test, type TestContext } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { readPauseMs } from '../../../../src/transport/mqtt/read-pacer.ts'
import { FakeClock } from '../../../support/fake-clock.ts'
import { RecordedSession } from '../../../support/recorded-session.ts'
import { reply, ScriptedBroker } from '../../../support/scripted-broker.ts'
import { until } from '../../../support/wait.ts'

interface PacedSession {
  readonly broker: ScriptedBroker
  readonly clock: FakeClock
  readonly record: RecordedSession
  /** Sends one message more. */
  readonly send: () => void
}

/** A session whose broker has sent message after message, at no distance, until reading paused. */
async function pacedSession(t: TestContext): Promise<PacedSession> {
  const sockets: Socket[] = []
  const broker = await ScriptedBroker.start((packet, socket) => {
    if (packet.name !== 'connect') return
    sockets.push(socket)
    socket.write(reply.connack5(0))
  })
  t.after(() => broker.stop())
  const clock = new FakeClock()
  const record = new RecordedSession(broker.url, { clock })
  t.after(() => record.session.destroy())
  await until('CONNACK', () => record.facts.length === 1)
  const timers = clock.timers
  const send = (): void =>
    void sockets[0]?.write(reply.publish(5, { topic: 'in', payload: Buffer.from('1') }))
  for (let sent = 1; clock.timers === timers; sent++) {
    assert.ok(sent < 20, 'reading never paused')
    send()
    await until(`message ${sent}`, () => record.messages.length === sent)
    await turn()
    await turn()
  }
  return { broker, clock, record, send }
}

test('reads nothing for a moment under steady traffic, then all that has come', async (t) => {
  const { broker, clock, record, send } = await pacedSession(t)
  const before = record.messages.length
  for (let more = 0; more < 5; more++) send()
  // The way there and back of another session: by then these would have been here.
  const fence = new RecordedSession(broker.url)
  t.after(() => fence.session.destroy())
  await until('another session', () => fence.facts.length === 1)
  await turn()
  assert.equal(record.messages.length, before)
  clock.advance(readPauseMs)
  await until('the others', () => record.messages.length === before + 5)
})

test('a pause of its own ends nothing of a pause of the owner, and the other way round', async (t) => {
  const { clock, record, send } = await pacedSession(t)
  const before = record.messages.length
  record.session.pause()
  send()
  clock.advance(readPauseMs)
  await turn()
  assert.equal(record.messages.length, before)
  record.session.resume()
  await until('the message', () => record.messages.length === before + 1)
})

test('says goodbye in the midst of a pause', async (t) => {
  const { broker, record } = await pacedSession(t)
  await record.session.disconnect(1000)
  await until('DISCONNECT', () => broker.packets.at(-1)?.name === 'disconnect')
})
