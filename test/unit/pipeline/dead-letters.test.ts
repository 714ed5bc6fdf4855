/** What becomes of events that are given up: the pipeline as a whole, with letters in memory. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { EdgebootError } from '../../../src/core/errors.ts'
import { deadLetterKinds, type StoredLetter } from '../../../src/pipeline/dead-letter.ts'
import type { InferOutcome } from '../../../src/runtime/runner.ts'
import { echo } from '../../support/fake-runner.ts'
import { MemoryLetters } from '../../support/memory-letters.ts'
import {
  assertBalanced,
  event,
  PipelineBench,
  type PipelineBenchOptions,
} from '../../support/pipeline-bench.ts'
import { MemorySource } from '../../../src/transport/memory-source.ts'

const qos1 = { qos: 1 } as const
const block = { limits: { queue: { size: 4, whenFull: 'block' as const } } }
const broken = (): InferOutcome => ({
  kind: 'error',
  error: { type: 'KeyError', message: "'x'", where: 'index.py:3', traceback: 'Traceback …' },
})

interface LettersBench {
  readonly bench: PipelineBench
  readonly store: MemoryLetters
}

async function open(
  options: PipelineBenchOptions & { topic?: string; store?: MemoryLetters } = {},
): Promise<LettersBench> {
  const store = options.store ?? new MemoryLetters()
  const topic = options.topic === undefined ? {} : { topic: () => options.topic }
  const bench = await PipelineBench.ready({ ...options, deadLetters: { store, ...topic } })
  return { bench, store }
}

/** Lets the model fail on everything that waits. */
function failAll(bench: PipelineBench): void {
  for (;;) {
    bench.turn()
    const busy = bench.runners.find(({ serving, gone }) => !gone && serving.length > 0)
    if (busy === undefined) break
    busy.answer(broken)
  }
  bench.turn()
}

function only(store: MemoryLetters): StoredLetter {
  assert.equal(store.letters.size, 1)
  return [...store.letters.values()][0] as StoredLetter
}

test('keeps what the handler raised, with all that is needed to run it again', async () => {
  const { bench, store } = await open({ matcher: { devices: [{ name: 'pump', attributes: [] }] } })
  const userProperties = { unit: 'bar' }
  bench.source.deliver('plant/1', event('pump', 7), { ...qos1, userProperties, receivedAt: 5 })
  failAll(bench)
  const letter = only(store)
  assert.deepEqual(
    { ...letter, payload: new TextDecoder().decode(letter.payload) },
    {
      seq: 1,
      id: 'id-1',
      rule: 'r',
      func: 'f',
      model: 'm',
      version: '1',
      topic: 'plant/1',
      payload: event('pump', 7),
      payloadBytes: event('pump', 7).length,
      qos: 1,
      retain: false,
      userProperties,
      device: 'pump',
      error: {
        kind: 'model',
        code: 'KeyError',
        text: "'x'",
        where: 'index.py:3',
        stack: 'Traceback …',
      },
      attempts: 1,
      receivedAt: 5,
      diedAt: bench.clock.now(),
    },
  )
  assert.equal(bench.lines.find((line) => line.event === 'model.failed')?.fields['letter'], 'id-1')
  assert.deepEqual(bench.dropped, { model: 1 })
  assert.equal(bench.stats.deadLettered, 1)
})

test('keeps a payload that is not JSON, and only the size of one that was too large', async () => {
  const { bench, store } = await open()
  bench.source.deliver('t', 'no json', qos1)
  bench.source.deliver('t', '', { ...qos1, oversizeBytes: 9_000_000 })
  bench.turn()
  const [first, second] = [...store.letters.values()]
  assert.deepEqual([first?.error.kind, first?.error.code], ['decode', 'not-json'])
  assert.equal(new TextDecoder().decode(first?.payload), 'no json')
  assert.equal(first?.attempts, 0)
  assert.deepEqual([second?.payload, second?.payloadBytes], [undefined, 9_000_000])
})

test('keeps what killed its runner attempt after attempt, with the attempts', async () => {
  const { bench, store } = await open({ limits: { attempts: 2 } })
  bench.source.deliver('t', event('d', 1), qos1)
  for (let i = 0; i < 2; i++) {
    bench.turn()
    bench.runners.at(-1)?.die(new EdgebootError('RUNNER_EXITED', 'exited with code 3'))
    bench.clock.advance(60_000)
    await bench.runners.at(-1)?.load()
  }
  bench.turn()
  const { error, attempts } = only(store)
  assert.deepEqual([error.kind, error.code, attempts], ['crash', 'RUNNER_EXITED', 2])
  assert.match(error.text, /exited with code 3/)
})

test('keeps what has no topic, and what the output broker refuses or finds too large', async () => {
  const { bench, store } = await open({
    resultTopic: (topic) => (topic === 'bad' ? undefined : 'out'),
  })
  for (const topic of ['bad', 'a', 'b', 'c'])
    bench.source.deliver(topic, event(topic, 1), { qos: 0 })
  bench.sink.settleNext('refused', 'too-large', 'timeout')
  bench.answerAll()
  bench.turn()
  const kinds = [...store.letters.values()].map(({ error }) => error.kind)
  assert.deepEqual(kinds.toSorted(), ['refused', 'too-large', 'topic'])
  assert.deepEqual(bench.dropped, { topic: 1, refused: 1, 'too-large': 1, publish: 1 })
  assert.equal(bench.stats.deadLettered, 3)
})

test('every kind of a dead letter is a reason for a drop', () => {
  assert.equal(deadLetterKinds.length, 7)
})

test('keeps nothing of what is filtered, empty, turned away or stopped', async () => {
  const { bench, store } = await open({
    limits: { retained: false, queue: { size: 1, whenFull: 'drop-newest' } },
    matcher: {
      devices: [
        { name: 'x', attributes: [{ name: 'a', holds: () => ({ ok: false, reason: 'no' }) }] },
      ],
    },
  })
  bench.source.deliver('t', event('d', 1), qos1)
  bench.source.deliver('t', event('d', 2), { ...qos1, retain: true })
  await bench.pipeline.stop(0)
  assert.equal(store.commits, 0)
  assert.deepEqual(bench.dropped, { device: 1, retained: 1 })
})

test('acknowledges a message when its letter is on the disk, and not before', async () => {
  const { bench, store } = await open(block)
  bench.source.deliver('t', 'no json', qos1)
  assert.deepEqual(bench.source.acknowledged, [])
  assert.equal(bench.stats.deadLettersWaiting, 1)
  assert.equal(bench.stats.inMotion, 1)
  bench.turn()
  assert.equal(store.letters.size, 1)
  bench.turn()
  assert.deepEqual(bench.source.acknowledged, [1])
  assert.equal(bench.stats.inMotion, 0)
})

test('writes all letters of one turn in one commit', async () => {
  const { bench, store } = await open()
  for (let i = 0; i < 50; i++) bench.source.deliver('t', `bad ${i}`, qos1)
  bench.turn()
  assert.equal(store.letters.size, 50)
  assert.equal(store.commits, 1)
})

test('a disk that takes nothing holds the acknowledgement back, shows in the state, and is tried again', async () => {
  const { bench, store } = await open(block)
  store.failures = 2
  bench.source.deliver('t', 'bad', qos1)
  bench.turn()
  bench.source.deliver('t', event('d', 1), qos1)
  bench.answerAll()
  assert.deepEqual(bench.source.acknowledged, [])
  assert.equal(bench.pipeline.health.state, 'BACKOFF')
  assert.match(bench.pipeline.health.reason, /dead letters: the disk has no room at \/state/)
  bench.clock.advance(10_000)
  bench.turn()
  bench.turn()
  assert.deepEqual(bench.source.acknowledged, [1, 2])
  assert.deepEqual(store.texts, ['bad'])
  assert.equal(bench.pipeline.health.state, 'READY')
  const events = bench.lines.map((line) => line.event)
  assert.ok(events.includes('dead-letter.unavailable') && events.includes('dead-letter.available'))
})

test('without QoS 1 a disk that takes nothing costs the letter, and nothing waits', async () => {
  const { bench, store } = await open()
  store.failures = 1
  bench.source.deliver('t', 'bad', { qos: 0 })
  bench.turn()
  assert.deepEqual(bench.dropped, { decode: 1 })
  assert.equal(bench.stats.deadLettered, 0)
  assert.equal(bench.pipeline.health.state, 'READY')
  // It is not tried again for every message.
  bench.source.deliver('t', 'bad', { qos: 0 })
  bench.turn()
  assert.equal(store.commits, 0)
  bench.clock.advance(2000)
  bench.source.deliver('t', 'late', { qos: 0 })
  bench.turn()
  assert.deepEqual(store.texts, ['late'])
  assertBalanced(bench.stats)
})

test('a stop saves what waits; what the disk still does not take comes again', async () => {
  const { bench, store } = await open(block)
  store.failures = 100
  bench.source.deliver('t', 'bad', qos1)
  bench.turn()
  const stopping = bench.pipeline.stop(1000)
  bench.clock.advance(1000)
  await stopping
  assert.deepEqual(bench.source.acknowledged, [])
  assert.deepEqual(bench.dropped, { unacknowledged: 1 })
  assert.equal(store.isClosed, true)
  assertBalanced(bench.stats)

  const other = await open(block)
  other.store.failures = 1
  other.bench.source.deliver('t', 'bad', qos1)
  other.bench.turn()
  const stoppingOther = other.bench.pipeline.stop(100)
  other.bench.clock.advance(100)
  await stoppingOther
  assert.deepEqual(other.store.texts, ['bad'])
  assert.deepEqual(other.bench.source.acknowledged, [1])
})

test('a drain ends when the last letter is on the disk, not before', async () => {
  const { bench, store } = await open(block)
  bench.source.deliver('t', 'bad', qos1)
  let isOver = false
  const stopping = bench.pipeline.stop(60_000).then(() => (isOver = true))
  await new Promise(setImmediate)
  assert.equal(isOver, false)
  bench.turn()
  await stopping
  assert.deepEqual(store.texts, ['bad'])
  bench.turn()
  assert.deepEqual(bench.source.acknowledged, [1])
})

test('counts the letters that made room', async () => {
  const { bench } = await open({ store: new MemoryLetters(2) })
  for (let i = 0; i < 5; i++) bench.source.deliver('t', `bad ${i}`, qos1)
  bench.turn()
  assert.equal(bench.stats.deadLettersDiscarded, 3)
  assert.equal(
    bench.lines.find((line) => line.event === 'dead-letter.discarded')?.fields['letters'],
    3,
  )
})

test('publishes a copy of a letter, and acknowledges when that is confirmed as well', async () => {
  const { bench } = await open({ ...block, topic: 'dlq' })
  bench.sink.hold()
  bench.source.deliver('plant', 'no json', qos1)
  bench.turn()
  assert.deepEqual(bench.source.acknowledged, [])
  assert.deepEqual(bench.dropped, { decode: 1 })
  const [copy] = bench.sink.held
  assert.equal(copy?.message.topic, 'dlq')
  assert.deepEqual(copy?.message.userProperties, { 'edgeboot-dead-letter': 'decode' })
  const { id, topic, payload, rule, model, version, error, attempts } = JSON.parse(
    new TextDecoder().decode(copy?.message.payload),
  ) as Record<string, unknown>
  assert.deepEqual(
    { id, topic, payload, rule, model, version, error, attempts },
    {
      id: 'id-1',
      topic: 'plant',
      payload: 'no json',
      rule: 'r',
      model: 'm',
      version: '1',
      error: { kind: 'decode', code: 'not-json', text: 'not JSON' },
      attempts: 0,
    },
  )
  copy?.settle()
  bench.turn()
  assert.deepEqual(bench.source.acknowledged, [1])
  assert.equal(bench.stats.deadLetterCopies, 1)
  assertBalanced(bench.stats)
})

test('a copy carries a payload that is no text as base64', async () => {
  const { bench } = await open({ topic: 'dlq' })
  bench.source.deliver('t', Buffer.from([0xff, 0x00]), qos1)
  bench.turn()
  assert.equal(
    (JSON.parse(bench.published[0] ?? '') as { payloadBase64: string }).payloadBase64,
    '/wA=',
  )
})

test('a copy that is refused is logged and counted, becomes no letter, and costs none', async () => {
  const { bench, store } = await open({ topic: 'dlq' })
  bench.sink.settleNext('refused')
  bench.source.deliver('t', 'bad', qos1)
  bench.turn()
  bench.turn()
  assert.equal(store.letters.size, 1)
  assert.deepEqual(bench.dropped, { decode: 1, refused: 1 })
  bench.turn()
  assert.deepEqual(bench.source.acknowledged, [1])
  assert.ok(bench.lines.some((line) => line.event === 'dead-letter.copy-failed'))
  assertBalanced(bench.stats)
})

test('a copy that comes back as an event and fails is not copied again', async () => {
  const { bench, store } = await open({ topic: 'dlq' })
  const userProperties = { 'edgeboot-dead-letter': 'model' }
  bench.source.deliver('dlq', 'bad', { ...qos1, userProperties })
  bench.turn()
  assert.equal(store.letters.size, 1)
  assert.equal(bench.stats.deadLetterCopies, 0)
  bench.turn()
  assert.deepEqual(bench.source.acknowledged, [1])
})

test('a copy in the spool is safe, and leaves it like a result', async () => {
  const { bench } = await open({ topic: 'dlq' })
  bench.sink.settleNext('spooled')
  bench.source.deliver('t', 'bad', qos1)
  bench.turn()
  bench.turn()
  assert.deepEqual(bench.source.acknowledged, [1])
  assert.equal(bench.stats.spooled, 1)
  assertBalanced(bench.stats)
  bench.sink.forward()
  assert.equal(bench.stats.published, 1)
  assertBalanced(bench.stats)
})

test('where nothing is kept on the disk, the topic decides', async () => {
  const bench = await PipelineBench.ready({ deadLetters: { topic: () => 'dlq' } })
  bench.sink.settleNext('published', 'refused', 'closed')
  for (let i = 0; i < 3; i++) bench.source.deliver('t', 'bad', qos1)
  bench.turn()
  assert.deepEqual(bench.dropped, { decode: 2, refused: 1, stopped: 1, unacknowledged: 1 })
  assert.equal(bench.stats.deadLettered, 1)
  bench.turn()
  assert.deepEqual(bench.source.acknowledged, [1, 2])
  assertBalanced(bench.stats)
})

test('without a store and a topic an event is counted and acknowledged as ever', async () => {
  const bench = await PipelineBench.ready()
  bench.source.deliver('t', 'bad', qos1)
  bench.turn()
  assert.deepEqual(bench.source.acknowledged, [1])
  assert.deepEqual(bench.dropped, { decode: 1 })
  assert.equal(bench.stats.deadLettered, 0)
})

test('a replay runs the event again and takes its letter away when the result is out', async () => {
  const { bench, store } = await open({ topic: 'dlq' })
  bench.source.deliver('plant', event('d', 1), qos1)
  failAll(bench)
  store.wantAll()
  bench.pipeline.replay()
  bench.turn()
  bench.sink.hold()
  bench.answerAll()
  bench.turn()
  assert.equal(store.letters.size, 1, 'its result is not confirmed')
  bench.sink.release()
  bench.turn()
  assert.equal(store.letters.size, 0)
  const { received, replayed, published, dropped } = bench.stats
  assert.deepEqual([received, replayed, published, dropped.model], [1, 1, 2, 1])
  assert.deepEqual(
    bench.sink.published.map(({ topic }) => topic),
    ['dlq', 'out/plant'],
  )
  assertBalanced(bench.stats)
})

test('a replay that fails again leaves the letter, unmarked, with what is new of it', async () => {
  const { bench, store } = await open({ topic: 'dlq' })
  bench.source.deliver('t', event('d', 1), qos1)
  failAll(bench)
  bench.clock.advance(1000)
  store.wantAll()
  bench.pipeline.replay()
  bench.turn()
  failAll(bench)
  const letter = only(store)
  assert.equal(letter.attempts, 2)
  assert.equal(letter.diedAt, bench.clock.now())
  assert.equal(store.wantedSeqs.size, 0)
  assert.equal(bench.stats.deadLetterCopies, 1, 'it was told of once')
  assert.deepEqual([bench.stats.deadLettered, bench.dropped], [2, { model: 2 }])
  assertBalanced(bench.stats)
})

test('a replay is for the one device whose event failed', async () => {
  const devices = ['a', 'b'].map((name) => ({ name, attributes: [] }))
  const { bench, store } = await open({ matcher: { devices } })
  bench.source.deliver('t', event('d', 1), qos1)
  bench.turn()
  bench.runners[0]?.answer(broken, 1)
  bench.answerAll()
  assert.equal(only(store).device, 'a')
  store.wantAll()
  bench.pipeline.replay()
  bench.turn()
  bench.answerAll()
  bench.turn()
  assert.deepEqual([store.letters.size, bench.stats.replayed, bench.stats.fannedOut], [0, 1, 1])
  assertBalanced(bench.stats)
})

test('marked letters are replayed at the next start, and what a stop cuts off once more', async () => {
  const { bench, store } = await open()
  bench.source.deliver('t', event('d', 1), qos1)
  failAll(bench)
  store.wantAll()
  bench.pipeline.replay()
  bench.turn()
  bench.turn()
  assert.equal(bench.stats.inRunners, 1)
  const stopping = bench.pipeline.stop(0)
  bench.clock.advance(0)
  await stopping
  assert.deepEqual([store.letters.size, store.wantedSeqs.size], [1, 1])
  const next = await PipelineBench.ready({ deadLetters: { store }, source: new MemorySource() })
  next.turn()
  next.answerAll()
  next.turn()
  assert.equal(store.letters.size, 0)
  assert.deepEqual(next.published, [event('d', 1)])
})

test('replays wait for a pipeline that is ready, and never fill more than half of its queue', async () => {
  const store = new MemoryLetters()
  const { bench } = await open({ store, limits: { orderBy: 'none' } })
  for (let i = 0; i < 30; i++) bench.source.deliver('t', event('d', i), qos1)
  failAll(bench)
  store.wantAll()
  await bench.pipeline.stop(0)
  const next = new PipelineBench({
    deadLetters: { store },
    limits: { queue: { size: 8, whenFull: 'drop-oldest' }, batch: { size: 2, delayMs: 0 } },
  })
  await next.pipeline.start()
  next.turn()
  assert.equal(next.stats.replayed, 0)
  for (const runner of next.runners) await runner.load()
  for (let round = 0; round < 100 && store.letters.size > 0; round++) {
    next.turn()
    assert.ok(next.stats.preQueue <= 4, `${next.stats.preQueue} wait`)
    next.answerAll()
  }
  assert.equal(store.letters.size, 0)
  assert.equal(next.published.length, 30)
  assert.deepEqual(next.dropped, {})
})

test('a replay that live events push out of the queue is tried again', async () => {
  const { bench, store } = await open({
    limits: { queue: { size: 4, whenFull: 'drop-oldest' }, batch: { size: 1, delayMs: 0 } },
  })
  bench.source.deliver('t', event('d', 0), qos1)
  failAll(bench)
  // The runner is busy, so the replay waits in the queue.
  for (let i = 1; i <= 2; i++) bench.source.deliver('t', event('busy', i), qos1)
  bench.turn()
  store.wantAll()
  bench.pipeline.replay()
  bench.turn()
  for (let i = 3; i <= 12; i++) bench.source.deliver('t', event('x', i), qos1)
  bench.turn()
  assert.ok((bench.dropped['queue-full'] ?? 0) > 0)
  bench.answerAll()
  bench.clock.advance(5000)
  bench.turn()
  bench.answerAll()
  bench.turn()
  assert.equal(store.letters.size, 0)
  assert.ok(bench.published.includes(event('d', 0)))
  assertBalanced(bench.stats)
})

test('a model that answers nothing for a replay has dealt with it', async () => {
  const { bench, store } = await open()
  bench.source.deliver('t', event('d', 1), qos1)
  failAll(bench)
  store.wantAll()
  bench.pipeline.replay()
  bench.turn()
  bench.turn()
  bench.runners[0]?.answer(() => ({ kind: 'empty' }))
  bench.turn()
  assert.equal(store.letters.size, 0)
  assert.deepEqual(bench.dropped, { model: 1, empty: 1 })
})

test('the end of a replay that the disk does not take is written later, and it is not replayed twice', async () => {
  const { bench, store } = await open()
  bench.source.deliver('t', event('d', 1), qos1)
  failAll(bench)
  store.wantAll()
  bench.pipeline.replay()
  bench.turn()
  bench.turn()
  store.failures = 1
  bench.runners[0]?.answer(echo)
  bench.turn()
  bench.pipeline.replay()
  bench.turn()
  assert.deepEqual([store.letters.size, bench.stats.replayed], [1, 1])
  bench.clock.advance(10_000)
  bench.turn()
  assert.deepEqual([store.letters.size, bench.stats.replayed], [0, 1])
})
