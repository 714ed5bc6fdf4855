/** Seeded random schedules over the whole pipeline. A failure prints its seed and its steps. */
import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { EdgebootError } from '../../../src/core/errors.ts'
import { DeliveryPlant, type Fate } from '../../support/delivery-plant.ts'
import { value } from '../../support/fake-runner.ts'
import { assertBalanced, event, PipelineBench } from '../../support/pipeline-bench.ts'

// One run without trouble at the input: every message at QoS 1 is acknowledged once and in order,
// and results of a device come in the order of its events, whatever the policy drops.
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
    fc.asyncProperty(
      fc.array(step, { maxLength: 80, size: 'max' }),
      whenFull,
      async (steps, policy) => {
        const bench = await PipelineBench.ready({
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
          } else if (what.do === 'fail') bench.sink.settleNext('timeout')
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
        bench.turn()
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
      },
    ),
    { numRuns: 1000 },
  )
})

const fates: readonly Fate[] = ['bad', 'empty', 'error', 'refused']

const step = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      do: fc.constant('deliver' as const),
      device: fc.nat(2),
      fate: fc.nat(9),
    }),
  },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('load' as const) }) },
  {
    weight: 12,
    arbitrary: fc.record({
      do: fc.constant('answer' as const),
      count: fc.nat(3),
      newestFirst: fc.boolean(),
    }),
  },
  {
    weight: 10,
    arbitrary: fc.record({
      do: fc.constant('settle' as const),
      count: fc.nat(4),
      toDisk: fc.nat(3),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('forward' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('die' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('swap' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('refuse' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('wait' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('lose' as const) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('reconnect' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('heartbeat' as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('fill-disk' as const), commits: fc.nat(3) }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('replay' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('kill' as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('stop' as const),
      answers: fc.nat(4),
      toDisk: fc.boolean(),
    }),
  },
)

type Step = typeof step extends fc.Arbitrary<infer Each> ? Each : never

async function take(plant: DeliveryPlant, what: Step): Promise<void> {
  if (what.do === 'deliver') plant.deliver(what.device, fates[what.fate] ?? 'fine')
  else if (what.do === 'load') await plant.load()
  else if (what.do === 'answer') plant.answer(what.count + 1, what.newestFirst)
  else if (what.do === 'settle') plant.settle(what.count + 1, what.toDisk === 0)
  else if (what.do === 'forward') plant.forward()
  else if (what.do === 'die') plant.die()
  else if (what.do === 'swap') plant.swap()
  else if (what.do === 'refuse') await plant.refuse()
  else if (what.do === 'wait') plant.wait(300)
  else if (what.do === 'lose') plant.lose()
  else if (what.do === 'reconnect') plant.reconnect()
  else if (what.do === 'heartbeat') plant.heartbeat()
  else if (what.do === 'fill-disk') plant.fillDisk(what.commits)
  else if (what.do === 'replay') plant.replay()
  else if (what.do === 'kill') await plant.kill()
  else await plant.stop({ answers: what.answers, toDisk: what.toDisk })
}

// At least once, over lost connections, deaths of runners, a disk, ordered stops and SIGKILL: what
// is checked after every step stands in DeliveryPlant. MemorySource throws when it is acknowledged
// out of order.
test('no schedule of faults and swaps loses a message, reorders a device, goes back to a version, repeats without need, or outgrows its bounds', async () => {
  const plants = fc.record({
    window: fc.constantFrom(1, 4, 20),
    fansOut: fc.boolean(),
    sharesHost: fc.boolean(),
  })
  await fc.assert(
    fc.asyncProperty(
      plants,
      fc.array(step, { maxLength: 120, size: 'max' }),
      async (options, steps) => {
        const plant = await DeliveryPlant.open(options)
        for (const what of steps) {
          await take(plant, what)
          plant.check()
        }
        await plant.finish()
      },
    ),
    { numRuns: 400 },
  )
})
