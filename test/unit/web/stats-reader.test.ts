import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLogger } from '../../../src/core/log.ts'
import type { PipelineStats } from '../../../src/pipeline/pipeline-stats.ts'
import { StatsReader } from '../../../src/web/stats-reader.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { RecordedLog } from '../../support/recorded-log.ts'
import { counts, fakeSystem } from './fake-system.ts'

type Counts = ReadonlyMap<string, PipelineStats>

function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

test('asks the hosts once for requests that come together', async () => {
  let asked = 0
  const stats = (): Promise<Counts> => {
    asked += 1
    return Promise.resolve(new Map([['a', counts({ received: asked })]]))
  }
  const reader = new StatsReader(fakeSystem([], {}, { stats }), new FakeClock(), silentLogger)
  const [first, second] = await Promise.all([reader.read(), reader.read()])
  assert.equal(asked, 1)
  assert.equal(first, second)
  assert.equal((await reader.read()).get('a')?.received, 2)
})

test('answers the last counts when the hosts are slow, with one warning', async () => {
  const clock = new FakeClock()
  const { logger: log, lines } = new RecordedLog()
  let stats = (): Promise<Counts> => Promise.resolve(new Map([['a', counts({ received: 7 })]]))
  const reader = new StatsReader(fakeSystem([], {}, { stats: () => stats() }), clock, log)
  await reader.read()
  stats = () => new Promise(() => {})
  for (let i = 0; i < 2; i++) {
    const late = reader.read()
    await settle()
    clock.advance(2000)
    assert.equal((await late).get('a')?.received, 7)
  }
  const warnings = lines.filter(({ event }) => event === 'web.stats.late')
  assert.equal(warnings.length, 1)
})

test('asks again after an answer that never came', async () => {
  const clock = new FakeClock()
  let stats = (): Promise<Counts> => new Promise(() => {})
  const view = fakeSystem([], {}, { stats: () => stats() })
  const reader = new StatsReader(view, clock, silentLogger)
  const late = reader.read()
  await settle()
  clock.advance(2000)
  assert.equal((await late).size, 0)
  stats = () => Promise.resolve(new Map([['a', counts()]]))
  assert.equal((await reader.read()).size, 1)
})

for (const [how, stats] of [
  ['rejects', (): Promise<Counts> => Promise.reject(new Error('no hosts'))],
  [
    'throws',
    (): Promise<Counts> => {
      throw new Error('no hosts')
    },
  ],
] as const) {
  test(`answers what it has when the system view ${how}`, async () => {
    const { logger: log, lines } = new RecordedLog()
    const reader = new StatsReader(fakeSystem([], {}, { stats }), new FakeClock(), log)
    assert.equal((await reader.read()).size, 0)
    assert.equal(lines[0]?.fields['error'], 'no hosts')
  })
}
