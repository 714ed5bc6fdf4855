import assert from 'node:assert/strict'
import test from 'node:test'
import type { ModelSample } from '../../../src/models/model-sample.ts'
import { toleranceDefault } from '../../../src/models/model-sample.ts'
import { EdgebootError } from '../../../src/core/errors.ts'
import { GatedRunner } from '../../../src/runtime/gated-runner.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { FakeRunner, value } from '../../support/fake-runner.ts'
import { RecordedLog } from '../../support/recorded-log.ts'

const sample = (label: string, expected: unknown): ModelSample => ({
  label,
  event: `{"label":"${label}"}`,
  context: { device: 'pump-1' },
  expected: { kind: 'result', value: expected },
  tolerance: toleranceDefault,
})

class Bench {
  readonly clock = new FakeClock()
  readonly log = new RecordedLog()
  readonly heard: string[] = []
  readonly inner: FakeRunner
  readonly runner: GatedRunner
  passed = 0
  outcome = 'loading'

  constructor(judges: boolean, samples: () => Promise<readonly ModelSample[]>) {
    const listener = {
      log: () => {},
      exited: () => void this.heard.push('exited'),
      outgrew: () => {},
      warming: () => void this.heard.push('warming'),
    }
    this.inner = new FakeRunner(listener)
    this.runner = new GatedRunner(this.inner, listener, {
      model: { name: 'm', version: '2', entryFile: '/m/index.py' },
      samples,
      judges: () => judges,
      passed: () => (this.passed += 1),
      timeoutMs: 1000,
      clock: this.clock,
      log: this.log.logger,
    })
    this.runner.start().then(
      () => (this.outcome = 'serves'),
      (error: EdgebootError) => (this.outcome = `${error.code}: ${error.message}`),
    )
  }

  static async loaded(judges: boolean, ...samples: readonly ModelSample[]): Promise<Bench> {
    const bench = new Bench(judges, () => Promise.resolve(samples))
    await bench.inner.load()
    await turn()
    return bench
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test('a runner serves when it has answered every sample as it should, one after the other', async () => {
  const bench = await Bench.loaded(true, sample('a', 1), sample('b', 2))
  assert.deepEqual([bench.outcome, bench.heard], ['loading', ['warming']])
  assert.deepEqual(bench.inner.serving, ['{"label":"a"}'])
  bench.inner.answer(() => value('1'))
  await turn()
  bench.inner.answer(() => value('2'))
  await turn()
  assert.deepEqual([bench.outcome, bench.passed], ['serves', 1])
})

test('a difference keeps a runner out that is judged, and names the sample and the difference', async () => {
  const bench = await Bench.loaded(true, sample('a', 1), sample('b', 2))
  bench.inner.answer(() => value('7'))
  await turn()
  assert.match(
    bench.outcome,
    /^MODEL_SAMPLE_FAILED: model "m" \(2\) .*: a: result is 7, expected 1/,
  )
  assert.deepEqual([bench.inner.gone, bench.passed], [true, 0])
})

test('a difference is a warning for one that served before, and it serves', async () => {
  const bench = await Bench.loaded(false, sample('a', 1), sample('b', 2))
  bench.inner.answer(() => value('7'))
  await turn()
  assert.equal(bench.outcome, 'serves')
  const [line] = bench.log.of('model.sample-differs')
  assert.match(String(line?.['difference']), /^a: result is 7, expected 1/)
})

test('a sample without an answer in time refuses one that is judged', async () => {
  const bench = await Bench.loaded(true, sample('a', 1))
  bench.clock.advance(1000)
  await turn()
  assert.match(bench.outcome, /^MODEL_SAMPLE_FAILED: .*: a: no answer within 1000 ms/)
  assert.equal(bench.inner.gone, true)
})

test('a sample without an answer in time is a warning for one that served before', async () => {
  const bench = await Bench.loaded(false, sample('a', 1))
  bench.clock.advance(1000)
  await turn()
  assert.equal(bench.outcome, 'serves')
  assert.equal(bench.log.of('model.sample-differs').length, 1)
})

test('a runner that dies of a sample fails to start, and says of which', async () => {
  const bench = await Bench.loaded(true, sample('a', 1))
  bench.inner.die(new EdgebootError('RUNNER_EXITED', 'it exited with code 3'))
  await turn()
  assert.match(bench.outcome, /^MODEL_SAMPLE_FAILED: .*: a: it exited with code 3/)
})

test('samples that cannot be read refuse one that is judged, and are a warning for another', async () => {
  const unreadable = (): Promise<never> =>
    Promise.reject(new EdgebootError('MODEL_SAMPLES_INVALID', 'no JSON'))
  const judged = new Bench(true, unreadable)
  await judged.inner.load()
  await turn()
  assert.equal(judged.outcome, 'MODEL_SAMPLES_INVALID: no JSON')
  const warmed = new Bench(false, unreadable)
  await warmed.inner.load()
  await turn()
  assert.equal(warmed.outcome, 'serves')
  assert.equal(warmed.log.of('model.samples-unread').length, 1)
})
