import assert from 'node:assert/strict'
import test from 'node:test'
import { PipelineFleet } from '../../../src/host/pipeline-fleet.ts'
import { emptyStats } from '../../../src/pipeline/ledger.ts'
import { SupervisorBench } from '../../support/supervisor-bench.ts'

const fleetOf = (bench: SupervisorBench): PipelineFleet =>
  new PipelineFleet([bench.supervisor], '1.2.3', bench.clock)

test('a fleet whose hosts speak is alive', async () => {
  const bench = new SupervisorBench()
  const fleet = fleetOf(bench)
  await fleet.start()
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
  for (let i = 0; i < 3; i++) {
    bench.host.exit(1)
    bench.clock.advance(1000)
  }
  bench.clock.advance(600_000)
  assert.equal(fleet.pipelines()[0]?.state, 'BROKEN')
  assert.equal(fleet.liveness().alive, true)
})

test('counts come by name of the pipeline', async () => {
  const bench = new SupervisorBench()
  const fleet = fleetOf(bench)
  await fleet.start()
  const asked = fleet.stats()
  const question = bench.host.sent.at(-1)
  assert.equal(question?.type, 'stats')
  const { requestId } = question
  bench.host.say({ type: 'stats', requestId, stats: { ...emptyStats(), received: 3 } })
  assert.equal((await asked).get('sub_process_b1_echo_0')?.received, 3)
})
