import assert from 'node:assert/strict'
import { beforeEach, describe, it } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import fc from 'fast-check'
import type { WhenFull } from '../../../../src/config/settings.ts'
import { MqttSink } from '../../../../src/transport/mqtt/mqtt-sink.ts'
import { brokerSettings } from '../../../support/broker-settings.ts'
import { FakeClock } from '../../../support/fake-clock.ts'
import { FakeSessions } from '../../../support/fake-session.ts'
import { Recorder } from '../../../support/transport-fixture.ts'

describe('MqttSink with QoS 0', () => {
  let clock: FakeClock
  let sessions: FakeSessions
  let record: Recorder
  beforeEach(() => {
    clock = new FakeClock()
    sessions = new FakeSessions()
    record = new Recorder()
  })

  async function start(
    options: { itemsMax?: number; whenFull?: WhenFull; retain?: boolean; qos?: 0 | 1 } = {},
  ): Promise<MqttSink> {
    const { itemsMax = 10, whenFull = 'block', retain = false, qos = 0 } = options
    const broker = brokerSettings('mqtt://broker', { protocol: '5', retain })
    const sink = new MqttSink(
      { broker, clientId: 'out', qos, topic: 'unused', timeoutMs: 10_000 },
      { itemsMax, bytesMax: 1e6, whenFull },
      { clock, random: () => 0, log: record.log, openSession: sessions.open },
    )
    await sink.start(record.listener)
    await turn()
    return sink
  }

  const publish = (sink: MqttSink, name: string, bytes = 1): void => {
    sink.publish({ topic: name, payload: Buffer.alloc(bytes) }, (outcome) =>
      record.outcomes.push(`${name} ${outcome}` as 'published'),
    )
  }
  const sent = (): string[] => sessions.last.published.map(({ topic }) => topic)

  it('sends at once when connected, and settles when the bytes were taken', async () => {
    const sink = await start({ retain: true })
    sessions.last.opened()
    publish(sink, 'a')
    assert.deepEqual(sent(), ['a'])
    assert.equal(sessions.last.published[0]?.retain, true)
    assert.deepEqual(record.outcomes, [])
    assert.equal(sink.pending, 1)
    sessions.last.takeOne()
    assert.deepEqual(record.outcomes, ['a published'])
    assert.equal(sink.pending, 0)
  })

  it('keeps results back while the socket has no room', async () => {
    const sink = await start()
    sessions.last.opened()
    sessions.last.hasRoom = false
    publish(sink, 'a')
    publish(sink, 'b')
    assert.deepEqual(sent(), [])
    sessions.last.room()
    assert.deepEqual(sent(), ['a', 'b'])
  })

  it('sends again in order what a broken connection had not taken', async () => {
    const sink = await start()
    sessions.last.opened()
    for (const name of ['a', 'b', 'c']) publish(sink, name)
    sessions.last.takeOne()
    sessions.last.ended()
    publish(sink, 'd')
    clock.advance(500)
    await turn()
    sessions.last.opened()
    assert.deepEqual(sent(), ['b', 'c', 'd'])
    assert.deepEqual(record.outcomes, ['a published'])
  })

  it('refuses what is larger than the broker takes, which another broker may take', async () => {
    const sink = await start()
    sessions.last.opened({ packetBytesMax: 100 })
    publish(sink, 'large', 100)
    publish(sink, 'small', 10)
    assert.deepEqual(record.outcomes, ['large too-large'])
    assert.deepEqual(sent(), ['small'])
  })

  it('refuses a topic that MQTT cannot write', async () => {
    const sink = await start()
    sessions.last.opened()
    sink.publish({ topic: 'a'.repeat(65_536), payload: Buffer.alloc(0) }, record.settled)
    assert.deepEqual(record.outcomes, ['too-large'])
    assert.deepEqual(sent(), [])
  })

  it('gives up what waited too long, the time in a broken connection included', async () => {
    const sink = await start()
    sessions.last.opened()
    publish(sink, 'a')
    clock.advance(6000)
    publish(sink, 'b')
    sessions.last.ended({ kind: 'silent' })
    clock.advance(4000)
    assert.deepEqual(record.outcomes, ['a timeout'])
    clock.advance(6000)
    assert.deepEqual(record.outcomes, ['a timeout', 'b timeout'])
  })

  it('survives a listener that throws, and one that publishes from within', async () => {
    const sink = await start()
    sessions.last.opened()
    sink.publish({ topic: 'a', payload: Buffer.alloc(1) }, () => {
      publish(sink, 'b')
      throw new Error('of the listener')
    })
    sessions.last.takeOne()
    sessions.last.takeOne()
    assert.deepEqual(record.outcomes, ['b published'])
    assert.ok(record.lines.some(({ event }) => event === 'sink.listener-threw'))
  })

  it('waits for what is under way when it is closed, but not longer than allowed', async () => {
    const sink = await start()
    sessions.last.opened()
    publish(sink, 'a')
    publish(sink, 'b')
    const closing = sink.close(1000)
    publish(sink, 'late')
    sessions.last.takeOne()
    assert.deepEqual(record.outcomes, ['late closed', 'a published'])
    clock.advance(1000)
    await closing
    assert.deepEqual(record.outcomes, ['late closed', 'a published', 'b closed'])
    assert.equal(sink.pending, 0)
    assert.equal(clock.timers, 0)
  })

  it('settles every result exactly once and publishes in order, whatever happens', async () => {
    type Step = 'publish' | 'take' | 'open' | 'end' | 'full' | 'room' | 'second'
    const steps = fc.array(
      fc.constantFrom<Step>(
        'publish',
        'publish',
        'publish',
        'take',
        'open',
        'end',
        'full',
        'room',
        'second',
      ),
      { maxLength: 60 },
    )
    const policies = fc.constantFrom<WhenFull>('block', 'drop-oldest', 'drop-newest')
    await fc.assert(
      fc.asyncProperty(steps, policies, async (script, whenFull) => {
        clock = new FakeClock()
        sessions = new FakeSessions()
        record = new Recorder()
        const sink = await start({ itemsMax: 5, whenFull })
        const opened = new Set<object>()
        const settledAs = new Map<number, string[]>()
        const publishedOrder: number[] = []
        let count = 0
        for (const step of script) {
          const session = sessions.last
          if (step === 'publish') {
            const id = count++
            settledAs.set(id, [])
            sink.publish({ topic: 't', payload: Buffer.alloc(1) }, (outcome) => {
              settledAs.get(id)?.push(outcome)
              if (outcome === 'published') publishedOrder.push(id)
            })
          } else if (step === 'open' && !opened.has(session) && !session.isOver) {
            opened.add(session)
            session.opened()
          } else if (step === 'take') session.takeOne()
          else if (step === 'end') session.ended({ kind: 'silent' })
          else if (step === 'full') session.hasRoom = false
          else if (step === 'room' && opened.has(session) && !session.isOver) session.room()
          else if (step === 'second') {
            clock.advance(1000)
            await turn()
          }
          const open = [...settledAs.values()].filter((outcomes) => outcomes.length === 0)
          assert.equal(sink.pending, open.length)
        }
        const closing = sink.close(10)
        clock.advance(10)
        await closing
        for (const outcomes of settledAs.values()) assert.equal(outcomes.length, 1)
        assert.deepEqual(
          publishedOrder,
          [...publishedOrder].toSorted((a, b) => a - b),
        )
        assert.equal(sink.pending, 0)
        assert.equal(clock.timers, 0)
      }),
      { numRuns: 200 },
    )
  })
})
