import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import type { BrokerSettings } from '../../../../src/config/settings.ts'
import { AbandonedSessions } from '../../../../src/transport/mqtt/abandoned-sessions.ts'
import {
  type SessionRecord,
  SessionRecords,
} from '../../../../src/transport/mqtt/session-records.ts'
import { brokerSettings } from '../../../support/broker-settings.ts'
import { FakeClock } from '../../../support/fake-clock.ts'
import { type FakeSession, FakeSessions } from '../../../support/fake-session.ts'
import { RecordedLog } from '../../../support/recorded-log.ts'
import { Scratch } from '../../../support/scratch.ts'
import { until } from '../../../support/wait.ts'

const plant = brokerSettings('mqtt://me:geheim@broker', {
  protocol: '5',
  will: { topic: 'will', payload: 'x', qos: 0, retain: false },
})
const other = brokerSettings('mqtt://other', { name: 'other', protocol: '5' })

const recordOf = (clientId: string, overrides: Partial<SessionRecord> = {}): SessionRecord => ({
  broker: 'plant',
  url: 'mqtt://broker:1883',
  clientId,
  filters: ['old/#'],
  keptForSeconds: 99,
  ...overrides,
})

describe('AbandonedSessions', () => {
  let clock: FakeClock
  let sessions: FakeSessions
  let log: RecordedLog
  let scratch: Scratch
  let records: SessionRecords
  let sweep: AbandonedSessions
  beforeEach(async () => {
    clock = new FakeClock()
    sessions = new FakeSessions()
    log = new RecordedLog()
    scratch = await Scratch.make()
    records = new SessionRecords(scratch.folder)
  })
  afterEach(async () => {
    await sweep.close()
    await scratch[Symbol.asyncDispose]()
  })

  function start(
    inUse: readonly (readonly [BrokerSettings, string])[] = [],
    brokers: readonly BrokerSettings[] = [plant, other],
  ): void {
    const sources = inUse.map(([broker, clientId]) => ({ broker, clientId }))
    sweep = new AbandonedSessions(
      { recordsFolder: scratch.folder, brokers, sources },
      { clock, random: () => 0, log: log.logger, openSession: sessions.open },
    )
    sweep.start()
  }

  const session = (index: number): Promise<FakeSession> =>
    until(`session ${index}`, () => sessions.all[index])

  const left = async (): Promise<string[]> => {
    const stored = await records.all()
    return stored.map(({ read }) => (read.kind === 'record' ? read.record.clientId : read.kind))
  }

  it('ends the subscriptions of a client id that nobody uses, and acknowledges nothing', async () => {
    await records.write(recordOf('gone', { filters: ['old/#', '$share/g/x'] }))
    start()
    const opened = await session(0)
    const { clientId, keptForSeconds, receiveMaximum, broker } = opened.options
    assert.deepEqual([clientId, keptForSeconds, receiveMaximum], ['gone', 99, 1])
    assert.equal(broker.url, plant.url, 'with the credentials of the broker')
    assert.equal(broker.will, undefined)
    opened.opened({ sessionPresent: true })
    opened.listener.message({
      topic: 'old/1',
      payload: Buffer.alloc(1),
      qos: 1,
      retain: false,
      duplicate: false,
      receivedAt: 0,
      ack: { epoch: 1, id: 1 },
    })
    assert.deepEqual(
      opened.unsubscriptions.map(({ filter }) => filter),
      ['old/#', '$share/g/x'],
    )
    for (const unsubscription of opened.unsubscriptions) unsubscription.answered(0)
    await sweep.finished()
    assert.ok(opened.isOver)
    assert.deepEqual(opened.acknowledged, [])
    assert.deepEqual(await left(), [])
    const [line] = log.lines.filter(({ event }) => event === 'broker.session-abandoned')
    assert.equal(line?.level, 'warn')
    assert.equal(line.fields['clientId'], 'gone')
    assert.match(String(line.fields['meaning']), /stays there until the session expires/)
    assert.match(String(line.fields['fix']), /putting the client id back/)
    assert.doesNotMatch(log.text, /geheim/)
  })

  it('never touches a record that is in use', async () => {
    await records.write(recordOf('used'))
    start([[plant, 'used']])
    await sweep.finished()
    assert.deepEqual(sessions.all, [])
    assert.deepEqual(await left(), ['used'])
    assert.deepEqual(log.lines, [])
  })

  it('deletes what is left of an embedded broker, which keeps nothing itself', async () => {
    const inside = brokerSettings('embedded://', { name: 'inside' })
    await records.write(recordOf('embedded', { broker: 'inside', url: 'mqtt://127.0.0.1:40000' }))
    start([[inside, 'embedded']], [plant, inside])
    await sweep.finished()
    assert.deepEqual(sessions.all, [])
    assert.deepEqual(await left(), [])
    assert.deepEqual(log.lines, [])
  })

  it('takes the client id of another broker for another', async () => {
    await records.write(recordOf('edge'))
    start([[other, 'edge']])
    const opened = await session(0)
    assert.equal(opened.options.broker.name, 'plant')
  })

  it('gives a record up whose broker is not configured any more, and says so', async () => {
    await records.write(recordOf('gone', { broker: 'past', url: 'mqtt://past:1883' }))
    start()
    await sweep.finished()
    assert.deepEqual(await left(), [])
    const [line] = log.lines
    assert.equal(line?.level, 'warn')
    assert.match(String(line.fields['meaning']), /no longer configured/)
  })

  it('finds the broker at the address when its name has changed', async () => {
    await records.write(recordOf('gone', { broker: 'earlier-name' }))
    start()
    assert.equal((await session(0)).options.broker.name, 'plant')
  })

  it('has nothing to end where the broker no longer knows the client id', async () => {
    await records.write(recordOf('gone'))
    start()
    const opened = await session(0)
    opened.opened({ sessionPresent: false })
    await sweep.finished()
    assert.deepEqual(opened.unsubscriptions, [])
    assert.deepEqual(await left(), [])
    assert.deepEqual(
      log.lines.filter(({ level }) => level === 'warn'),
      [],
    )
  })

  it('tries a broker that is away again, which holds up no other', async () => {
    await records.write(recordOf('gone'))
    await records.write(recordOf('too', { broker: 'other', url: 'mqtt://other:1883' }))
    start()
    await session(1)
    const away = sessions.all.find(({ options }) => options.broker.name === 'plant')
    const there = sessions.all.find(({ options }) => options.broker.name === 'other')
    away?.ended()
    there?.opened({ sessionPresent: true })
    there?.unsubscriptions[0]?.answered(0)
    await until('one record', async () => (await left()).length === 1)
    clock.advance(500)
    const again = await session(2)
    again.opened({ sessionPresent: true })
    again.unsubscriptions[0]?.answered(0)
    await sweep.finished()
    assert.deepEqual(await left(), [])
  })

  it('tries again when the connection breaks before the answer', async () => {
    await records.write(recordOf('gone'))
    start()
    const first = await session(0)
    first.opened({ sessionPresent: true })
    first.ended()
    clock.advance(500)
    const second = await session(1)
    second.opened({ sessionPresent: true })
    assert.equal(second.unsubscriptions.length, 1)
    assert.deepEqual(await left(), ['gone'])
  })

  it('has one session at a time with a broker', async () => {
    await records.write(recordOf('one'))
    await records.write(recordOf('two'))
    start()
    const first = await session(0)
    first.opened({ sessionPresent: true })
    await turn()
    assert.equal(sessions.all.length, 1)
    first.unsubscriptions[0]?.answered(0)
    const second = await session(1)
    assert.ok(first.isOver)
    assert.notEqual(second.options.clientId, first.options.clientId)
  })

  it('keeps the record when the broker will not end a subscription', async () => {
    await records.write(recordOf('gone'))
    start()
    const opened = await session(0)
    opened.opened({ sessionPresent: true })
    opened.unsubscriptions[0]?.answered(0x87)
    await sweep.finished()
    assert.deepEqual(await left(), ['gone'])
    const [line] = log.of('broker.unsubscribe-refused')
    assert.deepEqual(line?.['refused'], ['old/#: not authorised'])
  })

  it('leaves a record that it cannot understand, and warns', async () => {
    const file = new SessionRecords('.').fileOf('x', 'y')
    await scratch.write(file, '{')
    start()
    await sweep.finished()
    assert.deepEqual(await left(), ['unreadable'])
    assert.equal(log.of('session-record.unreadable').length, 1)
  })

  it('has nothing to do without a folder', async () => {
    await scratch[Symbol.asyncDispose]()
    start()
    await sweep.finished()
    assert.deepEqual(log.lines, [])
  })

  it('stops when it is closed, and leaves what is not done for the next start', async () => {
    await records.write(recordOf('one'))
    await records.write(recordOf('two'))
    start()
    const first = await session(0)
    first.ended()
    await sweep.close()
    await sweep.close()
    await sweep.finished()
    assert.equal(clock.timers, 0)
    assert.equal((await left()).length, 2)
    assert.equal(sessions.all.length, 1)
  })
})
