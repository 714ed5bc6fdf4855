import assert from 'node:assert/strict'
import test from 'node:test'
import { EdgebootError } from '../../../src/core/errors.ts'
import { assertBalanced, event, PipelineBench } from '../../support/pipeline-bench.ts'

test('a message goes through the model and comes out as its answer, on the topic of the template', async () => {
  const bench = await PipelineBench.ready()
  bench.source.deliver('plant/1', '{"t":1}')
  bench.answerAll()
  assert.deepEqual(bench.published, ['{"t":1}'])
  assert.equal(bench.sink.published[0]?.topic, 'out/plant/1')
  assertBalanced(bench.stats)
  assert.equal(bench.stats.inMotion, 0)
})

test('a message that fits two devices is given to the model once for each', async () => {
  const yes = { attributes: [{ name: 'any', holds: () => ({ ok: true }) as const }] }
  const bench = await PipelineBench.ready({
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
  const bench = await PipelineBench.ready()
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
  const bench = await PipelineBench.ready()
  bench.source.deliver('t', '{"password": hunter2}')
  bench.source.deliver('t', '{"password":"hunter2"}')
  bench.turn()
  bench.runners[0]?.answer(() => ({ kind: 'error', error: { type: 'ValueError', message: 'bad' } }))
  assert.doesNotMatch(JSON.stringify(bench.lines), /hunter2/)
})

test('a message for no configured device is counted as device', async () => {
  const no = { name: 'x', holds: () => ({ ok: false, reason: 'no' }) as const }
  const bench = await PipelineBench.ready({
    matcher: { devices: [{ name: 'a', attributes: [no] }] },
  })
  bench.source.deliver('t', '{}')
  bench.answerAll()
  assert.deepEqual(bench.dropped, { device: 1 })
})

test('a message that when turns down is counted as when', async () => {
  const bench = await PipelineBench.ready({
    matcher: { devices: [], when: () => ({ ok: false, reason: 'No such key: a' }) },
  })
  bench.source.deliver('t', '{}')
  assert.deepEqual(bench.dropped, { when: 1 })
})

test('a retained message is left out when the rule does not want those', async () => {
  const bench = await PipelineBench.ready({ limits: { retained: false } })
  bench.source.deliver('t', '{"old":1}', { retain: true })
  bench.source.deliver('t', '{"new":1}')
  bench.answerAll()
  assert.deepEqual(bench.published, ['{"new":1}'])
  assert.deepEqual(bench.dropped, { retained: 1 })
})

test('an empty answer publishes nothing and is counted', async () => {
  const bench = await PipelineBench.ready()
  bench.source.deliver('t', '{}')
  bench.turn()
  bench.runners[0]?.answer(() => ({ kind: 'empty' }))
  assert.deepEqual(bench.published, [])
  assert.deepEqual(bench.dropped, { empty: 1 })
})

test('an error of the model is counted and never published as if it were a result', async () => {
  const bench = await PipelineBench.ready()
  bench.source.deliver('t', '{}')
  bench.turn()
  bench.runners[0]?.answer(() => ({ kind: 'error', error: { type: 'KeyError', message: "'t'" } }))
  assert.deepEqual(bench.published, [])
  assert.deepEqual(bench.dropped, { model: 1 })
  assert.equal(bench.lines.at(-1)?.event, 'model.failed')
})

test('a topic that MQTT forbids is counted as topic', async () => {
  const bench = await PipelineBench.ready({ resultTopic: () => undefined })
  bench.source.deliver('t', '{}')
  bench.answerAll()
  assert.deepEqual(bench.dropped, { topic: 1 })
})

test('results that the output does not take are counted, those it never will by their reason', async () => {
  const bench = await PipelineBench.ready()
  bench.sink.settleNext('timeout', 'queue-full', 'too-large', 'refused')
  for (let i = 0; i < 5; i++) bench.source.deliver('t', `{"n":${i}}`, { qos: 1 })
  bench.answerAll()
  assert.deepEqual(bench.dropped, { publish: 2, 'too-large': 1, refused: 1 })
  assert.equal(bench.published.length, 1)
  bench.turn()
  assert.deepEqual(bench.source.acknowledged, [1, 2, 3, 4, 5])
  assertBalanced(bench.stats)
})

test('a full queue drops the oldest event, and counts it', async () => {
  const bench = new PipelineBench({ limits: { queue: { size: 3, whenFull: 'drop-oldest' } } })
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
  const bench = new PipelineBench({ limits: { queue: { size: 3, whenFull: 'drop-newest' } } })
  await bench.pipeline.start()
  for (let i = 0; i < 5; i++) bench.source.deliver('t', event('d', i))
  await bench.runners[0]?.load()
  bench.answerAll()
  assert.deepEqual(bench.published, [event('d', 0), event('d', 1), event('d', 2)])
})

test('a full queue that blocks pauses the source, loses nothing, and resumes at half', async () => {
  const bench = new PipelineBench({
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
  const bench = await PipelineBench.ready({
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
  const bench = await PipelineBench.ready({ limits: { orderBy: 'none' }, workers: 2 })
  bench.sink.hold()
  for (let i = 0; i < 3; i++) bench.source.deliver('t', event('d', i), { qos: 1 })
  bench.answerAll()
  assert.deepEqual(bench.source.acknowledged, [])
  bench.sink.held[2]?.settle()
  assert.deepEqual(bench.source.acknowledged, [])
  bench.sink.held[0]?.settle()
  bench.sink.held[0]?.settle()
  bench.turn()
  assert.deepEqual(bench.source.acknowledged, [1, 2, 3])
})

test('a message that is dropped is settled as well', async () => {
  const bench = await PipelineBench.ready()
  bench.source.deliver('t', 'no json', { qos: 1 })
  bench.turn()
  assert.deepEqual(bench.source.acknowledged, [1])
})

test('a model that cannot be loaded breaks the pipeline, and what comes in is counted as broken', async () => {
  const bench = new PipelineBench()
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
  const bench = new PipelineBench()
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
  const bench = await PipelineBench.ready()
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
  const bench = await PipelineBench.ready()
  bench.source.deliver('t', '{}')
  bench.turn()
  const stopping = bench.pipeline.stop(5000)
  bench.runners[0]?.die(new EdgebootError('RUNNER_EXITED', 'gone'))
  bench.clock.advance(5000)
  await stopping
  assert.deepEqual(bench.dropped, { stopped: 1 })
  assert.equal(bench.stats.inMotion, 0)
})

test('a pipeline that stands by loads its model, and opens its ends when it is told to connect', async () => {
  const bench = new PipelineBench()
  bench.pipeline.load()
  await bench.runners[0]?.load()
  assert.equal(bench.pipeline.health.engine, 'Fake 1.0')
  assert.notEqual(bench.pipeline.health.state, 'READY')
  await bench.pipeline.connect()
  assert.equal(bench.pipeline.health.state, 'READY')
  assert.equal(bench.runners[0]?.starts, 1)
})

test('a pipeline that was stopped while it stood by never connects', async () => {
  const bench = new PipelineBench()
  bench.pipeline.load()
  await bench.pipeline.stop(0)
  await bench.pipeline.connect()
  assert.equal(bench.pipeline.health.state, 'DRAINING')
  assert.ok(!bench.states.includes('READY'))
})
