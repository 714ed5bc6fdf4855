import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import type { SourceSettings } from '../../../../src/config/settings.ts'
import { MqttSource } from '../../../../src/transport/mqtt/mqtt-source.ts'
import type { SessionFacts } from '../../../../src/transport/mqtt/mqtt-session.ts'
import { SessionRecords } from '../../../../src/transport/mqtt/session-records.ts'
import { brokerSettings } from '../../../support/broker-settings.ts'
import { FakeClock } from '../../../support/fake-clock.ts'
import { type FakeSession, FakeSessions } from '../../../support/fake-session.ts'
import { Scratch } from '../../../support/scratch.ts'
import { Recorder, sourceSettings } from '../../../support/transport-fixture.ts'
import { until } from '../../../support/wait.ts'

const url = 'mqtt://broker:1883'

let clock: FakeClock
let sessions: FakeSessions
let record: Recorder
let source: MqttSource
let scratch: Scratch
beforeEach(async () => {
  clock = new FakeClock()
  sessions = new FakeSessions()
  record = new Recorder()
  scratch = await Scratch.make()
})
afterEach(async () => {
  await source.close()
  await scratch[Symbol.asyncDispose]()
})

async function start(overrides: Partial<SourceSettings> = {}): Promise<void> {
  const broker = brokerSettings('mqtt://me:geheim@broker', { protocol: '5' })
  const recordsFolder = scratch.path('sessions')
  const settings = {
    clientId: 'edge-1',
    qos: 1,
    topic: 'in/#',
    recordsFolder,
    ...overrides,
  } as const
  source = new MqttSource(sourceSettings(broker, settings), {
    clock,
    random: () => 0,
    log: record.log,
    openSession: sessions.open,
  })
  await source.start(record.listener)
  await turn()
}

/** The broker accepts, and the source subscribes. */
async function open(facts: Partial<SessionFacts> = {}, code = 1): Promise<FakeSession> {
  const session = sessions.last
  session.opened(facts)
  const subscription = await until('a SUBSCRIBE', () => session.subscriptions[0])
  subscription.answered(code)
  return session
}

async function reconnect(): Promise<void> {
  const { length } = sessions.all
  sessions.last.ended({ kind: 'silent' })
  while (sessions.all.length === length) {
    clock.advance(100)
    await turn()
  }
}

function send(id: number, topic = `in/${id}`, session = sessions.last): void {
  const { epoch } = session.options
  session.listener.message({
    topic,
    payload: Buffer.from(String(id)),
    qos: 1,
    retain: false,
    duplicate: false,
    receivedAt: 0,
    ack: { epoch, id },
  })
}

/** Acknowledges the messages that came in, from one position to another. */
function acknowledge(from: number, to: number): void {
  for (const { ack } of record.messages.slice(from, to)) if (ack) source.acknowledge(ack)
}

const events = (event: string): (typeof record.lines)[number][] =>
  record.lines.filter((line) => line.event === event)

const storedFilters = async (): Promise<readonly string[] | undefined> => {
  const read = await new SessionRecords(scratch.path('sessions')).read(url, 'edge-1')
  return read.kind === 'record' ? read.record.filters : undefined
}

/** What an earlier run left. */
const leaveRecord = (...filters: readonly string[]): Promise<void> =>
  new SessionRecords(scratch.path('sessions')).write({
    broker: 'plant',
    url,
    clientId: 'edge-1',
    filters,
    keptForSeconds: 3600,
  })

describe('MqttSource with QoS 1', () => {
  it('asks the broker to keep the session, and to send no more than the window', async () => {
    await start({ window: 7, sessionExpirySeconds: 99 })
    const { keptForSeconds, receiveMaximum } = sessions.last.options
    assert.deepEqual([keptForSeconds, receiveMaximum], [99, 7])
    const session = await open()
    assert.deepEqual(session.subscriptions[0]?.options, { qos: 1, retained: 'all' })
    assert.equal(record.statuses.at(-1), 'connected')
  })

  it('passes messages on with their token, duplicates included, and acknowledges in order', async () => {
    await start()
    const session = await open()
    for (const id of [11, 12, 13]) send(id)
    acknowledge(0, 2)
    assert.deepEqual(session.acknowledged, [11, 12])
    assert.deepEqual(record.texts, ['11', '12', '13'])
  })

  it('discards tokens of an older connection', async () => {
    await start()
    await open()
    send(1)
    await reconnect()
    acknowledge(0, 1)
    const session = await open({ sessionPresent: true })
    acknowledge(0, 1)
    send(1)
    assert.deepEqual(session.acknowledged, [])
    acknowledge(1, 2)
    assert.deepEqual(session.acknowledged, [1])
  })

  it('never passes on more than its window, and reads on when half of it is free', async () => {
    await start({ window: 4 })
    const session = await open()
    for (let id = 1; id <= 4; id++) send(id)
    assert.ok(!session.isPaused)
    send(5)
    assert.ok(session.isPaused)
    send(6)
    assert.equal(record.messages.length, 4)
    acknowledge(0, 1)
    assert.ok(session.isPaused)
    acknowledge(1, 2)
    assert.deepEqual(record.texts, ['1', '2', '3', '4', '5', '6'])
    assert.ok(!session.isPaused)
  })

  it('says once per connection that an MQTT 5 broker sends more than it was asked to', async () => {
    await start({ window: 1 })
    await open()
    for (let id = 1; id <= 3; id++) send(id)
    acknowledge(0, 1)
    acknowledge(1, 2)
    send(4)
    const [line, second] = events('broker.receive-maximum-exceeded')
    assert.equal(line?.level, 'info')
    assert.equal(second, undefined)
    await reconnect()
    await open({ sessionPresent: true })
    for (let id = 1; id <= 2; id++) send(id)
    assert.equal(events('broker.receive-maximum-exceeded').length, 2)
  })

  it('does not read while its owner has paused it, whatever becomes free', async () => {
    await start({ window: 2 })
    const session = await open()
    for (let id = 1; id <= 3; id++) send(id)
    source.pause()
    acknowledge(0, 2)
    assert.ok(session.isPaused)
    source.resume()
    assert.ok(!session.isPaused)
  })

  it('does not read on resume while its window is full', async () => {
    await start({ window: 2 })
    const session = await open()
    source.pause()
    for (let id = 1; id <= 3; id++) send(id)
    source.resume()
    assert.ok(session.isPaused)
    acknowledge(0, 1)
    assert.ok(!session.isPaused)
  })

  it('acknowledges after drain, and passes nothing on', async () => {
    await start({ window: 2 })
    const session = await open()
    for (let id = 1; id <= 3; id++) send(id)
    source.drain()
    source.resume()
    assert.ok(session.isPaused)
    acknowledge(0, 2)
    send(4)
    assert.deepEqual(session.acknowledged, [1, 2])
    assert.equal(record.messages.length, 2)
    assert.ok(session.isPaused)
  })

  it('passes nothing on after drain, for which there would be room', async () => {
    await start()
    await open()
    source.drain()
    send(1)
    assert.deepEqual(record.messages, [])
  })

  it('acknowledges nothing after close', async () => {
    await start()
    const session = await open()
    send(1)
    await source.close()
    acknowledge(0, 1)
    assert.deepEqual(session.acknowledged, [])
    assert.ok(session.isOver)
  })

  it('has a window of its own with each connection', async () => {
    await start({ window: 1 })
    await open()
    send(1)
    send(2)
    await reconnect()
    const session = await open({ sessionPresent: true })
    assert.ok(!session.isPaused)
    send(1)
    assert.equal(record.messages.length, 2)
  })

  it('tells a lost session once per loss, and not on the first connection', async () => {
    await start()
    await open()
    assert.equal(record.sessionsLost, 0)
    await reconnect()
    await open({ sessionPresent: true })
    assert.equal(record.sessionsLost, 0)
    await reconnect()
    sessions.last.opened()
    await until('the loss', () => record.sessionsLost === 1)
    // Broken before it was subscribed again: there was nothing more to lose.
    await reconnect()
    await open()
    assert.equal(record.sessionsLost, 1)
    await reconnect()
    await open()
    assert.equal(record.sessionsLost, 2)
    const [line] = events('broker.session-lost')
    assert.equal(line?.level, 'warn')
    assert.match(String(line.fields['meaning']), /no longer knew the session/)
    assert.match(String(line.fields['fix']), /persistence/)
    assert.doesNotMatch(JSON.stringify(record.lines), /geheim/)
  })

  it('knows from its record that an earlier run had a session', async () => {
    await leaveRecord('in/#')
    await start()
    await open()
    assert.equal(record.sessionsLost, 1)
  })

  for (const [retained, sessionPresent, asked] of [
    [true, false, 'all'],
    [true, true, 'new'],
    [false, false, 'none'],
    [false, true, 'none'],
  ] as const) {
    it(`asks for ${asked} kept messages with retained ${retained} and a session ${sessionPresent ? 'present' : 'new'}`, async () => {
      await start({ retained })
      const session = await open({ sessionPresent })
      assert.equal(session.subscriptions[0]?.options.retained, asked)
    })
  }

  it('warns once when the broker grants less than it was asked for, and is connected all the same', async () => {
    await start()
    await open({}, 0)
    assert.equal(record.statuses.at(-1), 'connected')
    await reconnect()
    await open({}, 0)
    const [line, second] = events('broker.qos-lowered')
    assert.equal(line?.level, 'warn')
    assert.equal(line.fields['topic'], 'in/#')
    assert.equal(second, undefined)
  })

  it('warns when the broker takes QoS 0 only, whatever it grants', async () => {
    await start()
    await open({ qosMax: 0 }, 1)
    const [line] = events('broker.qos-lowered')
    assert.deepEqual([line?.fields['asked'], line?.fields['granted']], [1, 0])
    await start()
    await open({ qosMax: 1 }, 1)
    assert.equal(events('broker.qos-lowered').length, 1)
  })

  it('warns when the broker keeps the session for less time than asked, anew when that changes', async () => {
    await start({ sessionExpirySeconds: 3600 })
    for (const keptForSeconds of [3600, 60, 60, 0, 3600, 7200, 60]) {
      await open({ keptForSeconds })
      await reconnect()
    }
    const lines = events('broker.expiry-lowered')
    assert.deepEqual(
      lines.map(({ level, fields }) => [level, fields['askedSeconds'], fields['grantedSeconds']]),
      [60, 0, 60].map((granted) => ['warn', 3600, granted]),
    )
  })

  it('marks what its own filter does not match, on a session from before', async () => {
    await start()
    await open({ sessionPresent: true })
    send(1)
    send(2, 'old/x')
    assert.deepEqual(
      record.messages.map(({ stray }) => stray),
      [undefined, true],
    )
    await reconnect()
    await open()
    send(3, 'old/x')
    assert.equal(record.messages[2]?.stray, undefined, 'a new session has no old subscriptions')
  })

  it('writes down what it subscribes before it does, once', async () => {
    await start({ topic: '$share/g/in/#' })
    sessions.last.opened()
    await until('a SUBSCRIBE', () => sessions.last.subscriptions[0])
    assert.deepEqual(await storedFilters(), ['$share/g/in/#'])
  })

  it('ends subscriptions that left the configuration before it subscribes', async () => {
    await leaveRecord('old/#', 'in/#', 'older')
    await start()
    const session = sessions.last
    session.opened({ sessionPresent: true })
    for (const [index, filter] of ['old/#', 'older'].entries()) {
      const asked = await until('an UNSUBSCRIBE', () => session.unsubscriptions[index])
      assert.equal(asked.filter, filter)
      assert.equal(session.subscriptions.length, 0)
      assert.deepEqual(await storedFilters(), ['old/#', 'in/#', 'older'], 'still kept')
      // One of them the broker had already forgotten.
      asked.answered(index === 0 ? 0 : 0x11)
    }
    await until('a SUBSCRIBE', () => session.subscriptions[0])
    assert.deepEqual(await storedFilters(), ['in/#'])
    assert.deepEqual(
      events('broker.unsubscribed').map(({ level, fields }) => [level, fields['filter']]),
      [
        ['info', 'old/#'],
        ['info', 'older'],
      ],
    )
  })

  it('remembers a subscription that the broker will not end, and tries again', async () => {
    await leaveRecord('old/#')
    await start()
    const session = sessions.last
    session.opened({ sessionPresent: true })
    const asked = await until('an UNSUBSCRIBE', () => session.unsubscriptions[0])
    asked.answered(0x87)
    await until('a SUBSCRIBE', () => session.subscriptions[0])
    assert.deepEqual(await storedFilters(), ['in/#', 'old/#'])
    const [line] = events('broker.unsubscribe-refused')
    assert.equal(line?.level, 'warn')
    assert.equal(line.fields['reason'], 'not authorised')
    await reconnect()
    sessions.last.opened({ sessionPresent: true })
    const again = await until('an UNSUBSCRIBE', () => sessions.last.unsubscriptions[0])
    assert.equal(again.filter, 'old/#')
  })

  it('has nothing to unsubscribe on a new session', async () => {
    await leaveRecord('old/#')
    await start()
    const session = await open()
    assert.deepEqual(session.unsubscriptions, [])
    assert.deepEqual(await storedFilters(), ['in/#'])
  })

  it('warns of a damaged record, goes on without, and writes it anew', async () => {
    const file = new SessionRecords('sessions').fileOf(url, 'edge-1')
    await scratch.write(file, '{"format":')
    await start()
    await open({ sessionPresent: true })
    const [line] = events('session-record.unreadable')
    assert.equal(line?.level, 'warn')
    assert.equal(record.statuses.at(-1), 'connected')
    assert.deepEqual(await storedFilters(), ['in/#'])
  })

  it('works without a folder that it may write to, and warns once', async () => {
    // A file where the folder should be stops root as well.
    await scratch.write('sessions', '')
    await start()
    await open()
    await reconnect()
    await open()
    assert.equal(record.statuses.at(-1), 'connected')
    assert.equal(record.sessionsLost, 1, 'known within the process')
    assert.equal(events('session-record.unwritable').length, 1)
  })

  it('subscribes only to a session that is still there', async () => {
    await leaveRecord('old/#')
    await start()
    const first = sessions.last
    first.opened({ sessionPresent: true })
    const asked = await until('an UNSUBSCRIBE', () => first.unsubscriptions[0])
    await reconnect()
    asked.answered(0)
    await open({ sessionPresent: false })
    assert.equal(first.subscriptions.length, 0)
  })
})

describe('MqttSource with QoS 0', () => {
  it('has a clean session, and deletes a record that this makes void', async () => {
    await leaveRecord('in/#')
    await start({ qos: 0 })
    assert.equal(sessions.last.options.keptForSeconds, 0)
    const session = await open({}, 0)
    assert.deepEqual(session.subscriptions[0]?.options, { qos: 0, retained: 'all' })
    await source.close()
    assert.equal(await storedFilters(), undefined)
    assert.equal(record.sessionsLost, 0)
    assert.deepEqual(events('broker.qos-lowered'), [])
  })

  it('keeps the record while the broker has not made the session void', async () => {
    await leaveRecord('in/#')
    await start({ qos: 0 })
    sessions.last.ended({ kind: 'socket' })
    await source.close()
    assert.deepEqual(await storedFilters(), ['in/#'])
  })

  it('writes nothing to the disk', async () => {
    await start({ qos: 0 })
    await open({}, 0)
    await source.close()
    assert.deepEqual(await scratch.tree(), [])
  })
})
