/** Versions that come, are refused, are on probation and go back, over fake hosts. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { EdgebootError, toWireError } from '../../../src/core/errors.ts'
import type { PipelineSettings } from '../../../src/config/settings.ts'
import { canSwap } from '../../../src/host/can-swap.ts'
import type { ToHost } from '../../../src/host/host-messages.ts'
import { pipelineSettings } from '../../support/pipeline-settings.ts'
import { model, settle, SupervisorBench, type FakeHost } from '../../support/supervisor-bench.ts'

const one = { ...model, version: 'one', sha256: '1', folder: '/models/one' }
const two = { ...model, version: 'two', sha256: '2', folder: '/models/two' }
const probation = { messages: 100, errorRateMax: 0.01 }
const settings = pipelineSettings({ probation, workers: 1 })

async function serving(pipeline: PipelineSettings = settings): Promise<SupervisorBench> {
  const bench = new SupervisorBench(pipeline)
  bench.standings.set('one', 'proven')
  bench.resolve = () => Promise.resolve(one)
  await bench.start()
  bench.host.ready()
  return bench
}

const lastSwap = (host: FakeHost): ToHost & { type: 'swap' } => {
  const last = host.sent.at(-1)
  assert.ok(last?.type === 'swap', `the last message was ${last?.type}`)
  return last
}

/** The host goes over, or says why not. */
async function answerSwap(host: FakeHost, error?: EdgebootError): Promise<void> {
  const { requestId } = lastSwap(host)
  host.say({ type: 'swap', requestId, ...(error && { error: toWireError(error) }) })
  await settle()
}

/** Version two has taken over and is on probation. */
async function onProbation(): Promise<SupervisorBench> {
  const bench = await serving()
  void bench.supervisor.replace({ pipeline: settings, model: two }, 1000)
  await settle()
  await answerSwap(bench.host)
  return bench
}

const told = ({ supervisor }: SupervisorBench): unknown[] => {
  const { modelVersion, update: last } = supervisor.status
  return [modelVersion, last?.version, last?.state]
}

test('another version is exchanged in the host, judged and on probation', async () => {
  const bench = await serving()
  const replacing = bench.supervisor.replace({ pipeline: settings, model: two }, 1000)
  await settle()
  const order = lastSwap(bench.host)
  assert.deepEqual([order.model, order.judge, order.onProbation], [two, true, true])
  assert.ok(!JSON.stringify(order).includes('broker'), 'a model could read it')
  assert.deepEqual(told(bench), ['one', 'two', 'loading'])
  await answerSwap(bench.host)
  assert.deepEqual(await replacing, { kind: 'swapped' })
  assert.deepEqual(told(bench), ['two', 'two', 'probation'])
  assert.equal(bench.hosts.length, 1)
  assert.equal(bench.standings.get('two'), undefined, 'not yet')
  bench.host.say({ type: 'probation', passed: true, reason: 'fine' })
  assert.deepEqual(told(bench), ['two', undefined, undefined])
  assert.equal(bench.standings.get('two'), 'proven')
})

test('a version that fails its samples is refused and held back, and the one before goes on', async () => {
  const bench = await serving()
  const replacing = bench.supervisor.replace({ pipeline: settings, model: two }, 1000)
  await settle()
  await answerSwap(bench.host, new EdgebootError('MODEL_SAMPLE_FAILED', 'a: 7, expected 1'))
  assert.deepEqual(await replacing, { kind: 'refused', reason: 'a: 7, expected 1' })
  assert.deepEqual(told(bench), ['one', 'two', 'refused'])
  assert.deepEqual(bench.held, [['two', 'samples', 'a: 7, expected 1']])
  assert.equal(bench.supervisor.status.state, 'READY')
})

test('a version that fails its probation is held back, and the one before comes back unjudged', async () => {
  const bench = await onProbation()
  bench.host.say({ type: 'probation', passed: false, reason: '11 errors' })
  await settle()
  const order = lastSwap(bench.host)
  assert.deepEqual([order.model, order.judge, order.onProbation], [one, false, false])
  await answerSwap(bench.host)
  assert.deepEqual(told(bench), ['one', 'two', 'rolled-back'])
  assert.deepEqual(bench.held, [['two', 'probation', 'failed its probation: 11 errors']])
})

test('a host that dies in a probation comes back with the version before', async () => {
  const bench = await onProbation()
  bench.host.kill('SIGKILL')
  bench.clock.advance(1000)
  assert.equal(bench.hosts.length, 2)
  const [order] = bench.host.sent
  assert.ok(order?.type === 'start')
  assert.deepEqual([order.model, order.judge, order.onProbation], [one, false, false])
  assert.equal(bench.supervisor.status.update?.state, 'rolled-back')
  assert.equal(bench.held.length, 1)
})

test('a host that dies while it loads another version comes back with the one that served', async () => {
  const bench = await serving()
  const replacing = bench.supervisor.replace({ pipeline: settings, model: two }, 1000)
  await settle()
  bench.host.kill('SIGKILL')
  assert.equal((await replacing).kind, 'refused')
  bench.clock.advance(1000)
  const [order] = bench.host.sent
  assert.ok(order?.type === 'start')
  assert.equal(order.model, one)
  assert.deepEqual(bench.held, [], 'it may have been the machine')
})

test('at the start a new version comes beside what served before', async () => {
  const bench = new SupervisorBench(settings)
  bench.predecessor = one
  bench.resolve = () => Promise.resolve(two)
  await bench.start()
  const [order] = bench.host.sent
  assert.ok(order?.type === 'start')
  assert.deepEqual([order.model, order.judge], [one, false])
  bench.host.ready()
  await settle()
  assert.deepEqual([lastSwap(bench.host).model, lastSwap(bench.host).judge], [two, true])
})

test('a version that was on probation when edgeboot ended is so again, with a way back', async () => {
  const bench = new SupervisorBench(settings)
  bench.standings.set('two', 'served')
  bench.predecessor = one
  bench.resolve = () => Promise.resolve(two)
  await bench.start()
  const [order] = bench.host.sent
  assert.ok(order?.type === 'start')
  assert.deepEqual([order.model, order.judge, order.onProbation], [two, false, true])
  bench.host.ready()
  bench.host.say({ type: 'probation', passed: false, reason: '11 errors' })
  await settle()
  assert.equal(lastSwap(bench.host).model, one)
})

test('a first version that fails its probation serves on', async () => {
  const bench = new SupervisorBench(settings)
  bench.resolve = () => Promise.resolve(two)
  await bench.start()
  bench.host.ready()
  bench.host.say({ type: 'probation', passed: false, reason: '11 errors' })
  await settle()
  assert.equal(bench.supervisor.status.modelVersion, 'two')
  assert.deepEqual(bench.held, [])
})

test('a host goes over by itself only where nothing but its runners change', () => {
  const from = { pipeline: settings, model: one }
  const to = (pipeline: Partial<PipelineSettings>, more: object = {}): boolean =>
    canSwap(from, { pipeline: { ...settings, ...pipeline }, model: { ...two, ...more } })
  assert.equal(to({}), true)
  assert.equal(to({ params: { limit: 2 }, env: { A: 'b' }, memoryBytesMax: 1e9 }), true)
  assert.equal(to({ model: { name: 'echo', sha256: '2' } }), true)
  assert.equal(to({ timeoutMs: 5 }), false)
  assert.equal(to({ batch: { size: 1, delayMs: 0 } }), false)
  assert.equal(to({ workers: 2 }), false)
  assert.equal(to({}, { runtime: 'javascript' }), false)
  assert.equal(canSwap(from, from), false, 'that is a restart')
  const inline = { pipeline: { ...settings, workers: 0 }, model: one }
  assert.equal(canSwap(inline, { ...inline, model: two }), false)
})
