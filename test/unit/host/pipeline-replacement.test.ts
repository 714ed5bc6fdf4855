/** A supervisor that exchanges its host, over fake hosts and a clock that the test moves. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { EdgebootError } from '../../../src/core/errors.ts'
import type { PipelineTarget, Replacement } from '../../../src/host/replacement.ts'
import { emptyStats } from '../../../src/pipeline/ledger.ts'
import { pipelineSettings } from '../../support/pipeline-settings.ts'
import { model, settle, SupervisorBench, type FakeHost } from '../../support/supervisor-bench.ts'

const drainMs = 20_000
const newModel = { ...model, version: 'newer' }
const target: PipelineTarget = { pipeline: pipelineSettings({ workers: 2 }), model: newModel }

/** What a host was told, by name. */
const told = (host: FakeHost | undefined): string[] => host?.sent.map(({ type }) => type) ?? []

async function serving(): Promise<SupervisorBench> {
  const bench = new SupervisorBench()
  await bench.start()
  bench.host.ready()
  return bench
}

/** Loaded, and connected to nothing. */
function stoodBy(host: FakeHost): void {
  const reason = 'input: not started; output: not started'
  host.say({ type: 'state', state: 'STARTING', reason, engine: 'Python 3.11.2' })
}

/** Begins a replacement, and keeps what comes of it. */
async function replacing(bench: SupervisorBench): Promise<{
  outcome: Replacement | undefined
  old: FakeHost
  successor: FakeHost
}> {
  const [old] = bench.hosts
  assert.ok(old)
  const seen: { outcome: Replacement | undefined } = { outcome: undefined }
  void bench.supervisor.replace(target, drainMs).then((outcome) => (seen.outcome = outcome))
  await settle()
  return Object.assign(seen, { old, successor: bench.host })
}

test('the old one serves until the new one has loaded its model, and is gone before that connects', async () => {
  const bench = await serving()
  const step = await replacing(bench)
  assert.equal(bench.hosts.length, 2)
  const [order] = step.successor.sent
  assert.ok(order?.type === 'start' && order.standby === true)
  assert.equal(order.model.version, 'newer')
  assert.deepEqual(told(step.old), ['start'], 'nobody told the old one anything')
  assert.equal(bench.supervisor.status.state, 'READY')
  stoodBy(step.successor)
  await settle()
  assert.deepEqual(step.old.sent.at(-1), { type: 'stop', drainMs })
  assert.deepEqual(told(step.successor), ['start'], 'it waits')
  assert.equal(bench.supervisor.status.state, 'DRAINING')
  bench.clock.advance(70)
  step.old.exit(0)
  await settle()
  assert.deepEqual(told(step.successor), ['start', 'go'])
  assert.deepEqual(bench.tookOver, [model.version, 'newer'])
  assert.deepEqual(step.outcome, { kind: 'replaced', gapMs: 70 })
  step.successor.ready()
  const { state, modelVersion, pid, restarts } = bench.supervisor.status
  const { pid: newPid } = step.successor
  assert.deepEqual(
    { state, modelVersion, pid, restarts },
    { state: 'READY', modelVersion: 'newer', pid: newPid, restarts: 0 },
  )
})

test('counts go on over a replacement, and those of one that stands by are not among them', async () => {
  const bench = await serving()
  const { old, successor } = await replacing(bench)
  successor.say({ type: 'stats', stats: { ...emptyStats(), runnerRestarts: 7 } })
  stoodBy(successor)
  await settle()
  old.say({ type: 'stats', stats: { ...emptyStats(), received: 5, published: 5 } })
  old.exit(0)
  await settle()
  successor.say({ type: 'stats', stats: { ...emptyStats(), received: 2, published: 1 } })
  successor.exit(0)
  const { received, published, runnerRestarts } = await bench.supervisor.stats()
  assert.deepEqual([received, published, runnerRestarts], [7, 6, 0])
})

test('a model that cannot be loaded refuses the replacement, and the old one goes on', async () => {
  const bench = await serving()
  const step = await replacing(bench)
  const reason = 'model: SyntaxError at index.py:3; next attempt in 0.2 s'
  step.successor.say({ type: 'state', state: 'BACKOFF', reason })
  await settle()
  assert.deepEqual(told(step.successor), ['start', 'stop'])
  step.successor.exit(0)
  await settle()
  assert.deepEqual(step.outcome, { kind: 'refused', reason })
  assert.deepEqual(bench.tookOver, [model.version], 'the new one is not active')
  assert.deepEqual(told(step.old), ['start'])
  assert.equal(bench.supervisor.status.state, 'READY')
  assert.equal(bench.supervisor.model, model)
})

test('a successor that dies while it loads refuses the replacement', async () => {
  const bench = await serving()
  const step = await replacing(bench)
  step.successor.kill('SIGKILL')
  await settle()
  assert.deepEqual(step.outcome, {
    kind: 'refused',
    reason: 'the host process was killed by SIGKILL',
  })
  assert.equal(bench.supervisor.status.state, 'READY')
  bench.clock.advance(10_000)
  assert.equal(bench.hosts.length, 2)
})

test('an old one that dies meanwhile is not restarted: its successor takes over', async () => {
  const bench = await serving()
  const step = await replacing(bench)
  step.old.kill('SIGKILL')
  bench.clock.advance(1000)
  assert.equal(bench.hosts.length, 2)
  assert.match(bench.supervisor.status.reason, /was killed by SIGKILL; its successor is loading/)
  stoodBy(step.successor)
  await settle()
  assert.deepEqual(told(step.successor), ['start', 'go'])
  assert.equal(step.outcome?.kind, 'replaced')
})

test('an old one that dies meanwhile is restarted as it was when its successor fails', async () => {
  const bench = await serving()
  const step = await replacing(bench)
  step.old.kill('SIGKILL')
  step.successor.exit(1)
  await settle()
  assert.equal(step.outcome?.kind, 'refused')
  assert.equal(bench.supervisor.status.state, 'BACKOFF')
  bench.clock.advance(200)
  assert.equal(bench.hosts.length, 3)
  const [order] = bench.host.sent
  assert.ok(order?.type === 'start' && order.standby === undefined)
  assert.equal(order.model, model)
})

test('a successor that dies while the old one drains is started again, with the new settings', async () => {
  const bench = await serving()
  const step = await replacing(bench)
  stoodBy(step.successor)
  await settle()
  step.successor.kill('SIGKILL')
  step.old.exit(0)
  await settle()
  assert.equal(bench.supervisor.status.state, 'BACKOFF')
  bench.clock.advance(200)
  const [order] = bench.host.sent
  assert.ok(order?.type === 'start' && order.standby === undefined)
  assert.deepEqual(order.pipeline, target.pipeline)
})

test('an old one that does not leave is killed when its drain is over', async () => {
  const bench = await serving()
  const step = await replacing(bench)
  stoodBy(step.successor)
  await settle()
  bench.clock.advance(drainMs + 3000)
  assert.deepEqual(step.old.signals, ['SIGKILL'])
  await settle()
  assert.deepEqual(told(step.successor), ['start', 'go'])
})

for (const when of ['while the successor loads', 'while the old one drains']) {
  test(`a stop ${when} ends both, and nothing takes over`, async () => {
    const bench = await serving()
    const step = await replacing(bench)
    if (when === 'while the old one drains') {
      stoodBy(step.successor)
      await settle()
    }
    let stopped = false
    void bench.supervisor.stop(drainMs).then(() => (stopped = true))
    await settle()
    assert.equal(stopped, false)
    assert.deepEqual(step.successor.sent.at(-1), { type: 'stop', drainMs: 0 })
    assert.deepEqual(step.old.sent.at(-1), { type: 'stop', drainMs })
    step.old.exit(0)
    step.successor.exit(0)
    await settle()
    assert.equal(stopped, true)
    assert.deepEqual(step.outcome, { kind: 'stopped' })
    assert.deepEqual(told(step.successor), ['start', 'stop'])
    bench.clock.advance(600_000)
    assert.equal(bench.hosts.length, 2)
  })
}

test('a broken pipeline begins anew with the new settings, and its failures are forgotten', async () => {
  const bench = new SupervisorBench()
  await bench.start()
  for (let i = 0; i < 3; i++) {
    bench.host.exit(1)
    bench.clock.advance(1000)
  }
  assert.equal(bench.supervisor.status.state, 'BROKEN')
  assert.deepEqual(await bench.supervisor.replace(target, drainMs), { kind: 'begun' })
  assert.equal(bench.hosts.length, 4)
  const [order] = bench.host.sent
  assert.ok(order?.type === 'start' && order.standby === undefined)
  assert.equal(order.model, newModel)
  bench.host.exit(1)
  assert.equal(bench.supervisor.status.state, 'BACKOFF', 'it has its three attempts again')
})

test('one that is broken but whose host still runs makes room first', async () => {
  const bench = await serving()
  const old = bench.host
  old.say({ type: 'state', state: 'BROKEN', reason: 'model: no handler' })
  void bench.supervisor.replace(target, drainMs)
  await settle()
  assert.equal(bench.hosts.length, 1)
  assert.deepEqual(old.sent.at(-1), { type: 'stop', drainMs })
  old.exit(0)
  await settle()
  assert.equal(bench.hosts.length, 2)
  assert.equal(bench.supervisor.status.state, 'STARTING')
})

test('one that waits for its next attempt is replaced at once, and the attempt does not come', async () => {
  const bench = await serving()
  bench.host.kill('SIGKILL')
  assert.deepEqual(await bench.supervisor.replace(target, drainMs), { kind: 'begun' })
  bench.clock.advance(10_000)
  assert.equal(bench.hosts.length, 2)
  assert.equal(bench.supervisor.status.state, 'STARTING')
})

test('a model that arrives after its source was replaced is not started', async () => {
  const bench = new SupervisorBench()
  const slow = Promise.withResolvers<typeof model>()
  bench.resolve = () => slow.promise
  await bench.start()
  await bench.supervisor.replace(target, drainMs)
  slow.resolve(model)
  await settle()
  assert.equal(bench.hosts.length, 1)
  assert.equal(bench.supervisor.model, newModel)
})

test('begun without a model, it gets it itself and goes on trying', async () => {
  const bench = await serving()
  bench.resolve = () => Promise.reject(new EdgebootError('MODEL_DOWNLOAD_FAILED', 'no route'))
  const halted = bench.supervisor.halt(drainMs, 'makes room')
  bench.host.exit(0)
  await halted
  bench.supervisor.begin({ pipeline: target.pipeline })
  await settle()
  assert.equal(bench.supervisor.status.state, 'BACKOFF')
  bench.resolve = () => Promise.resolve(newModel)
  bench.clock.advance(60_000)
  await settle()
  assert.equal(bench.hosts.length, 2)
})
