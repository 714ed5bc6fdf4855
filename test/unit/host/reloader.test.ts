/** A reloader over a fleet of fake hosts: what it asks for, refuses, queues and tells. */
import assert from 'node:assert/strict'
import test from 'node:test'
import type { EffectiveSettings, Settings } from '../../../src/config/settings.ts'
import { EdgebootError } from '../../../src/core/errors.ts'
import { FleetChanges } from '../../../src/host/fleet-changes.ts'
import { PipelineFleet } from '../../../src/host/pipeline-fleet.ts'
import { Reloader } from '../../../src/host/reloader.ts'
import { pipelineSettings } from '../../support/pipeline-settings.ts'
import { RecordedLog } from '../../support/recorded-log.ts'
import { model, settle, SupervisorBench, type FakeHost } from '../../support/supervisor-bench.ts'

const rule = (name: string, more: Partial<EffectiveSettings> = {}): EffectiveSettings => {
  const { source, sink } = pipelineSettings()
  return pipelineSettings({
    name: `sub_process_b1_echo_${name}`,
    rule: name,
    source: { ...source, clientId: `${name}-in` },
    sink: { ...sink, clientId: `${name}-out` },
    ...more,
  })
}

class ReloadBench {
  readonly log = new RecordedLog()
  readonly supervisors = new Map<string, SupervisorBench>()
  readonly swept: string[][] = []
  settings: Settings
  found = model
  loads = 0
  load: () => Promise<Settings> = () => Promise.resolve(this.settings)
  readonly fleet: PipelineFleet
  readonly reloader: Reloader

  constructor(pipelines: readonly EffectiveSettings[]) {
    this.settings = {
      file: '/c.yaml',
      brokers: [],
      pipelines,
      models: {},
      web: {},
    } as unknown as Settings
    const [first] = pipelines
    const { clock } = new SupervisorBench(first)
    this.fleet = new PipelineFleet({
      pipelines,
      prepare: (pipeline) => pipeline,
      supervise: (pipeline) => {
        const bench = new SupervisorBench(pipeline)
        this.supervisors.set(pipeline.rule, bench)
        return bench.supervisor
      },
      version: '1.2.3',
      clock,
    })
    const log = this.log.logger
    this.reloader = new Reloader({
      settings: this.settings,
      load: async () => {
        this.loads += 1
        const settings = await this.load()
        return { settings, asked: settings, notes: [] }
      },
      fleet: this.fleet,
      changes: new FleetChanges({
        fleet: this.fleet,
        resolveModel: () => Promise.resolve(this.found),
        drainMs: 1000,
        log,
      }),
      sessions: {
        pause: () => Promise.resolve(),
        sweep: ({ pipelines }) => this.swept.push(pipelines.map((one) => one.rule)),
      },
      settled: () => {},
      clock,
      log,
    })
  }

  static async serving(...pipelines: readonly EffectiveSettings[]): Promise<ReloadBench> {
    const bench = new ReloadBench(pipelines)
    await bench.fleet.start()
    await settle()
    for (const { host } of bench.supervisors.values()) host.ready()
    return bench
  }

  hosts(name: string): readonly FakeHost[] {
    return this.supervisors.get(name)?.hosts ?? []
  }

  write(...pipelines: readonly EffectiveSettings[]): void {
    this.settings = { ...this.settings, pipelines }
  }

  /** The successor of this rule loads, and the old one leaves. */
  async exchange(name: string): Promise<void> {
    await settle()
    const [old, next] = this.hosts(name).slice(-2)
    next?.say({ type: 'state', state: 'STARTING', reason: '', engine: 'Python' })
    await settle()
    old?.exit(0)
    await settle()
    next?.ready()
    await settle()
  }
}

test('only what changed is exchanged, and the answer and the report say what', async () => {
  const bench = await ReloadBench.serving(rule('a'), rule('b'))
  bench.write(rule('a'), rule('b', { workers: 3 }))
  const answer = await bench.reloader.reload('SIGHUP')
  assert.ok(answer.kind === 'accepted')
  assert.deepEqual(answer.changed, ['sub_process_b1_echo_b'])
  await bench.exchange('b')
  assert.equal(bench.hosts('a').length, 1)
  const { last, counts } = bench.fleet.reloads
  assert.deepEqual([last?.result, last?.unchanged, last?.replaced], ['applied', 1, answer.changed])
  assert.deepEqual(counts, { applied: 1, partial: 0, refused: 0 })
  assert.equal(bench.reloader.settings.pipelines[1]?.workers, 3)
})

test('a file with mistakes is refused, and nobody is touched', async () => {
  const bench = await ReloadBench.serving(rule('a'))
  const mistakes = 'c.yaml has 1 mistake:\n  c.yaml:3:5: wrong (write right)'
  bench.load = () => Promise.reject(new EdgebootError('CONFIG_INVALID', mistakes))
  const answer = await bench.reloader.reload('api')
  assert.deepEqual(answer, { kind: 'refused', code: 'CONFIG_INVALID', reason: mistakes })
  assert.equal(bench.log.of('reload.refused')[0]?.['error'], mistakes)
  assert.equal(bench.fleet.reloads.last?.reason, mistakes)
  assert.deepEqual(
    bench.hosts('a')[0]?.sent.map(({ type }) => type),
    ['start'],
  )
})

test('requests during a reload are one more reload, however many they are', async () => {
  const bench = await ReloadBench.serving(rule('a'))
  bench.write(rule('a', { workers: 2 }))
  await bench.reloader.reload('SIGHUP')
  bench.write(rule('a', { workers: 3 }))
  for (let i = 0; i < 5; i++) {
    assert.deepEqual(await bench.reloader.reload('SIGHUP'), { kind: 'queued' })
  }
  await bench.exchange('a')
  await bench.exchange('a')
  assert.equal(bench.loads, 2)
  assert.equal(bench.hosts('a').length, 3)
  assert.equal(bench.reloader.settings.pipelines[0]?.workers, 3)
})

test('a pipeline whose new model cannot be loaded stays in effect as it was, and is tried again', async () => {
  const bench = await ReloadBench.serving(rule('a'))
  bench.write(rule('a', { workers: 2 }))
  await bench.reloader.reload('SIGHUP')
  await settle()
  const reason = 'model: no handler; next attempt in 0.2 s'
  bench.hosts('a')[1]?.say({ type: 'state', state: 'BACKOFF', reason })
  await settle()
  bench.hosts('a')[1]?.exit(0)
  await settle()
  assert.equal(bench.fleet.reloads.last?.result, 'partial')
  assert.deepEqual(bench.fleet.reloads.last?.refused, [
    { pipeline: 'sub_process_b1_echo_a', reason },
  ])
  assert.equal(bench.reloader.settings.pipelines[0]?.workers, 1)
  const again = await bench.reloader.reload('SIGHUP')
  assert.ok(again.kind === 'accepted' && again.changed.length === 1)
})

test('a changed model under an unchanged configuration is exchanged in its host', async () => {
  const bench = await ReloadBench.serving(rule('a'))
  bench.found = { ...model, contents: 'other' }
  await bench.reloader.reload('watch')
  await settle()
  const [host] = bench.hosts('a')
  const order = host?.sent.at(-1)
  assert.ok(order?.type === 'swap')
  assert.deepEqual(order.model, bench.found)
  host?.say({ type: 'swap', requestId: order.requestId })
  await settle()
  const [line] = bench.log.of('reload.pipeline-replaced')
  assert.deepEqual([line?.['why'], line?.['gapMs']], ['model', 0])
  assert.equal(bench.hosts('a').length, 1)
})

test('the same file and the same models change nothing, and say so', async () => {
  const bench = await ReloadBench.serving(rule('a'))
  await bench.reloader.reload('SIGHUP')
  await settle()
  assert.equal(bench.hosts('a').length, 1)
  assert.equal(bench.log.of('reload.nothing-changed').length, 1)
})

test('rules come and go in the order of the file, and what brokers keep is looked after', async () => {
  const bench = await ReloadBench.serving(rule('a'), rule('b'))
  bench.write(rule('c'), rule('b'))
  await bench.reloader.reload('SIGHUP')
  await settle()
  assert.deepEqual(bench.swept, [], 'not before the old one is gone')
  bench.hosts('a')[0]?.exit(0)
  await settle()
  assert.deepEqual(bench.swept, [['c', 'b']])
  assert.deepEqual(
    bench.fleet.pipelines().map(({ rule }) => rule),
    ['c', 'b'],
  )
})

test('a client id that moves is let go before it is taken', async () => {
  const bench = await ReloadBench.serving(rule('old'))
  bench.write(rule('old', { rule: 'new' }))
  await bench.reloader.reload('SIGHUP')
  await settle()
  assert.equal(bench.hosts('new').length, 0)
  bench.hosts('old')[0]?.exit(0)
  await settle()
  assert.equal(bench.hosts('new').length, 1)
})

test('a restart exchanges one pipeline, after the reload that is under way', async () => {
  const bench = await ReloadBench.serving(rule('a'), rule('b'))
  bench.write(rule('a', { workers: 2 }), rule('b'))
  await bench.reloader.reload('SIGHUP')
  assert.equal(bench.reloader.restart('nobody'), false)
  assert.equal(bench.reloader.restart('sub_process_b1_echo_b'), true)
  assert.equal(bench.reloader.restart('sub_process_b1_echo_b'), true)
  await settle()
  assert.equal(bench.hosts('b').length, 1)
  await bench.exchange('a')
  await bench.exchange('b')
  assert.equal(bench.hosts('b').length, 2)
})

test('after a stop nothing begins', async () => {
  const bench = await ReloadBench.serving(rule('a'))
  bench.reloader.stop()
  assert.deepEqual(await bench.reloader.reload('SIGHUP'), { kind: 'stopping' })
  bench.reloader.restart('sub_process_b1_echo_a')
  await settle()
  assert.equal(bench.hosts('a').length, 1)
})

test('another version of a model exchanges the pipelines that use it, and no other', async () => {
  const [a, b] = [
    pipelineSettings({ rule: 'a', name: 'a' }),
    pipelineSettings({ rule: 'b', name: 'b' }),
  ]
  const other = { ...b, model: { name: 'other' } }
  const bench = await ReloadBench.serving(a, other)
  assert.deepEqual(bench.reloader.lookAtModel(a.model.name), ['a'])
  await settle()
  assert.equal(bench.hosts('a').length, 1, 'it is the version that serves')
  bench.found = { ...bench.found, version: 'rolled back' }
  assert.deepEqual(bench.reloader.lookAtModel(a.model.name), ['a'])
  await settle()
  const kinds = (name: string): unknown[] => bench.hosts(name).map((host) => host.sent.at(-1)?.type)
  assert.deepEqual([kinds('a'), kinds('b')], [['swap'], ['start']])
  assert.deepEqual(bench.reloader.lookAtModel('nobody uses it'), [])
})
