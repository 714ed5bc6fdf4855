import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { EdgebootError } from '../../../src/core/errors.ts'
import type { Matcher } from '../../../src/pipeline/match.ts'
import type { DropReason, PipelineStats } from '../../../src/pipeline/pipeline-stats.ts'
import { Pipeline, type PipelineLimits } from '../../../src/pipeline/pipeline.ts'
import { MemorySink, MemorySource } from '../../../src/transport/memory-transport.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { echo, fakePool, type FakeRunner, value } from '../../support/fake-runner.ts'
import { RecordedLog } from '../../support/recorded-log.ts'

interface BenchOptions {
  readonly limits?: Partial<PipelineLimits>
  readonly matcher?: Matcher
  readonly resultTopic?: (topic: string, device: string | undefined) => string | undefined
  readonly workers?: number
}

/** A pipeline between memory and fake runners. Work that is deferred runs at `turn`. */
class Bench {
  readonly clock = new FakeClock()
  readonly source = new MemorySource()
  readonly sink = new MemorySink()
  readonly runners: FakeRunner[] = []
  readonly #log = new RecordedLog()
  readonly lines = this.#log.lines
  readonly states: string[] = []
  readonly #deferred: (() => void)[] = []
  readonly pipeline: Pipeline

  constructor(options: BenchOptions = {}) {
    const log = this.#log.logger
    this.pipeline = new Pipeline(
      {
        source: this.source,
        sink: this.sink,
        matcher: options.matcher ?? { devices: [] },
        createPool: (callbacks) =>
          fakePool(this.runners, {
            size: options.workers ?? 1,
            clock: this.clock,
            log,
            ...callbacks,
          }),
        resultTopic: options.resultTopic ?? ((topic) => `out/${topic}`),
        resultProperties: {},
        clock: this.clock,
        log,
        defer: (run) => this.#deferred.push(run),
        changed: ({ state, reason }) =>
          this.states.push(reason === '' ? state : `${state}: ${reason}`),
      },
      {
        orderBy: 'device',
        queue: { size: 1000, whenFull: 'drop-oldest' },
        batch: { size: 64, delayMs: 0 },
        timeoutMs: 1000,
        attempts: 3,
        retained: true,
        ...options.limits,
      },
    )
  }

  /** Started, with its model loaded. */
  static async ready(options: BenchOptions = {}): Promise<Bench> {
    const bench = new Bench(options)
    await bench.pipeline.start()
    for (const runner of bench.runners) await runner.load()
    bench.turn()
    return bench
  }

  turn(): void {
    for (const run of this.#deferred.splice(0)) run()
  }

  /** Runs everything that waits through a model that repeats what it is given. */
  answerAll(): void {
    for (;;) {
      this.turn()
      const busy = this.runners.find(({ serving, gone }) => !gone && serving.length > 0)
      if (busy === undefined) return
      busy.answer(echo)
    }
  }

  get stats(): PipelineStats {
    return this.pipeline.stats()
  }

  get published(): string[] {
    return this.sink.published.map(({ payload }) => new TextDecoder().decode(payload))
  }

  /** Reasons with a count. */
  get dropped(): Partial<Record<DropReason, number>> {
    return Object.fromEntries(Object.entries(this.stats.dropped).filter(([, count]) => count > 0))
  }
}

const event = (device: string, serial: number): string =>
  JSON.stringify({ deviceInfo: { deviceName: device }, telemetry: { serial } })

function assertBalanced({
  received,
  fannedOut,
  published,
  dropped,
  inMotion,
}: PipelineStats): void {
  const droppedSum = Object.values(dropped).reduce((sum, count) => sum + count, 0)
  assert.equal(received + fannedOut, published + droppedSum + inMotion)
}

test('a message goes through the model and comes out as its answer, on the topic of the template', async () => {
  const bench = await Bench.ready()
  bench.source.deliver('plant/1', '{"t":1}')
  bench.answerAll()
  assert.deepEqual(bench.published, ['{"t":1}'])
  assert.equal(bench.sink.published[0]?.topic, 'out/plant/1')
  assertBalanced(bench.stats)
  assert.equal(bench.stats.inMotion, 0)
})

test('a message that fits two devices is given to the model once for each', async () => {
  const yes = { attributes: [{ name: 'any', holds: () => ({ ok: true }) as const }] }
  const bench = await Bench.ready({
    matcher: {
      devices: [
        { name: 'one', ...yes },
        { name: 'two', ...yes },
      ],
    },
    resultTopic: (_topic, device) => `out/${device}`,
  })
  bench.source.deliver('t', '{}')
  bench.answerAll()
  assert.deepEqual(
    bench.sink.published.map(({ topic }) => topic),
    ['out/one', 'out/two'],
  )
  assert.equal(bench.stats.fannedOut, 1)
  assertBalanced(bench.stats)
})

test('what cannot be decoded is counted, logged once per kind and minute, and stops nothing', async () => {
  const bench = await Bench.ready()
  for (let i = 0; i < 50; i++) bench.source.deliver('t', 'no json')
  bench.source.deliver('t', Uint8Array.of(0xff))
  bench.source.deliver('t', '{"fine":true}')
  bench.answerAll()
  assert.deepEqual(bench.dropped, { decode: 51 })
  assert.deepEqual(bench.published, ['{"fine":true}'])
  const faults = (): unknown[] =>
    bench.lines
      .filter(({ event: name }) => name === 'message.undecodable')
      .map(({ fields }) => fields['fault'])
  assert.deepEqual(faults(), ['not-json', 'not-utf8'])
  bench.clock.advance(60_000)
  bench.source.deliver('t', 'no json')
  assert.deepEqual(faults(), ['not-json', 'not-utf8', 'not-json'])
  assert.equal(bench.lines.at(-1)?.fields['moreSinceLast'], 49)
})

test('no log line holds a payload', async () => {
  const bench = await Bench.ready()
  bench.source.deliver('t', '{"password": hunter2}')
  bench.source.deliver('t', '{"password":"hunter2"}')
  bench.turn()
  bench.runners[0]?.answer(() => ({ kind: 'error', error: { type: 'ValueError', message: 'bad' } }))
  assert.doesNotMatch(JSON.stringify(bench.lines), /hunter2/)
})

test('a message for no configured device is counted as device', async () => {
  const no = { name: 'x', holds: () => ({ ok: false, reason: 'no' }) as const }
  const bench = await Bench.ready({ matcher: { devices: [{ name: 'a', attributes: [no] }] } })
  bench.source.deliver('t', '{}')
  bench.answerAll()
  assert.deepEqual(bench.dropped, { device: 1 })
})

test('a message that when turns down is counted as when', async () => {
  const bench = await Bench.ready({
    matcher: { devices: [], when: () => ({ ok: false, reason: 'No such key: a' }) },
  })
  bench.source.deliver('t', '{}')
  assert.deepEqual(bench.dropped, { when: 1 })
})

test('a retained message is left out when the rule does not want those', async () => {
  const bench = await Bench.ready({ limits: { retained: false } })
  bench.source.deliver('t', '{"old":1}', { retain: true })
  bench.source.deliver('t', '{"new":1}')
  bench.answerAll()
  assert.deepEqual(bench.published, ['{"new":1}'])
  assert.deepEqual(bench.dropped, { retained: 1 })
})

test('an empty answer publishes nothing and is counted', async () => {
  const bench = await Bench.ready()
  bench.source.deliver('t', '{}')
  bench.turn()
  bench.runners[0]?.answer(() => ({ kind: 'empty' }))
  assert.deepEqual(bench.published, [])
  assert.deepEqual(bench.dropped, { empty: 1 })
})

test('an error of the model is counted and never published as if it were a result', async () => {
  const bench = await Bench.ready()
  bench.source.deliver('t', '{}')
  bench.turn()
  bench.runners[0]?.answer(() => ({ kind: 'error', error: { type: 'KeyError', message: "'t'" } }))
  assert.deepEqual(bench.published, [])
  assert.deepEqual(bench.dropped, { model: 1 })
  assert.equal(bench.lines.at(-1)?.event, 'model.failed')
})

test('a topic that MQTT forbids is counted as topic', async () => {
  const bench = await Bench.ready({ resultTopic: () => undefined })
  bench.source.deliver('t', '{}')
  bench.answerAll()
  assert.deepEqual(bench.dropped, { topic: 1 })
})

test('results that the output does not take are counted as publish', async () => {
  const bench = await Bench.ready()
  bench.sink.failNext('timeout', 'queue-full', 'too-large')
  for (let i = 0; i < 4; i++) bench.source.deliver('t', `{"n":${i}}`)
  bench.answerAll()
  assert.deepEqual(bench.dropped, { publish: 3 })
  assert.equal(bench.published.length, 1)
})

test('a full queue drops the oldest event, and counts it', async () => {
  const bench = new Bench({ limits: { queue: { size: 3, whenFull: 'drop-oldest' } } })
  await bench.pipeline.start()
  for (let i = 0; i < 5; i++) bench.source.deliver('t', event('d', i))
  assert.equal(bench.stats.preQueue, 3)
  assert.deepEqual(bench.dropped, { 'queue-full': 2 })
  await bench.runners[0]?.load()
  bench.answerAll()
  assert.deepEqual(bench.published, [event('d', 2), event('d', 3), event('d', 4)])
  assertBalanced(bench.stats)
})

test('a full queue drops the newest event when told so', async () => {
  const bench = new Bench({ limits: { queue: { size: 3, whenFull: 'drop-newest' } } })
  await bench.pipeline.start()
  for (let i = 0; i < 5; i++) bench.source.deliver('t', event('d', i))
  await bench.runners[0]?.load()
  bench.answerAll()
  assert.deepEqual(bench.published, [event('d', 0), event('d', 1), event('d', 2)])
})

test('a full queue that blocks pauses the source, loses nothing, and resumes at half', async () => {
  const bench = new Bench({
    limits: { queue: { size: 4, whenFull: 'block' }, batch: { size: 1, delayMs: 0 } },
  })
  await bench.pipeline.start()
  for (let i = 0; i < 20; i++) bench.source.deliver('t', event('d', i))
  assert.equal(bench.source.isPaused, true)
  assert.equal(bench.stats.preQueue, 4)
  await bench.runners[0]?.load()
  bench.answerAll()
  assert.equal(bench.published.length, 20)
  assert.deepEqual(bench.dropped, {})
})

test('while the output is blocked no runner is given work, and nothing is lost', async () => {
  const bench = await Bench.ready({
    limits: { queue: { size: 2, whenFull: 'block' }, batch: { size: 1, delayMs: 0 } },
  })
  bench.sink.hold()
  for (let i = 0; i < 10; i++) bench.source.deliver('t', event('d', i))
  bench.answerAll()
  assert.ok(bench.sink.pending <= 3, `${bench.sink.pending} results wait`)
  assert.equal(bench.source.isPaused, true)
  for (let round = 0; round < 10; round++) {
    bench.sink.release()
    bench.answerAll()
  }
  assert.equal(bench.published.length, 10)
})

test('an event is settled towards the broker only when its result is safe, in order', async () => {
  const bench = await Bench.ready({ limits: { orderBy: 'none' }, workers: 2 })
  bench.sink.hold()
  for (let i = 0; i < 3; i++) bench.source.deliver('t', event('d', i), { qos: 1 })
  bench.answerAll()
  assert.deepEqual(bench.source.acknowledged, [])
  bench.sink.held[2]?.settle()
  assert.deepEqual(bench.source.acknowledged, [])
  bench.sink.held[0]?.settle()
  bench.sink.held[0]?.settle()
  assert.deepEqual(bench.source.acknowledged, [1, 2, 3])
})

test('a message that is dropped is settled as well', async () => {
  const bench = await Bench.ready()
  bench.source.deliver('t', 'no json', { qos: 1 })
  assert.deepEqual(bench.source.acknowledged, [1])
})

test('a model that cannot be loaded breaks the pipeline, and what comes in is counted as broken', async () => {
  const bench = new Bench()
  await bench.pipeline.start()
  bench.source.deliver('t', '{"early":1}')
  for (let i = 0; i < 3; i++) {
    await bench.runners[i]?.failToLoad(new EdgebootError('MODEL_SYNTAX', 'bad syntax'))
    bench.clock.advance(1000)
  }
  bench.source.deliver('t', '{"late":1}')
  assert.equal(bench.pipeline.health.state, 'BROKEN')
  assert.deepEqual(bench.dropped, { broken: 2 })
})

test('a pipeline is READY when its model is loaded and both connections stand, else says what is missing', async () => {
  const bench = new Bench()
  bench.source.failOnStart('broker b1 refused the connection; next attempt in 0.5 s')
  await bench.pipeline.start()
  assert.equal(bench.pipeline.health.state, 'BACKOFF')
  await bench.runners[0]?.load()
  assert.equal(
    bench.pipeline.health.reason,
    'input: broker b1 refused the connection; next attempt in 0.5 s',
  )
  bench.source.reconnect()
  assert.equal(bench.pipeline.health.state, 'READY')
  bench.sink.tell({ status: 'waiting', reason: 'broker b2 closed the connection' })
  assert.equal(bench.pipeline.health.state, 'BACKOFF')
  assert.match(bench.pipeline.health.reason, /^output: broker b2/)
})

test('a stop lets what is in motion come out', async () => {
  const bench = await Bench.ready()
  for (let i = 0; i < 3; i++) bench.source.deliver('t', event('d', i))
  bench.turn()
  let stopped = false
  const stopping = bench.pipeline.stop(20_000).then(() => (stopped = true))
  assert.equal(bench.source.isDrained, true)
  await Promise.resolve()
  assert.equal(stopped, false)
  bench.answerAll()
  await stopping
  assert.equal(bench.published.length, 3)
  assert.deepEqual(bench.dropped, {})
  assert.ok(bench.sink.isClosed && bench.source.isClosed)
})

test('what does not come out before the drain is over is counted as stopped', async () => {
  const bench = await Bench.ready()
  bench.source.deliver('t', '{}')
  bench.turn()
  const stopping = bench.pipeline.stop(5000)
  bench.runners[0]?.die(new EdgebootError('RUNNER_EXITED', 'gone'))
  bench.clock.advance(5000)
  await stopping
  assert.deepEqual(bench.dropped, { stopped: 1 })
  assert.equal(bench.stats.inMotion, 0)
})

// Seeded random schedules over the whole pipeline: the books balance at every step, every message
// at QoS 1 is acknowledged once and in order, and results of a device come in the order of its
// events.
test('no schedule of messages, answers, failures and deaths unbalances the books', async () => {
  const step = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        do: fc.constant('deliver' as const),
        device: fc.nat(3),
        bad: fc.nat(9),
      }),
    },
    {
      weight: 5,
      arbitrary: fc.record({ do: fc.constant('answer' as const), max: fc.nat(4), how: fc.nat(5) }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('die' as const) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('wait' as const) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('fail' as const) }) },
  )
  const whenFull = fc.constantFrom('drop-oldest' as const, 'drop-newest' as const, 'block' as const)
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 80 }), whenFull, async (steps, policy) => {
      const bench = await Bench.ready({
        limits: { queue: { size: 6, whenFull: policy }, batch: { size: 3, delayMs: 0 } },
        workers: 2,
      })
      let delivered = 0
      const answer = (max: number, how: number): void => {
        const runner = bench.runners.find(({ gone, serving }) => !gone && serving.length > 0)
        runner?.answer((text) => {
          if (how === 0) return { kind: 'empty' }
          if (how === 1) return { kind: 'error', error: { type: 'E', message: 'm' } }
          return value(text)
        }, max)
      }
      for (const what of steps) {
        if (what.do === 'deliver') {
          const payload = what.bad === 0 ? 'bad' : event(`d${what.device}`, delivered)
          bench.source.deliver('t', payload, { qos: 1 })
          delivered += 1
        } else if (what.do === 'answer') answer(what.max + 1, what.how)
        else if (what.do === 'die') {
          bench.runners
            .find(({ gone, isLoaded }) => isLoaded && !gone)
            ?.die(new EdgebootError('RUNNER_EXITED', 'x'))
        } else if (what.do === 'fail') bench.sink.failNext('timeout')
        else bench.clock.advance(300)
        bench.turn()
        assertBalanced(bench.stats)
        assert.ok(bench.stats.preQueue <= 6 + 3 * 2 * 2, 'the queue stays bounded')
      }
      for (let round = 0; round < 300 && bench.stats.inMotion > 0; round++) {
        bench.clock.advance(60_000)
        for (const runner of bench.runners) if (!runner.gone) await runner.load()
        bench.turn()
        answer(Infinity, 5)
      }
      assert.equal(bench.stats.inMotion, 0)
      assert.deepEqual(
        bench.source.acknowledged,
        Array.from({ length: bench.stats.received }, (_, i) => i + 1),
      )
      const last = new Map<string, number>()
      for (const text of bench.published) {
        const { deviceInfo, telemetry } = JSON.parse(text) as {
          deviceInfo: { deviceName: string }
          telemetry: { serial: number }
        }
        assert.ok((last.get(deviceInfo.deviceName) ?? -1) < telemetry.serial)
        last.set(deviceInfo.deviceName, telemetry.serial)
      }
    }),
    { numRuns: 1000 },
  )
})
