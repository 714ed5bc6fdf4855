import assert from 'node:assert/strict'
import { rm } from 'node:fs/promises'
import { test } from 'node:test'
import { historyMax } from '../../../src/models/version-record.ts'
import { VersionBench } from '../../support/version-bench.ts'

test('calls a version active only when it has taken over', async () => {
  await using bench = await VersionBench.make()
  await bench.publish('1')
  const model = await bench.resolve()
  assert.equal((await bench.versions.read('thr')).active, undefined)
  await bench.versions.confirm(model)
  const { active, previous } = await bench.versions.read('thr')
  assert.deepEqual(active, { sha256: model.sha256, version: model.version })
  assert.equal(previous, undefined)
  assert.deepEqual(
    bench.log.of('model.activated').map(({ model, version, by }) => ({ model, version, by })),
    [{ model: 'thr', version: model.version, by: 'configuration' }],
  )
})

test('keeps what served before as the one to go back to', async () => {
  await using bench = await VersionBench.make()
  const first = await bench.run('1')
  const second = await bench.run('2')
  await bench.versions.confirm(second)
  const { active, previous, history } = await bench.versions.read('thr')
  assert.equal(active?.sha256, second.sha256)
  assert.equal(previous?.sha256, first.sha256)
  assert.deepEqual(
    history.map(({ sha256, at, by }) => [sha256, at, by]),
    [
      [second.sha256, '2026-11-01T00:00:02.000Z', 'configuration'],
      [first.sha256, '2026-11-01T00:00:01.000Z', 'configuration'],
    ],
  )
})

test('knows nothing of a folder that was put there by hand', async () => {
  await using bench = await VersionBench.make()
  await bench.scratch.write('models/thr/index.py')
  const model = await bench.resolve()
  await bench.versions.confirm(model)
  assert.deepEqual(await bench.versions.models(), [])
})

test('never hands out again what failed its samples, and says so', async () => {
  await using bench = await VersionBench.make()
  const first = await bench.run('1')
  await bench.publish('2')
  const refused = await bench.resolve()
  assert.ok(refused.sha256)
  await bench.versions.hold('thr', refused.sha256, 'sample 3 differs', 'samples')
  for (const _restart of [1, 2]) {
    assert.deepEqual(await bench.resolve(), first)
    bench.restart()
  }
  const [line] = bench.log.of('model.held-back')
  assert.equal(line?.['reason'], 'sample 3 differs')
  assert.equal(line?.['serves'], first.version)
  assert.match(String(line?.['fix']), /edgeboot model activate thr/)
})

test('goes back to the version before when the active one fails in probation', async () => {
  await using bench = await VersionBench.make()
  const first = await bench.run('1')
  const second = await bench.run('2')
  assert.ok(second.sha256)
  const record = await bench.versions.hold('thr', second.sha256, 'p99 of 80 ms', 'probation')
  assert.equal(record.active?.sha256, first.sha256)
  assert.equal(record.previous, undefined)
  assert.deepEqual(record.history[0], {
    sha256: first.sha256,
    version: first.version,
    at: '2026-11-01T00:00:02.000Z',
    by: 'probation',
    reason: 'p99 of 80 ms',
  })
  assert.deepEqual(await bench.resolve(), first)
})

test('says that a model has no version but one that is held back', async () => {
  await using bench = await VersionBench.make()
  const only = await bench.run('1')
  assert.ok(only.sha256)
  await bench.versions.hold('thr', only.sha256, 'all samples differ', 'samples')
  await assert.rejects(bench.resolve(), {
    code: 'MODEL_HELD_BACK',
    message: /held back: all samples differ \(samples\)/,
  })
})

test('takes another digest that the configuration names, and still not the held one', async () => {
  await using bench = await VersionBench.make()
  const first = await bench.run('1')
  const second = await bench.run('2')
  assert.ok(second.sha256)
  await bench.versions.hold('thr', second.sha256, 'errors', 'probation')
  assert.deepEqual(await bench.resolve({ sha256: second.sha256 }), first)
  await bench.publish('3')
  const third = await bench.resolve({ sha256: await bench.sha256Of('3') })
  assert.equal(third.sha256, await bench.sha256Of('3'))
})

test('stays with the version that an operator activated, whatever the address has', async () => {
  await using bench = await VersionBench.make()
  const first = await bench.run('1')
  await bench.run('2')
  assert.ok(first.sha256)
  await bench.versions.activate('thr', { sha256: first.sha256, version: first.version })
  await bench.publish('3')
  bench.restart()
  assert.deepEqual(await bench.resolve(), first)
  await bench.versions.confirm(first)
  const { history } = await bench.versions.read('thr')
  assert.equal(history[0]?.by, 'operator')
  await bench.versions.unpin('thr')
  assert.equal((await bench.resolve()).sha256, await bench.sha256Of('3'))
})

test('lets a digest of the configuration win over an activation by hand, and warns', async () => {
  await using bench = await VersionBench.make()
  const first = await bench.run('1')
  const second = await bench.run('2')
  assert.ok(first.sha256 && second.sha256)
  await bench.versions.activate('thr', { sha256: first.sha256, version: first.version })
  assert.deepEqual(await bench.resolve({ sha256: second.sha256 }), second)
  const [line] = bench.log.of('model.pin-overruled')
  assert.equal(line?.['reason'], 'the configuration names another digest')
})

test('lets an operator activate what was held back', async () => {
  await using bench = await VersionBench.make()
  await bench.run('1')
  const second = await bench.run('2')
  assert.ok(second.sha256)
  const { sha256, version } = second
  await bench.versions.hold('thr', sha256, 'errors', 'probation')
  const record = await bench.versions.activate('thr', { sha256, version })
  assert.deepEqual(record.held, [])
  assert.deepEqual(await bench.resolve(), second)
})

test('rolls back to the version before and holds the other one back', async () => {
  await using bench = await VersionBench.make()
  const first = await bench.run('1')
  const second = await bench.run('2')
  const record = await bench.versions.rollback('thr')
  assert.equal(record.active?.sha256, first.sha256)
  assert.equal(record.held[0]?.sha256, second.sha256)
  assert.deepEqual(await bench.resolve(), first)
  await assert.rejects(bench.versions.rollback('thr'), { code: 'MODEL_VERSION_UNKNOWN' })
})

test('goes back further than one version when that one is gone', async () => {
  await using bench = await VersionBench.make()
  const first = await bench.run('1')
  const second = await bench.run('2')
  await bench.run('3')
  const packages = bench.scratch.path('models/.edgeboot/packages')
  await rm(`${packages}/${second.sha256}`, { recursive: true })
  assert.equal((await bench.versions.rollback('thr')).active?.sha256, first.sha256)
})

test('refuses to activate what is not in the store', async () => {
  await using bench = await VersionBench.make()
  const sha256 = 'ab'.repeat(32)
  await assert.rejects(bench.versions.activate('thr', { sha256, version: '1.0.0' }), {
    code: 'MODEL_VERSION_UNKNOWN',
    message: "model 'thr' has no version abababababab in the store",
  })
})

test('knows the last version that passed its probation', async () => {
  await using bench = await VersionBench.make()
  const { sha256 = '' } = await bench.run('1')
  assert.equal(await bench.versions.isProven('thr', sha256), false)
  await bench.versions.prove('thr', sha256)
  assert.equal(await bench.versions.isProven('thr', sha256), true)
  await bench.versions.hold('thr', sha256, 'later', 'operator')
  assert.equal(await bench.versions.isProven('thr', sha256), false)
})

test('remembers a bounded history', async () => {
  await using bench = await VersionBench.make()
  const [first, second] = [await bench.run('1'), await bench.run('2')]
  for (let turn = 0; turn < historyMax; turn++) {
    await bench.versions.confirm(turn % 2 === 0 ? first : second)
  }
  assert.equal((await bench.versions.read('thr')).history.length, historyMax)
})

test('loses no change when several are made at once', async () => {
  await using bench = await VersionBench.make()
  const [first, second] = [await bench.run('1'), await bench.run('2')]
  assert.ok(first.sha256 && second.sha256)
  await Promise.all([
    bench.versions.prove('thr', second.sha256),
    bench.versions.hold('thr', first.sha256, 'old', 'operator'),
    bench.versions.confirm(second),
  ])
  const { proven, held } = await bench.versions.read('thr')
  assert.equal(proven, second.sha256)
  assert.equal(held[0]?.sha256, first.sha256)
})

test('understands the record of an earlier edgeboot', async () => {
  await using bench = await VersionBench.make()
  await bench.publish('1')
  const { sha256 = '' } = await bench.resolve()
  const former = {
    format: 1,
    sha256,
    address: '/a.zip',
    addressFingerprint: 'f',
    since: '2026-01-01T00:00:00.000Z',
    previous: 'ab'.repeat(32),
  }
  await bench.scratch.write('models/.edgeboot/active/thr.json', JSON.stringify(former))
  const record = await bench.versions.read('thr')
  assert.deepEqual(record.active, { sha256, version: sha256.slice(0, 12) })
  assert.equal(record.since, former.since)
  assert.deepEqual(record.previous, { sha256: former.previous, version: 'abababababab' })
  assert.deepEqual(bench.log.of('model.record-unreadable'), [])
})

test('trusts no part of a record that is damaged', async () => {
  await using bench = await VersionBench.make()
  const { sha256 = '' } = await bench.run('1')
  const file = 'models/.edgeboot/active/thr.json'
  const good = await bench.versions.read('thr')
  const damaged = [
    { ...good, active: { sha256: '../..', version: '1' } },
    { ...good, held: [{ sha256 }] },
    { ...good, pinned: true },
    { ...good, history: undefined },
    { ...good, format: 3 },
    [],
  ]
  for (const record of damaged) {
    await bench.scratch.write(file, JSON.stringify(record))
    assert.equal((await bench.versions.read('thr')).active, undefined)
  }
  assert.equal(bench.log.of('model.record-unreadable').length, damaged.length)
})
