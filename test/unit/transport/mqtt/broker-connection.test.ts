import assert from 'node:assert/strict'
import { beforeEach, describe, it } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import type { BrokerSettings } from '../../../../src/config/settings.ts'
import { BrokerConnection } from '../../../../src/transport/mqtt/broker-connection.ts'
import type { ConnectionFacts } from '../../../../src/transport/mqtt/connection-owner.ts'
import type { SessionEnd } from '../../../../src/transport/mqtt/mqtt-session.ts'
import { brokerSettings } from '../../../support/broker-settings.ts'
import { FakeClock } from '../../../support/fake-clock.ts'
import { FakeSessions } from '../../../support/fake-session.ts'
import { Recorder } from '../../../support/transport-fixture.ts'

const refused = (code: number): SessionEnd => ({ kind: 'refused', code })
const failed = (code: string): SessionEnd => ({
  kind: 'socket',
  error: Object.assign(new Error(code), { code }),
})
const takenOver: SessionEnd = { kind: 'disconnected', code: 142 }

describe('BrokerConnection', () => {
  let clock: FakeClock
  let sessions: FakeSessions
  let record: Recorder
  let lost: number
  let opened: ConnectionFacts[]
  let answersAtOnce: boolean
  let isReading: boolean
  beforeEach(() => {
    opened = []
    answersAtOnce = true
    isReading = true
    clock = new FakeClock()
    sessions = new FakeSessions()
    record = new Recorder()
    lost = 0
  })

  async function start(overrides: Partial<BrokerSettings> = {}): Promise<BrokerConnection> {
    const broker = brokerSettings('mqtt://me:geheim@broker', overrides)
    const parts = { clock, random: () => 0, log: record.log, openSession: sessions.open }
    const connection = new BrokerConnection(
      { ...parts, broker, clientId: 'edge-1', keptForSeconds: 60, receiveMaximum: 7 },
      {
        opened: (_session, facts, ready) => {
          opened.push(facts)
          if (answersAtOnce) ready()
        },
        message: (message) => record.listener.message(message),
        room: () => {},
        isReading: () => isReading,
        lost: () => (lost += 1),
        state: record.listener.state,
      },
    )
    connection.start()
    await turn()
    return connection
  }

  /** Moves time on to the next attempt and lets it open its session. */
  async function pass(ms: number): Promise<void> {
    clock.advance(ms)
    await turn()
  }

  const reasons = (): string[] =>
    record.states.map((state) => (state.status === 'connected' ? 'connected' : state.reason))

  it('waits longer after each failure, and begins anew after a connection that held', async () => {
    await start()
    for (const delayMs of [500, 1000, 2000]) {
      const { length } = sessions.all
      sessions.last.ended(failed('ECONNREFUSED'))
      await pass(delayMs - 1)
      assert.equal(sessions.all.length, length)
      await pass(1)
      assert.equal(sessions.all.length, length + 1)
    }
    sessions.last.opened()
    await pass(60_000)
    sessions.last.ended()
    assert.equal(lost, 1)
    assert.match(reasons().at(-1) ?? '', /closed the connection; next attempt in 0\.5 s$/)
  })

  it('keeps waiting longer when connections do not hold', async () => {
    await start()
    sessions.last.opened()
    sessions.last.ended({ kind: 'silent' })
    await pass(500)
    sessions.last.opened()
    sessions.last.ended({ kind: 'silent' })
    assert.match(reasons().at(-1) ?? '', /no longer answers; next attempt in 1\.0 s$/)
  })

  it('says in one sentence which broker, why, and when it tries again; without credentials', async () => {
    await start()
    sessions.last.ended(failed('ECONNREFUSED'))
    await pass(500)
    assert.deepEqual(reasons(), [
      'connecting to broker plant (mqtt://broker:1883)',
      'cannot reach broker plant (mqtt://broker:1883): nothing listens there (ECONNREFUSED); next attempt in 0.5 s',
      'connecting to broker plant (mqtt://broker:1883) again, because ' +
        'cannot reach broker plant (mqtt://broker:1883): nothing listens there (ECONNREFUSED)',
    ])
    assert.doesNotMatch(JSON.stringify([record.states, record.lines]), /geheim/)
  })

  it('warns of a new reason once and of its repetitions at debug', async () => {
    await start()
    for (const delayMs of [500, 1000, 2000]) {
      sessions.last.ended(failed('ECONNREFUSED'))
      await pass(delayMs)
    }
    const levels = record.lines.map(({ level, event }) => `${level} ${event}`)
    assert.deepEqual(levels, [
      'warn broker.unavailable',
      'debug broker.unavailable',
      'debug broker.unavailable',
    ])
  })

  for (const code of [1, 132]) {
    it(`falls back to 3.1.1 at once when CONNACK says ${code}, and remembers it`, async () => {
      await start()
      assert.equal(sessions.last.options.protocol, '5')
      sessions.last.ended(refused(code))
      await turn()
      assert.equal(sessions.last.options.protocol, '3.1.1')
      sessions.last.opened()
      assert.deepEqual(record.statuses, ['connecting', 'connected'])
      assert.deepEqual(record.states[1], { status: 'connected', protocol: '3.1.1' })
      await pass(60_000)
      sessions.last.ended()
      await pass(500)
      assert.equal(sessions.last.options.protocol, '3.1.1')
      sessions.last.opened()
      const fallbacks = record.lines.filter(({ event }) => event === 'broker.protocol-fallback')
      assert.deepEqual(
        fallbacks.map(({ level }) => level),
        ['info'],
      )
    })
  }

  it('falls back when the broker closes twice without an answer', async () => {
    await start()
    sessions.last.ended()
    await pass(500)
    assert.equal(sessions.last.options.protocol, '5')
    sessions.last.ended()
    await turn()
    assert.equal(sessions.last.options.protocol, '3.1.1')
    sessions.last.opened()
    assert.equal(record.statuses.at(-1), 'connected')
  })

  it('returns to MQTT 5 when 3.1.1 was not accepted either', async () => {
    await start()
    sessions.last.ended(refused(1))
    await turn()
    sessions.last.ended(failed('ECONNRESET'))
    await pass(500)
    assert.equal(sessions.last.options.protocol, '5')
  })

  it('stays with the version that the configuration names', async () => {
    await start({ protocol: '5' })
    sessions.last.ended(refused(1))
    assert.match(reasons().at(-1) ?? '', /does not speak MQTT 5/)
    await pass(500)
    assert.equal(sessions.last.options.protocol, '5')
  })

  it('stays with MQTT 5 once it was spoken', async () => {
    await start()
    sessions.last.opened()
    for (const delayMs of [500, 1000, 2000]) {
      sessions.last.ended(failed('ECONNREFUSED'))
      await pass(delayMs)
    }
    sessions.last.ended(refused(1))
    await pass(4000)
    assert.equal(sessions.last.options.protocol, '5')
  })

  it('gives an attempt up after connectTimeoutMs', async () => {
    await start({ connectTimeoutMs: 3000 })
    await pass(3000)
    assert.ok(sessions.last.isOver)
    assert.match(
      reasons().at(-1) ?? '',
      /did not answer CONNECT within 3 s; next attempt in 0\.5 s$/,
    )
    await pass(500)
    assert.equal(sessions.all.length, 2)
  })

  it('gives every session an epoch of its own, and hands on what the broker said', async () => {
    await start()
    sessions.last.opened({ sessionPresent: true, packetBytesMax: 99 })
    sessions.last.ended({ kind: 'silent' })
    await pass(500)
    sessions.last.opened({ qosMax: 0 })
    const [first, second] = sessions.all.map(({ options }) => options)
    assert.deepEqual([first?.keptForSeconds, first?.receiveMaximum], [60, 7])
    assert.ok(second !== undefined && first !== undefined && second.epoch > first.epoch)
    const facts = opened.map(({ epoch, protocol, sessionPresent, packetBytesMax, qosMax }) => [
      epoch,
      protocol,
      sessionPresent,
      packetBytesMax,
      qosMax,
    ])
    assert.deepEqual(facts, [
      [first.epoch, '5', true, 99, 2],
      [second.epoch, '5', false, Number.POSITIVE_INFINITY, 0],
    ])
  })

  it('gives up a session whose SUBSCRIBE is not answered in time', async () => {
    answersAtOnce = false
    await start({ connectTimeoutMs: 3000 })
    sessions.last.opened()
    await pass(3000)
    assert.ok(sessions.last.isOver)
    assert.match(reasons().at(-1) ?? '', /did not answer SUBSCRIBE within 3 s/)
  })

  it('does not take it for silence when the answer waits because reading is paused', async () => {
    answersAtOnce = false
    isReading = false
    await start({ connectTimeoutMs: 3000 })
    sessions.last.opened()
    await pass(60_000)
    assert.ok(!sessions.last.isOver)
    isReading = true
    await pass(3000)
    assert.ok(sessions.last.isOver)
  })

  it('passes no message on of a session that it has given up', async () => {
    const connection = await start()
    sessions.last.opened()
    const message = { topic: 't', payload: Buffer.alloc(0), qos: 0, retain: false } as const
    sessions.last.listener.message({ ...message, duplicate: false, receivedAt: 0 })
    const closed = connection.close()
    sessions.last.listener.message({ ...message, duplicate: false, receivedAt: 0 })
    await closed
    assert.equal(record.messages.length, 1)
  })

  it('leaves the session to another client for minutes when told that it was taken', async () => {
    await start()
    sessions.last.opened()
    await pass(60_000)
    sessions.last.ended(takenOver)
    const state = record.states.at(-1)
    assert.equal(state?.status === 'taken' && state.error?.code, 'BROKER_SESSION_TAKEN')
    assert.match(reasons().at(-1) ?? '', /"edge-1".*another client; next attempt in 5 min$/)
    await pass(5 * 60_000 - 1)
    assert.equal(sessions.all.length, 1)
    await pass(1)
    assert.equal(sessions.all.length, 2)
  })

  it('suspects a takeover after four quick closes, which is none when the broker was away', async () => {
    await start()
    for (const delayMs of [500, 1000, 2000]) {
      sessions.last.opened()
      sessions.last.ended()
      await pass(delayMs)
    }
    sessions.last.ended(failed('ECONNREFUSED'))
    await pass(4000)
    for (const delayMs of [8000, 16_000, 30_000]) {
      sessions.last.opened()
      sessions.last.ended()
      await pass(delayMs)
    }
    assert.ok(!record.statuses.includes('taken'))
    sessions.last.opened()
    sessions.last.ended()
    assert.equal(record.statuses.at(-1), 'taken')
    assert.match(reasons().at(-1) ?? '', /keeps closing .* as brokers do when another client/)
  })

  for (const [end, code, words] of [
    [refused(5), 'BROKER_REFUSED', /not authorised/],
    [refused(4), 'BROKER_REFUSED', /user name or password is wrong/],
    [refused(133), 'BROKER_REFUSED', /rejects the client id "edge-1"/],
    [refused(136), 'BROKER_UNREACHABLE', /not available now/],
    [refused(200), 'BROKER_REFUSED', /unknown reason code 0xC8/],
    [failed('ENOTFOUND'), 'BROKER_UNREACHABLE', /name is not known/],
    [failed('DEPTH_ZERO_SELF_SIGNED_CERT'), 'BROKER_TLS', /self-signed/],
    [failed('CERT_HAS_EXPIRED'), 'BROKER_TLS', /expired/],
    [failed('ERR_TLS_CERT_ALTNAME_INVALID'), 'BROKER_TLS', /another host name/],
    [failed('ERR_SSL_WRONG_VERSION_NUMBER'), 'BROKER_TLS', /does not speak TLS/],
    [{ kind: 'socket' }, 'BROKER_UNREACHABLE', /closed the connection unanswered/],
    [{ kind: 'disconnected', code: 138 }, 'BROKER_REFUSED', /banned/],
    [
      { kind: 'protocol', error: new Error('bad flags') },
      'BROKER_UNREACHABLE',
      /not MQTT.*bad flags/,
    ],
  ] as const) {
    it(`reports ${JSON.stringify(end)} as ${code}`, async () => {
      await start({ protocol: '3.1.1' })
      sessions.last.ended(end)
      const state = record.states.at(-1)
      assert.equal(state?.status === 'waiting' && state.error?.code, code)
      assert.match(reasons().at(-1) ?? '', words)
    })
  }

  it('does nothing more after close, which may be called twice', async () => {
    const connection = await start()
    sessions.last.ended(failed('ECONNREFUSED'))
    await connection.close()
    await connection.close()
    assert.equal(clock.timers, 0)
    await pass(600_000)
    assert.equal(sessions.all.length, 1)
    assert.deepEqual(record.statuses, ['connecting', 'waiting', 'closed'])
  })

  it('opens nothing when it is closed before its first attempt got that far', async () => {
    const broker = brokerSettings('mqtt://broker')
    const parts = { clock, random: () => 0, log: record.log, openSession: sessions.open }
    const settings = { broker, clientId: 'x', keptForSeconds: 0, receiveMaximum: 1 }
    const connection = new BrokerConnection(
      { ...parts, ...settings },
      {
        opened() {},
        message() {},
        room() {},
        isReading: () => true,
        lost() {},
        state: record.listener.state,
      },
    )
    connection.start()
    await connection.close()
    await turn()
    assert.equal(sessions.all.length, 0)
  })
})
