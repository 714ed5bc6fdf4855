import assert from 'node:assert/strict'
import test from 'node:test'
import { EdgebootError, toWireError } from '../../../src/core/errors.ts'
import type { ModelPackage } from '../../../src/models/model-package.ts'
import { emptyStats } from '../../../src/pipeline/ledger.ts'
import { emptyTrail } from '../../../src/pipeline/trail.ts'
import { pipelineSettings } from '../../support/pipeline-settings.ts'
import { model, settle, SupervisorBench } from '../../support/supervisor-bench.ts'

test('a pipeline goes from NEW over FETCHING and STARTING to READY', async () => {
  const bench = new SupervisorBench()
  const states = [bench.supervisor.status.state]
  void bench.supervisor.start()
  states.push(bench.supervisor.status.state)
  await settle()
  states.push(bench.supervisor.status.state)
  bench.host.ready()
  states.push(bench.supervisor.status.state)
  assert.deepEqual(states, ['NEW', 'FETCHING', 'STARTING', 'READY'])
  assert.equal(bench.host.sent[0]?.type, 'start')
})

test('a host that is killed is restarted after the first delay, and says why', async () => {
  const bench = new SupervisorBench()
  await bench.start()
  bench.host.ready()
  bench.host.kill('SIGKILL')
  const { state, reason } = bench.supervisor.status
  assert.equal(state, 'BACKOFF')
  assert.match(reason, /was killed by SIGKILL; next attempt in 0\.1 s/)
  bench.clock.advance(49)
  assert.equal(bench.hosts.length, 1)
  bench.clock.advance(1)
  assert.equal(bench.hosts.length, 2)
  assert.equal(bench.supervisor.status.restarts, 1)
})

test('a package has taken over when its model is loaded, not when it is on the disk', async () => {
  const bench = new SupervisorBench()
  await bench.start()
  assert.deepEqual(bench.tookOver, [])
  bench.host.ready()
  bench.host.ready()
  assert.deepEqual(bench.tookOver, [model.version])
})

test('three hosts that never become ready break the pipeline', async () => {
  const bench = new SupervisorBench()
  await bench.start()
  for (let i = 0; i < 3; i++) {
    bench.host.exit(1)
    bench.clock.advance(1000)
  }
  assert.equal(bench.hosts.length, 3)
  assert.equal(bench.supervisor.status.state, 'BROKEN')
  assert.match(bench.supervisor.status.reason, /given up after 3 failures/)
})

test('a model server that is away is asked again for ever', async () => {
  const bench = new SupervisorBench()
  let asked = 0
  bench.resolve = () => {
    asked += 1
    return Promise.reject(new EdgebootError('MODEL_DOWNLOAD_FAILED', 'no route to host'))
  }
  await bench.start()
  for (let i = 0; i < 8; i++) {
    bench.clock.advance(60_000)
    await settle()
  }
  assert.equal(asked, 9)
  assert.equal(bench.supervisor.status.state, 'BACKOFF')
  bench.resolve = () => Promise.resolve(model)
  bench.clock.advance(60_000)
  await settle()
  assert.equal(bench.hosts.length, 1)
})

test('a wrong digest breaks the pipeline after three attempts, naming it', async () => {
  const bench = new SupervisorBench()
  bench.resolve = () => Promise.reject(new EdgebootError('MODEL_DIGEST_MISMATCH', 'md5 differs'))
  await bench.start()
  for (let i = 0; i < 3; i++) {
    bench.clock.advance(60_000)
    await settle()
  }
  assert.equal(bench.supervisor.status.state, 'BROKEN')
  assert.match(bench.supervisor.status.reason, /md5 differs/)
})

test('a host that falls silent is killed and restarted', async () => {
  const bench = new SupervisorBench()
  await bench.start()
  const first = bench.host
  first.ready()
  for (let i = 0; i < 4; i++) {
    bench.clock.advance(5000)
    first.say({ type: 'stats', stats: emptyStats() })
  }
  assert.deepEqual(first.signals, [])
  bench.clock.advance(60_000)
  assert.deepEqual(first.signals, ['SIGKILL'])
  assert.equal(bench.hosts.length, 2)
})

test('a host whose channel is closed is killed when it stays, long before its silence would tell', async () => {
  const bench = new SupervisorBench()
  await bench.start()
  const first = bench.host
  first.ready()
  first.disconnect()
  bench.clock.advance(1999)
  assert.deepEqual(first.signals, [])
  bench.clock.advance(1)
  assert.deepEqual(first.signals, ['SIGKILL'])
  assert.match(bench.supervisor.status.reason, /closed its connection and stayed/)
})

test('a host whose channel is closed because it exits has failed of that', async () => {
  const bench = new SupervisorBench()
  await bench.start()
  const first = bench.host
  first.ready()
  first.disconnect()
  first.exit(3)
  assert.match(bench.supervisor.status.reason, /exited with code 3/)
  bench.clock.advance(5000)
  assert.deepEqual(first.signals, [])
})

test('a host that breaks the protocol has died of that, whatever it said, and is restarted', async () => {
  const bench = new SupervisorBench()
  await bench.start()
  const first = bench.host
  first.ready()
  const forged = new EdgebootError('BROKER_REFUSED', 'it was not me')
  first.say({ type: 'failed', error: toWireError(forged) })
  first.break()
  const { state, reason } = bench.supervisor.status
  assert.equal(state, 'BACKOFF')
  assert.match(reason, /the host broke the protocol: so; next attempt/)
  bench.clock.advance(5000)
  assert.equal(bench.hosts.length, 2)
})

test('one late heartbeat after a pause of the machine kills nobody', async () => {
  const bench = new SupervisorBench()
  await bench.start()
  bench.host.ready()
  // The whole machine slept: the timer fires first, the messages that waited come right after.
  bench.clock.advance(35_000)
  bench.host.say({ type: 'stats', stats: emptyStats() })
  bench.clock.advance(5000)
  assert.deepEqual(bench.host.signals, [])
})

test('stats are those that the host answers, and the last known ones when it does not', async () => {
  const bench = new SupervisorBench()
  await bench.start()
  bench.host.ready()
  const fresh = { ...emptyStats(), received: 7 }
  const asked = bench.supervisor.stats()
  const question = bench.host.sent.at(-1)
  assert.equal(question?.type, 'stats')
  bench.host.say({ type: 'stats', requestId: question.requestId, stats: fresh })
  assert.deepEqual(await asked, fresh)
  const unanswered = bench.supervisor.stats()
  bench.clock.advance(1000)
  assert.equal((await unanswered).received, 7)
})

test('where the last events ended is asked of the host, and nothing is known without one', async () => {
  const bench = new SupervisorBench()
  assert.deepEqual(await bench.supervisor.trail('t', 10), emptyTrail)
  await bench.start()
  const asked = bench.supervisor.trail('t', 10)
  const question = bench.host.sent.at(-1)
  assert.ok(question?.type === 'trail')
  assert.deepEqual([question.topic, question.lastMax], ['t', 10])
  const trail = { ...emptyTrail, remembered: 3 }
  bench.host.say({ type: 'trail', requestId: question.requestId, trail })
  assert.equal((await asked).remembered, 3)
  const open = bench.supervisor.trail(undefined, 10)
  bench.host.kill('SIGKILL')
  assert.deepEqual(await open, emptyTrail)
})

test('counts go on over the restart of a host', async () => {
  const bench = new SupervisorBench()
  await bench.start()
  bench.host.ready()
  const answer = async (received: number): Promise<number> => {
    const asked = bench.supervisor.stats()
    const question = bench.host.sent.at(-1)
    assert.equal(question?.type, 'stats')
    const stats = { ...emptyStats(), received }
    bench.host.say({ type: 'stats', requestId: question.requestId, stats })
    return (await asked).received
  }
  assert.equal(await answer(5), 5)
  bench.host.kill('SIGKILL')
  bench.clock.advance(200)
  assert.equal(await answer(3), 8)
})

test('what was in motion when a host died is counted as crash', async () => {
  const bench = new SupervisorBench()
  await bench.start()
  bench.host.ready()
  bench.host.say({ type: 'stats', stats: { ...emptyStats(), received: 9, inMotion: 4 } })
  bench.host.kill('SIGKILL')
  const { received, inMotion, dropped } = await bench.supervisor.stats()
  assert.deepEqual(
    { received, inMotion, crash: dropped.crash },
    { received: 9, inMotion: 0, crash: 4 },
  )
})

test('with a source of QoS 1 it is counted as unacknowledged: the broker sends it again', async () => {
  const settings = pipelineSettings()
  const bench = new SupervisorBench({ ...settings, source: { ...settings.source, qos: 1 } })
  await bench.start()
  bench.host.ready()
  const stats = { ...emptyStats(), received: 9, inMotion: 4, unacknowledged: 6 }
  bench.host.say({ type: 'stats', stats })
  bench.host.kill('SIGKILL')
  const { inMotion, dropped, unacknowledged } = await bench.supervisor.stats()
  assert.deepEqual(
    { inMotion, unacknowledged, left: dropped.unacknowledged, crash: dropped.crash },
    { inMotion: 0, unacknowledged: 0, left: 4, crash: 0 },
  )
})

test('what a dead host left on the disk is shown until the next one has it, and counted once', async () => {
  const bench = new SupervisorBench()
  await bench.start()
  bench.host.ready()
  bench.host.say({
    type: 'stats',
    stats: { ...emptyStats(), received: 9, published: 4, spooled: 5 },
  })
  bench.host.kill('SIGKILL')
  assert.equal((await bench.supervisor.stats()).spooled, 5)
  bench.clock.advance(200)
  bench.host.say({
    type: 'stats',
    stats: { ...emptyStats(), recovered: 5, published: 2, spooled: 3 },
  })
  bench.host.kill('SIGKILL')
  const { received, recovered, published, spooled } = await bench.supervisor.stats()
  assert.deepEqual(
    { received, recovered, published, spooled },
    { received: 9, recovered: 0, published: 6, spooled: 3 },
  )
})

test('stop asks the host to drain, waits for it, and starts nothing again', async () => {
  const bench = new SupervisorBench()
  await bench.start()
  bench.host.ready()
  let stopped = false
  const stopping = bench.supervisor.stop(20_000).then(() => (stopped = true))
  assert.deepEqual(bench.host.sent.at(-1), { type: 'stop', drainMs: 20_000 })
  await settle()
  assert.equal(stopped, false)
  bench.host.exit(0)
  await stopping
  bench.clock.advance(600_000)
  assert.equal(bench.hosts.length, 1)
})

test('a broken pipeline still says why when it was stopped', async () => {
  const bench = new SupervisorBench()
  await bench.start()
  bench.host.say({ type: 'state', state: 'BROKEN', reason: 'model: no handler' })
  const stopping = bench.supervisor.stop(20_000)
  bench.host.say({ type: 'state', state: 'DRAINING', reason: 'stopping' })
  bench.host.exit(0)
  await stopping
  const { state, reason } = bench.supervisor.status
  assert.deepEqual({ state, reason }, { state: 'BROKEN', reason: 'model: no handler' })
})

test('a host that does not leave is killed when its drain is over', async () => {
  const bench = new SupervisorBench()
  await bench.start()
  bench.host.ready()
  const stopping = bench.supervisor.stop(20_000)
  bench.clock.advance(22_999)
  assert.deepEqual(bench.host.signals, [])
  bench.clock.advance(1)
  assert.deepEqual(bench.host.signals, ['SIGKILL'])
  await stopping
})

test('a stop while the model is fetched starts no host afterwards', async () => {
  const bench = new SupervisorBench()
  let arrive: (found: ModelPackage) => void = () => {}
  bench.resolve = () => new Promise((resolve) => (arrive = resolve))
  await bench.start()
  await bench.supervisor.stop(1000)
  arrive(model)
  await settle()
  assert.equal(bench.hosts.length, 0)
})
