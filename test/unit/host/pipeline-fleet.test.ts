import assert from 'node:assert/strict'
import test from 'node:test'
import { PipelineFleet } from '../../../src/host/pipeline-fleet.ts'
import { emptyStats } from '../../../src/pipeline/ledger.ts'
import { emptyTrail } from '../../../src/pipeline/trail.ts'
import { pipelineSettings } from '../../support/pipeline-settings.ts'
import { settle, SupervisorBench } from '../../support/supervisor-bench.ts'
import { until } from '../../support/wait.ts'

const fleetOf = (bench: SupervisorBench): PipelineFleet =>
  new PipelineFleet({
    pipelines: [pipelineSettings()],
    prepare: (pipeline) => pipeline,
    supervise: () => bench.supervisor,
    version: '1.2.3',
    clock: bench.clock,
  })

test('a fleet whose hosts speak is alive', async () => {
  const bench = new SupervisorBench()
  const fleet = fleetOf(bench)
  await fleet.start()
  await settle()
  for (let i = 0; i < 20; i++) {
    bench.clock.advance(5000)
    bench.host.say({ type: 'stats', stats: emptyStats() })
  }
  assert.deepEqual(fleet.liveness(), { alive: true, reason: '' })
})

test('a host that is silent and cannot be killed makes the fleet not alive, by name', async () => {
  const bench = new SupervisorBench()
  const fleet = fleetOf(bench)
  await fleet.start()
  await settle()
  bench.host.survives = true
  bench.clock.advance(30_000)
  assert.equal(fleet.liveness().alive, true)
  bench.clock.advance(30_000)
  assert.deepEqual(bench.host.signals, ['SIGKILL'])
  const { alive, reason } = fleet.liveness()
  assert.equal(alive, false)
  assert.equal(reason, 'the host of sub_process_b1_echo_0 said nothing for 60 s')
})

test('a pipeline that waits for its next host is silent for a reason, and the fleet alive', async () => {
  const bench = new SupervisorBench()
  const fleet = fleetOf(bench)
  await fleet.start()
  await settle()
  for (let i = 0; i < 3; i++) {
    bench.host.exit(1)
    bench.clock.advance(1000)
  }
  bench.clock.advance(600_000)
  assert.equal(fleet.pipelines()[0]?.state, 'BROKEN')
  assert.equal(fleet.liveness().alive, true)
})

test('explains a message with the state, the counts and the last endings of its host', async () => {
  const bench = new SupervisorBench()
  const fleet = fleetOf(bench)
  await fleet.start()
  await settle()
  bench.host.ready()
  const asked = fleet.explain({ topic: 'in/a', payload: Buffer.from('{}'), retain: false, last: 3 })
  const kinds = (): string[] => bench.host.sent.slice(-2).map(({ type }) => type)
  await until('both questions', () => kinds().join() === 'stats,trail')
  for (const question of bench.host.sent.slice(-2)) {
    assert.ok(question.type === 'stats' || question.type === 'trail')
    const { type, requestId } = question
    if (type === 'trail') {
      assert.deepEqual([question.topic, question.lastMax], ['in/a', 3])
      bench.host.say({ type, requestId, trail: { ...emptyTrail, remembered: 7 } })
    } else {
      const dropped = { ...emptyStats().dropped, model: 2 }
      bench.host.say({ type, requestId, stats: { ...emptyStats(), received: 3, dropped } })
    }
  }
  const [explanation] = await asked
  assert.equal(explanation?.verdict, 'taken')
  const { state, received, dropped, trail } = explanation.running ?? {}
  assert.deepEqual([state, received, dropped, trail?.remembered], ['READY', 3, { model: 2 }, 7])
})

test('asks no host about a topic that is not subscribed to', async () => {
  const bench = new SupervisorBench()
  const fleet = fleetOf(bench)
  await fleet.start()
  await settle()
  const before = bench.host.sent.length
  const [explanation] = await fleet.explain({ topic: 'out/a', retain: false })
  assert.deepEqual([explanation?.verdict, explanation?.running], ['elsewhere', undefined])
  assert.equal(bench.host.sent.length, before)
})

test('a pipeline that is broken explains itself', async () => {
  const bench = new SupervisorBench()
  const fleet = fleetOf(bench)
  await fleet.start()
  await settle()
  for (let i = 0; i < 3; i++) {
    bench.host.exit(1)
    bench.clock.advance(1000)
  }
  const payload = Buffer.from('{}')
  const [explanation] = await fleet.explain({ topic: 'in/a', payload, retain: false })
  assert.equal(explanation?.reason, 'broken')
  assert.match(explanation.steps.at(-1)?.text ?? '', /BROKEN: the host process exited with code 1/)
})

test('counts come by name of the pipeline', async () => {
  const bench = new SupervisorBench()
  const fleet = fleetOf(bench)
  await fleet.start()
  await settle()
  const asked = fleet.stats()
  const question = bench.host.sent.at(-1)
  assert.equal(question?.type, 'stats')
  const { requestId } = question
  bench.host.say({ type: 'stats', requestId, stats: { ...emptyStats(), received: 3 } })
  assert.equal((await asked).get('sub_process_b1_echo_0')?.received, 3)
})
