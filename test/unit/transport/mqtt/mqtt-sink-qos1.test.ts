import assert from 'node:assert/strict'
import { beforeEach, describe, it } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import fc from 'fast-check'
import type { SessionFacts } from '../../../../src/transport/mqtt/mqtt-session.ts'
import { MqttSink } from '../../../../src/transport/mqtt/mqtt-sink.ts'
import type { PublishOutcome } from '../../../../src/transport/transport.ts'
import { brokerSettings } from '../../../support/broker-settings.ts'
import { FakeClock } from '../../../support/fake-clock.ts'
import { type FakeSession, FakeSessions } from '../../../support/fake-session.ts'
import { RecordedLog } from '../../../support/recorded-log.ts'
import { Recorder } from '../../../support/transport-fixture.ts'

describe('MqttSink with QoS 1', () => {
  let clock: FakeClock
  let sessions: FakeSessions
  let log: RecordedLog
  let sink: MqttSink
  let outcomes: string[]
  beforeEach(() => {
    clock = new FakeClock()
    sessions = new FakeSessions()
    log = new RecordedLog()
    outcomes = []
  })

  async function start(options: { retain?: boolean; itemsMax?: number } = {}): Promise<void> {
    const { retain = false, itemsMax = 3 } = options
    const broker = brokerSettings('mqtt://broker', { protocol: '5', retain })
    sink = new MqttSink(
      { broker, clientId: 'out', qos: 1, topic: 'unused', timeoutMs: 1000 },
      { itemsMax, bytesMax: 10, whenFull: 'drop-oldest' },
      { clock, random: () => 0, log: log.logger, openSession: sessions.open },
    )
    await sink.start(new Recorder().listener)
    await turn()
  }

  async function startOpen(options: { retain?: boolean } = {}): Promise<void> {
    await start(options)
    sessions.last.opened()
  }

  async function reconnect(facts: Partial<SessionFacts> = {}): Promise<void> {
    const { length } = sessions.all
    sessions.last.ended({ kind: 'silent' })
    while (sessions.all.length === length) {
      clock.advance(100)
      await turn()
    }
    sessions.last.opened(facts)
  }

  const publish = (...names: readonly string[]): void => {
    for (const name of names) {
      sink.publish({ topic: name, payload: Buffer.alloc(1) }, (outcome) =>
        outcomes.push(`${name} ${outcome}`),
      )
    }
  }
  const sent = (session: FakeSession = sessions.last): string[] =>
    session.published.map(({ topic, duplicate }) => (duplicate ? `${topic} again` : topic))
  const answer = (name: string, code = 0): void => {
    const publish = sessions.last.waiting.find(({ message }) => message.topic === name)
    assert.ok(publish !== undefined, `${name} is not on its way`)
    publish.done(code)
  }

  it('asks for a clean session', async () => {
    await start()
    assert.equal(sessions.last.options.keptForSeconds, 0)
  })

  it('has many on their way, each settled by its own PUBACK', async () => {
    await startOpen()
    publish('a', 'b', 'c')
    assert.deepEqual(
      sessions.last.published.map(({ topic, qos }) => `${topic} ${qos}`),
      ['a 1', 'b 1', 'c 1'],
    )
    assert.equal(sink.pending, 3)
    answer('b')
    answer('a', 0x10)
    assert.deepEqual(outcomes, ['b published', 'a published'])
    assert.equal(sink.pending, 1)
    assert.equal(sink.spooled, 0)
  })

  it('holds the rest back while the session has no room', async () => {
    await startOpen()
    sessions.last.hasRoom = false
    publish('a', 'b')
    assert.deepEqual(sent(), [])
    sessions.last.room()
    assert.deepEqual(sent(), ['a', 'b'])
  })

  it('gives nothing up because of time, or for want of room', async () => {
    await start()
    publish('a', 'b', 'c', 'd', 'e')
    clock.advance(600_000)
    assert.deepEqual(outcomes, [])
    assert.equal(sink.pending, 5)
  })

  it('sends again, in order and marked, what a broken connection had not confirmed', async () => {
    await startOpen()
    publish('a', 'b', 'c')
    answer('b')
    sessions.last.hasRoom = false
    publish('d')
    await reconnect()
    assert.deepEqual(sent(), ['a again', 'c again', 'd'])
    await reconnect()
    assert.deepEqual(sent(), ['a again', 'c again', 'd again'])
    assert.deepEqual(outcomes, ['b published'])
  })

  for (const code of [0x80, 0x83, 0x91, 0x97]) {
    it(`sends a result again after a wait when the broker answers 0x${code.toString(16)}`, async () => {
      await startOpen()
      publish('a', 'b')
      answer('a', code)
      publish('c')
      assert.deepEqual(sent(), ['a', 'b'], 'nothing is sent while it waits')
      clock.advance(499)
      answer('b')
      assert.deepEqual(sent(), ['a', 'b'])
      clock.advance(1)
      assert.deepEqual(sent(), ['a', 'b', 'a'], 'one goes alone, and is no duplicate')
      answer('a')
      assert.deepEqual(sent(), ['a', 'b', 'a', 'c'])
      answer('c')
      assert.deepEqual(outcomes, ['b published', 'a published', 'c published'])
      const [line] = log.lines.filter(({ event }) => event === 'result.refused-for-now')
      assert.equal(line?.level, 'warn')
      assert.equal(line.fields['topic'], 'a')
      assert.equal(line.fields['reasonCode'], code)
    })
  }

  it('waits longer after each refusal, warns once a minute, and begins anew after a success', async () => {
    await startOpen()
    publish('a')
    for (const delayMs of [500, 1000, 2000]) {
      answer('a', 0x97)
      clock.advance(delayMs - 1)
      assert.equal(sessions.last.waiting.length, 0)
      clock.advance(1)
      assert.equal(sessions.last.waiting.length, 1)
    }
    answer('a')
    assert.equal(log.of('result.refused-for-now').length, 1)
    publish('b')
    answer('b', 0x97)
    clock.advance(500)
    assert.equal(sessions.last.waiting.length, 1)
  })

  it('puts several refused ones back in their order', async () => {
    await startOpen()
    publish('a', 'b', 'c', 'd')
    for (const name of ['c', 'a', 'b']) answer(name, 0x97)
    clock.advance(500)
    answer('a')
    assert.deepEqual(sent().slice(4), ['a', 'b', 'c'])
    await reconnect()
    assert.deepEqual(sent(), ['b again', 'c again', 'd again'])
  })

  it('lets nothing else out before the second try is answered', async () => {
    await startOpen()
    publish('a', 'b')
    answer('a', 0x97)
    publish('c')
    clock.advance(500)
    answer('b')
    assert.deepEqual(sent(), ['a', 'b', 'a'])
    answer('a')
    assert.deepEqual(sent(), ['a', 'b', 'a', 'c'])
  })

  it('says since when the oldest waits, also after its second try', async () => {
    await startOpen()
    const since = clock.monotonic()
    publish('a')
    clock.advance(10)
    publish('b')
    answer('a', 0x97)
    clock.advance(500)
    assert.deepEqual(sent(), ['a', 'b', 'a'])
    assert.equal(sink.waitingSince, since)
  })

  it('lets what a listener publishes wait behind what was there before', async () => {
    await start()
    sink.publish({ topic: 'a', payload: Buffer.alloc(100) }, () => publish('c'))
    publish('b')
    sessions.last.opened({ packetBytesMax: 50 })
    assert.deepEqual(sent(), ['b', 'c'])
  })

  it('forgets its wait when the connection breaks', async () => {
    await startOpen()
    publish('a', 'b')
    answer('a', 0x97)
    await reconnect()
    assert.deepEqual(sent(), ['a', 'b again'])
  })

  for (const [code, words] of [
    [0x87, 'not authorised'],
    [0x90, 'it does not allow this topic'],
    [0x99, 'it does not accept this payload'],
    [0xee, 'unknown reason code 0xEE'],
  ] as const) {
    it(`gives a result up that the broker refuses with 0x${code.toString(16)}, and says so`, async () => {
      await startOpen()
      publish('a', 'b')
      answer('a', code)
      assert.deepEqual(outcomes, ['a refused'])
      const [line] = log.lines.filter(({ event }) => event === 'result.refused')
      assert.equal(line?.level, 'error')
      const { topic, reasonCode, reason } = line.fields
      assert.deepEqual([topic, reasonCode, reason], ['a', code, words])
      answer('b', code)
      assert.equal(log.of('result.refused').length, 1, 'once a minute')
    })
  }

  it('publishes with QoS 0 to a broker that takes no more, and warns once', async () => {
    await start()
    sessions.last.opened({ qosMax: 0 })
    publish('a')
    await reconnect({ qosMax: 0 })
    assert.deepEqual(
      sessions.last.published.map(({ qos, duplicate }) => [qos, duplicate]),
      [[0, false]],
    )
    answer('a')
    assert.deepEqual(outcomes, ['a published'])
    assert.equal(log.of('broker.qos-lowered').length, 1)
  })

  it('leaves the retain flag out where the broker keeps nothing, and warns once', async () => {
    await start({ retain: true })
    sessions.last.opened({ retainAvailable: false })
    publish('a')
    await reconnect()
    await reconnect({ retainAvailable: false })
    assert.deepEqual(
      sessions.all.flatMap(({ published }) => published.map(({ retain }) => retain)),
      [false, true, false],
    )
    assert.equal(log.of('broker.retain-unavailable').length, 1)
  })

  it('counts the packet id when it measures against the limit of the broker', async () => {
    await start()
    // Header 2, topic 2 + 1, id 2, properties 1, payload.
    sessions.last.opened({ packetBytesMax: 20 })
    for (const bytes of [12, 13]) {
      sink.publish({ topic: 't', payload: Buffer.alloc(bytes) }, (outcome) =>
        outcomes.push(`${bytes} ${outcome}`),
      )
    }
    assert.deepEqual(outcomes, ['13 too-large'])
    assert.equal(sessions.last.published[0]?.payload.length, 12)
  })

  it('gives back what waits, oldest first, and goes on with what is on its way', async () => {
    await startOpen()
    publish('a')
    sessions.last.hasRoom = false
    publish('b', 'c')
    const withdrawn = sink.withdraw('waiting')
    assert.deepEqual(
      withdrawn.map(({ message }) => message.topic),
      ['b', 'c'],
    )
    answer('a')
    assert.deepEqual(outcomes, ['a published'])
    assert.equal(sink.pending, 0)
  })

  it('gives everything back, and ignores the PUBACK of what it has given back', async () => {
    await startOpen()
    publish('a', 'b')
    sessions.last.hasRoom = false
    publish('c')
    const withdrawn = sink.withdraw('all')
    assert.deepEqual(
      withdrawn.map(({ message }) => message.topic),
      ['a', 'b', 'c'],
    )
    assert.equal(sink.pending, 0)
    answer('a')
    answer('b', 0x97)
    assert.deepEqual(outcomes, [])
    await reconnect()
    assert.deepEqual(sent(), [])
  })

  it('does not wait for ever behind a result that was withdrawn during its second try', async () => {
    await startOpen()
    publish('a')
    answer('a', 0x97)
    clock.advance(500)
    sink.withdraw('all')
    publish('b')
    answer('a')
    assert.deepEqual(sent(), ['a', 'a', 'b'])
  })

  it('says since when the oldest waits', async () => {
    await startOpen()
    assert.equal(sink.waitingSince, undefined)
    clock.advance(10)
    publish('a')
    clock.advance(10)
    sessions.last.hasRoom = false
    publish('b')
    const since = sink.waitingSince
    assert.equal(since, clock.monotonic() - 10)
    answer('a')
    assert.equal(sink.waitingSince, since + 10)
  })

  it('waits for PUBACKs when it is closed, and settles the rest as closed', async () => {
    await startOpen()
    publish('a', 'b')
    const closing = sink.close(1000)
    answer('a')
    clock.advance(1000)
    await closing
    assert.deepEqual(outcomes, ['a published', 'b closed'])
    assert.equal(clock.timers, 0)
  })

  it('is closed at once when what it waited for is withdrawn', async () => {
    await startOpen()
    publish('a')
    const closing = sink.close(1000)
    assert.equal(sink.withdraw('all').length, 1)
    await closing
    assert.deepEqual(outcomes, [])
  })

  it('settles each result once and with a reason, and sends first in order, whatever happens', async () => {
    type Step =
      | { readonly do: 'publish' | 'open' | 'end' | 'full' | 'room' | 'second' }
      | { readonly do: 'answer'; readonly which: number; readonly code: number }
      | { readonly do: 'withdraw'; readonly which: 'waiting' | 'all' }
    const plain = (
      ...names: readonly ('publish' | 'open' | 'end' | 'full' | 'room' | 'second')[]
    ) => names.map((name) => fc.constant<Step>({ do: name }))
    const answers = fc.record({
      do: fc.constant('answer' as const),
      which: fc.nat(5),
      code: fc.constantFrom(0, 0, 0, 0x10, 0x87, 0x97),
    })
    const withdrawals = fc.record({
      do: fc.constant('withdraw' as const),
      which: fc.constantFrom('waiting' as const, 'all' as const),
    })
    const steps = fc.array(
      fc.oneof(
        ...plain('publish', 'publish', 'publish', 'open', 'open', 'end', 'full', 'room', 'second'),
        answers,
        answers,
        withdrawals,
      ),
      { maxLength: 80 },
    )
    await fc.assert(
      fc.asyncProperty(steps, async (script) => {
        clock = new FakeClock()
        sessions = new FakeSessions()
        await start({ itemsMax: 2 })
        const opened = new Set<FakeSession>()
        const settledAs = new Map<string, PublishOutcome[]>()
        const confirmed = new Set<string>()
        const withdrawn = new Set<string>()
        const take = (which: 'waiting' | 'all'): void => {
          const topics = sink.withdraw(which).map(({ message }) => Number(message.topic))
          assert.deepEqual(
            topics,
            [...topics].toSorted((a, b) => a - b),
            'oldest first',
          )
          for (const topic of topics) {
            assert.ok(!withdrawn.has(String(topic)), 'withdrawn once')
            withdrawn.add(String(topic))
          }
        }
        for (const step of script) {
          const session = sessions.last
          const isLive = opened.has(session) && !session.isOver
          if (step.do === 'publish') {
            const topic = String(settledAs.size)
            settledAs.set(topic, [])
            sink.publish({ topic, payload: Buffer.alloc(1) }, (outcome) =>
              settledAs.get(topic)?.push(outcome),
            )
          } else if (step.do === 'answer') {
            const publish = session.waiting[step.which]
            if (publish === undefined || session.isOver) continue
            if (step.code < 0x80) confirmed.add(publish.message.topic)
            publish.done(step.code)
          } else if (step.do === 'withdraw') take(step.which)
          else if (step.do === 'open' && !opened.has(session) && !session.isOver) {
            opened.add(session)
            session.opened()
          } else if (step.do === 'end') session.ended({ kind: 'silent' })
          else if (step.do === 'full') session.hasRoom = false
          else if (step.do === 'room' && isLive) session.room()
          else if (step.do === 'second') {
            clock.advance(1000)
            await turn()
          }
          const open = [...settledAs].filter(
            ([topic, outcomes]) => outcomes.length === 0 && !withdrawn.has(topic),
          )
          assert.equal(sink.pending, open.length)
          assert.equal(sink.waitingSince === undefined, open.length === 0)
        }
        const closing = sink.close(10)
        clock.advance(10)
        await closing
        assert.equal(sink.pending, 0)
        assert.equal(clock.timers, 0)
        for (const [topic, outcomes] of settledAs) {
          assert.equal(
            outcomes.length,
            withdrawn.has(topic) ? 0 : 1,
            `${topic}: ${outcomes.join()}`,
          )
          if (outcomes[0] === 'published') assert.ok(confirmed.has(topic), `${topic} had a PUBACK`)
          else if (outcomes.length > 0) assert.ok(['refused', 'closed'].includes(outcomes[0] ?? ''))
        }
        const all = sessions.all.flatMap(({ published }) => published)
        const first = [...new Set(all.map(({ topic }) => Number(topic)))]
        assert.deepEqual(
          first,
          [...first].toSorted((a, b) => a - b),
          'first sent in order',
        )
        for (const session of sessions.all) {
          const again = session.published.filter(({ duplicate }) => duplicate)
          const earlier = new Set(
            sessions.all
              .slice(0, sessions.all.indexOf(session))
              .flatMap(({ published }) => published.map(({ topic }) => topic)),
          )
          for (const { topic } of again)
            assert.ok(earlier.has(topic), 'a duplicate was sent before')
        }
      }),
      { numRuns: 300 },
    )
  })
})
