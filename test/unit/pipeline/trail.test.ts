import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { endings, Trail, trailEndingsMax } from '../../../src/pipeline/trail.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { event, PipelineBench } from '../../support/pipeline-bench.ts'

const from = (topic: string, receivedAtMs: number) => ({ message: { topic }, receivedAtMs })

test('lists the last endings of a topic, newest first, and counts all of it that it remembers', () => {
  const clock = new FakeClock(1000)
  const trail = new Trail(clock)
  trail.record('device', from('a', 0), undefined, 0)
  trail.record('published', from('b', 0), 'pump', 5)
  trail.record('published', from('a', 10), 'pump', 15)
  clock.advance(20)
  const { remembered, byEnding, last } = trail.view('a', 1)
  assert.equal(remembered, 3)
  assert.deepEqual(byEnding, { published: 1, device: 1 })
  const newest = { topic: 'a', device: 'pump', ending: 'published', at: 1015, latencyMs: 5 }
  assert.deepEqual(last, [newest])
})

test('lists those of all topics when none is named', () => {
  const trail = new Trail(new FakeClock())
  trail.record('empty', from('a', 0), undefined, 1)
  trail.record('model', from('b', 0), undefined, 1)
  assert.deepEqual(
    trail.view(undefined, 10).last.map(({ topic }) => topic),
    ['b', 'a'],
  )
})

test('remembers the last thousand, whatever came', () => {
  const record = fc.record({
    ending: fc.constantFrom(...endings),
    topic: fc.constantFrom('a', 'b', 'c'),
  })
  const counts = fc.integer({ min: 0, max: trailEndingsMax * 2 + 1 })
  fc.assert(
    fc.property(counts, fc.array(record, { minLength: 1, maxLength: 7 }), (count, cycle) => {
      const trail = new Trail(new FakeClock())
      const all = Array.from({ length: count }, (_, i) => cycle[i % cycle.length]!)
      for (const { ending, topic } of all) trail.record(ending, from(topic, 0), undefined, 0)
      const kept = all.slice(-trailEndingsMax).filter(({ topic }) => topic === 'a')
      const { remembered, byEnding, last } = trail.view('a', trailEndingsMax)
      assert.equal(remembered, Math.min(count, trailEndingsMax))
      assert.deepEqual(
        last.map(({ ending }) => ending),
        kept.map(({ ending }) => ending).toReversed(),
      )
      assert.equal(
        Object.values(byEnding).reduce((sum, events) => sum + events, 0),
        kept.length,
      )
    }),
    { numRuns: 50 },
  )
})

test('keeps no topic that is long enough to matter', () => {
  const trail = new Trail(new FakeClock())
  trail.record('published', from('a'.repeat(60_000), 0), undefined, 0)
  assert.equal(trail.view(undefined, 10).last[0]?.topic, '')
})

test('keeps the last text that said why, cut short', () => {
  const clock = new FakeClock(1000)
  const trail = new Trail(clock)
  trail.explain('model', 'first')
  clock.advance(1)
  trail.explain('model', 'x'.repeat(10_000))
  const { model } = trail.view(undefined, 0).reasons
  assert.equal(model?.at, 1001)
  assert.equal(model?.text.length, 301)
})

test('a pipeline remembers where each of its events ended, and why', async () => {
  const bench = await PipelineBench.ready({
    matcher: {
      devices: [{ name: 'pump', attributes: [] }],
      when: ({ telemetry }) =>
        (telemetry as { serial: number }).serial < 3
          ? { ok: true }
          : { ok: false, reason: 'too many' },
    },
  })
  bench.source.deliver('plant', 'no json')
  for (const serial of [1, 2, 3]) bench.source.deliver('plant', event('pump', serial))
  bench.turn()
  bench.clock.advance(7)
  let served = 0
  bench.runners[0]?.answer((text) =>
    served++ === 0
      ? { kind: 'value', payload: Buffer.from(text) }
      : { kind: 'error', error: { type: 'ValueError', message: 'bad' } },
  )
  const { last, byEnding, reasons } = bench.pipeline.trail('plant', 10)
  const seen = last.map(({ ending, device, latencyMs }) => [ending, device, latencyMs])
  assert.deepEqual(seen, [
    ['model', 'pump', 7],
    ['published', 'pump', 7],
    ['when', 'pump', 0],
    ['decode', undefined, 0],
  ])
  assert.deepEqual(byEnding, { model: 1, published: 1, when: 1, decode: 1 })
  assert.equal(reasons.model?.text, 'ValueError: bad')
  assert.match(reasons.decode?.text ?? '', /^not-json: /)
})

test('every event that left is in the trail once, under what it is counted as', async () => {
  const bench = await PipelineBench.ready({
    limits: { queue: { size: 2, whenFull: 'drop-newest' } },
  })
  for (let i = 0; i < 5; i++) bench.source.deliver('t', event('pump', i))
  bench.source.deliver('t', '{"a":1}', { stray: true })
  bench.answerAll()
  const { published, dropped } = bench.stats
  const counted = { published, ...bench.dropped }
  assert.ok((dropped['queue-full'] ?? 0) > 0)
  assert.deepEqual({ ...bench.pipeline.trail('t', 0).byEnding }, counted)
})
