/** Random schedules: what must hold whatever a broker sends and whatever the owner does. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { Packet } from 'mqtt-packet'
import type { MqttProtocol } from '../../../../src/transport/mqtt/mqtt-session.ts'
import { incoming, outgoing, SessionBench } from '../../../support/session-bench.ts'

type Step =
  | { readonly kind: 'deliver'; readonly qos: 0 | 1; readonly again: boolean }
  | { readonly kind: 'confirm' | 'acknowledge'; readonly which: number }
  | { readonly kind: 'publish'; readonly qos: 0 | 1; readonly bytes: number }
  | { readonly kind: 'chunk'; readonly bytes: number }
  | { readonly kind: 'advance'; readonly ms: number }
  | { readonly kind: 'noise'; readonly packet: Packet }
  | { readonly kind: 'pause' | 'resume' | 'turn' | 'take' | 'subscribe' }

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('deliver' as const),
      qos: fc.constantFrom(0 as const, 1 as const),
      again: fc.boolean(),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constantFrom('confirm' as const, 'acknowledge' as const),
      which: fc.nat(50),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('publish' as const),
      qos: fc.constantFrom(0 as const, 1 as const),
      bytes: fc.constantFrom(0, 3, 200, 20_000, 70_000),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('chunk' as const),
      bytes: fc.constantFrom(1, 2, 5, 30, 10_000),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('advance' as const),
      ms: fc.constantFrom(1, 4_000, 9_999),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('noise' as const),
      packet: fc.constantFrom<Packet>(
        { cmd: 'pingresp' },
        { cmd: 'puback', messageId: 60_000 },
        { cmd: 'suback', messageId: 60_000, granted: [0] },
        { cmd: 'pubrel', messageId: 60_000 },
      ),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constantFrom('pause', 'resume', 'turn', 'take', 'subscribe' as const),
    }),
  },
)
const steps = fc.array(step, { maxLength: 150 })

/** Plays one schedule, and checks what must hold at every step. */
class Schedule {
  readonly #bench: SessionBench
  readonly #receiveMaximum: number
  /** Bytes that the broker has sent and the transport has not handed in. */
  #wire = Buffer.alloc(0)
  #lastId = 0
  /** QoS 1 messages of the broker's that it may send again. */
  readonly #kept = new Map<number, string>()
  /** Messages in the order in which the broker sent them first. */
  readonly #expected: string[] = []
  /** Identifiers that the owner has, and those that it acknowledged. */
  readonly #unacknowledged: number[] = []
  readonly #acknowledged: number[] = []
  readonly #pubacks: number[] = []
  readonly #published: string[] = []
  /** Our publishes as the broker saw them, and those of QoS 1 without an answer. */
  readonly #seen: string[] = []
  readonly #inFlight: number[] = []
  #confirmed = 0
  #done = 0
  #isPaused = false
  #mustTellRoom = false

  constructor(protocol: MqttProtocol, receiveMaximum: number) {
    // 3.1.1 has no receive maximum: there it is our own cap.
    this.#receiveMaximum = protocol === '5' ? receiveMaximum : 1_000
    const bench = new SessionBench(protocol, { keepAliveSeconds: 10 })
    this.#bench = bench
    bench.connack(0, { receiveMaximum })
    bench.sent()
    bench.onMessage = ({ ack, duplicate }) => {
      assert.ok(!this.#isPaused, 'a message came while it was paused')
      assert.ok(ack !== undefined || !duplicate, 'a message came without its token')
      if (ack === undefined) return
      assert.ok(!this.#unacknowledged.includes(ack.id), 'a message came twice')
      this.#unacknowledged.push(ack.id)
    }
  }

  play(step: Step): void {
    this.#do(step)
    this.#look()
  }

  /** Lets everything run out, and checks that nothing is missing. */
  finish(): void {
    const { machine, messages, calls, ends, output } = this.#bench
    this.play({ kind: 'resume' })
    this.#runOut()
    while (this.#inFlight.length > 0) this.#do({ kind: 'confirm', which: 0 })
    this.#runOut()
    const firsts = messages.filter(({ duplicate }) => !duplicate)
    assert.deepEqual(
      firsts.map(({ payload }) => Buffer.from(payload).toString()),
      this.#expected,
    )
    assert.deepEqual(this.#pubacks, this.#acknowledged)
    assert.deepEqual(this.#seen, this.#published)
    assert.equal(this.#done, this.#confirmed)
    assert.ok(machine.hasRoom && !this.#mustTellRoom)
    assert.deepEqual(ends, [])
    machine.transportEnded()
    machine.transportEnded()
    output.settle()
    assert.deepEqual(calls.slice(-1), ['ended'])
    assert.equal(ends.length, 1)
  }

  #runOut(): void {
    const { output } = this.#bench
    output.settle()
    this.#do({ kind: 'chunk', bytes: Number.MAX_SAFE_INTEGER })
    output.settle()
    output.take()
    this.#look()
  }

  #do(step: Step): void {
    const { machine, output, clock } = this.#bench
    switch (step.kind) {
      case 'deliver':
        return this.#deliver(step.qos, step.again)
      case 'confirm':
        return this.#confirm(step.which)
      case 'acknowledge':
        return this.#acknowledge(step.which)
      case 'publish':
        return this.#publish(step.qos, step.bytes)
      case 'noise':
        return this.#send(step.packet)
      case 'chunk':
        return this.#handIn(step.bytes)
      case 'advance':
        // The broker is there: something always comes before the time is up.
        output.settle()
        this.#send({ cmd: 'pingresp' })
        this.#handIn(Number.MAX_SAFE_INTEGER)
        clock.advance(step.ms)
        return
      case 'subscribe':
        machine.subscribe('s', { qos: 1, retained: 'all' }, () => {})
        return
      case 'pause':
        this.#isPaused = true
        machine.pause()
        return
      case 'resume':
        this.#isPaused = false
        machine.resume()
        return
      case 'turn':
        output.turn()
        return
      case 'take':
        output.take()
    }
  }

  #send(packet: Packet): void {
    this.#wire = Buffer.concat([this.#wire, this.#bench.encode(packet)])
  }

  #handIn(bytes: number): void {
    const chunk = this.#wire.subarray(0, bytes)
    if (chunk.length === 0 || !this.#bench.output.isReading) return
    this.#wire = this.#wire.subarray(chunk.length)
    this.#bench.machine.receive(chunk)
  }

  #deliver(qos: 0 | 1, again: boolean): void {
    const [kept] = this.#kept
    if (again && kept !== undefined) {
      this.#send(incoming(kept[1], { id: kept[0], dup: true }))
      return
    }
    const text = `m${this.#expected.length}`
    this.#expected.push(text)
    if (qos === 0) {
      this.#send(incoming(text))
      return
    }
    this.#lastId += 1
    this.#kept.set(this.#lastId, text)
    this.#send(incoming(text, { id: this.#lastId }))
  }

  /** A PUBACK, and once more, which must not count. */
  #confirm(which: number): void {
    if (this.#inFlight.length === 0) return
    const [messageId = 0] = this.#inFlight.splice(which % this.#inFlight.length, 1)
    this.#confirmed += 1
    for (let i = 0; i < 2; i++) this.#send({ cmd: 'puback', messageId })
  }

  /** An acknowledgement, and once more, which must not count. */
  #acknowledge(which: number): void {
    if (this.#unacknowledged.length === 0) return
    const [id = 0] = this.#unacknowledged.splice(which % this.#unacknowledged.length, 1)
    this.#acknowledged.push(id)
    this.#kept.delete(id)
    for (let i = 0; i < 2; i++) this.#bench.machine.acknowledge(id)
  }

  #publish(qos: 0 | 1, bytes: number): void {
    const { machine } = this.#bench
    if (!machine.hasRoom) return
    const text = `p${this.#published.length}`.padEnd(bytes, '.')
    this.#published.push(text)
    let isDone = false
    machine.publish(outgoing(text, { qos }), (code) => {
      assert.equal(code, 0)
      assert.ok(!isDone, 'told twice of one publish')
      isDone = true
      if (qos === 1) this.#done += 1
    })
    if (!machine.hasRoom) this.#mustTellRoom = true
  }

  /** Looks at what was written and called since the last time. */
  #look(): void {
    const { machine, calls } = this.#bench
    for (const packet of this.#bench.written()) {
      const id = packet.messageId ?? 0
      if (packet.cmd === 'puback') this.#pubacks.push(id)
      if (packet.cmd !== 'publish') continue
      this.#seen.push(packet.payload.toString())
      if (packet.qos === 0) continue
      assert.ok(!this.#inFlight.includes(id), `packet id ${id} is in use`)
      this.#inFlight.push(id)
    }
    assert.ok(this.#inFlight.length <= this.#receiveMaximum, 'too many in flight')
    assert.deepEqual(this.#pubacks, this.#acknowledged.slice(0, this.#pubacks.length))
    assert.ok(this.#done <= this.#confirmed, 'told of a PUBACK that never came')
    if (calls.includes('room')) this.#mustTellRoom = !machine.hasRoom
    calls.length = 0
  }
}

/** Packets that a broker may send, and some that it may not. */
const packets = fc.array(
  fc.constantFrom<Packet>(
    incoming('a'),
    incoming('b', { id: 1 }),
    incoming('c', { id: 2, qos: 2 }),
    { ...incoming('d'), properties: { topicAlias: 3, userProperties: { a: ['1', '2'] } } },
    { cmd: 'puback', messageId: 1 },
    { cmd: 'suback', messageId: 2, granted: [1] },
    { cmd: 'unsuback', messageId: 3, granted: [0] },
    { cmd: 'pubrel', messageId: 2 },
    { cmd: 'pingresp' },
    { cmd: 'disconnect', reasonCode: 0x8b },
  ),
  { maxLength: 8 },
)
const mutations = fc.array(
  fc.record({
    at: fc.nat(200),
    removed: fc.nat(3),
    inserted: fc.uint8Array({ maxLength: 3 }),
  }),
  { maxLength: 3 },
)

function mutated(
  bytes: Buffer,
  changes: readonly { at: number; removed: number; inserted: Uint8Array }[],
): Buffer {
  let result = bytes
  for (const { at, removed, inserted } of changes) {
    const start = bytes.length === 0 ? 0 : at % bytes.length
    result = Buffer.concat([result.subarray(0, start), inserted, result.subarray(start + removed)])
  }
  return result
}

/** Feeds bytes in pieces; whatever they are, the session goes on or ends properly. */
function feed(bench: SessionBench, bytes: Buffer, piece: number): void {
  bench.machine.subscribe('s', { qos: 1, retained: 'all' }, () => {})
  bench.machine.publish(outgoing('x'), () => {})
  bench.onMessage = ({ ack }) => bench.machine.acknowledge(ack?.id ?? 0)
  for (let at = 0; at < bytes.length; at += piece) {
    bench.machine.receive(bytes.subarray(at, at + piece))
    bench.output.settle()
  }
  const hasEnded = bench.ends.length > 0
  if (hasEnded) assert.equal(bench.calls.at(-1), 'ended')
  bench.machine.transportEnded()
  assert.equal(bench.ends.length, 1)
  const kinds = hasEnded ? ['protocol', 'disconnected', 'refused'] : ['socket']
  assert.ok(kinds.includes(bench.ends[0]?.kind ?? ''), bench.ends[0]?.kind)
  // What we write is MQTT, whatever came.
  bench.written()
}

for (const protocol of ['5', '3.1.1'] as const) {
  describe(`SessionMachine in random schedules with MQTT ${protocol}`, () => {
    it('keeps its promises', () => {
      fc.assert(
        fc.property(steps, fc.integer({ min: 1, max: 8 }), (all, receiveMaximum) => {
          const schedule = new Schedule(protocol, receiveMaximum)
          for (const step of all) schedule.play(step)
          schedule.finish()
        }),
        { numRuns: 300 },
      )
    })

    it('survives whatever bytes come after CONNACK, and before', () => {
      fc.assert(
        fc.property(
          fc.uint8Array({ maxLength: 60 }),
          fc.integer({ min: 1, max: 70 }),
          fc.boolean(),
          (bytes, piece, isOpen) => {
            const bench = isOpen ? SessionBench.open(protocol) : new SessionBench(protocol)
            feed(bench, Buffer.from(bytes), piece)
          },
        ),
        { numRuns: 500 },
      )
    })

    it('survives packets that were damaged on the way', () => {
      fc.assert(
        fc.property(packets, mutations, fc.integer({ min: 1, max: 200 }), (all, changes, piece) => {
          const bench = SessionBench.open(protocol)
          feed(bench, mutated(bench.encode(...all), changes), piece)
        }),
        { numRuns: 1_000 },
      )
    })
  })
}
