import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { removeGarbage } from '../../../src/models/collect-garbage.ts'
import { addressFingerprint } from '../../../src/models/package-address.ts'
import { VersionBench } from '../../support/version-bench.ts'

const hour = 60 * 60_000
const day = 24 * hour

/** Five versions that served one after the other, and time enough for nobody to be about to use one. */
async function fiveVersions(): Promise<VersionBench> {
  const bench = await VersionBench.make()
  for (const version of ['1', '2', '3', '4', '5']) await bench.run(version)
  bench.clock.advance(2 * hour)
  return bench
}

async function names(bench: VersionBench, versions: readonly string[]): Promise<string[]> {
  const digests = await Promise.all(versions.map((version) => bench.sha256Of(version)))
  return digests.map((sha256) => sha256.slice(0, 12)).toSorted()
}

test('finds what nobody needs, and how much room it takes', async () => {
  await using bench = await fiveVersions()
  const garbage = await bench.garbage()
  assert.deepEqual(garbage.map(({ name }) => name).toSorted(), await names(bench, ['1', '2', '3']))
  assert.ok(garbage.every(({ kind, bytes }) => kind === 'package' && bytes > 100))
})

test('keeps as many more as it is told to, the latest', async () => {
  await using bench = await fiveVersions()
  const garbage = await bench.garbage({ keep: 4 })
  assert.deepEqual(
    garbage.map(({ name }) => name),
    await names(bench, ['1']),
  )
})

test('keeps what was proven last and what the configuration names', async () => {
  await using bench = await fiveVersions()
  await bench.versions.prove('thr', await bench.sha256Of('2'))
  const garbage = await bench.garbage({
    sources: [{ name: 'other', sha256: await bench.sha256Of('3') }],
  })
  assert.deepEqual(
    garbage.map(({ name }) => name),
    await names(bench, ['1']),
  )
})

test('keeps what has come and has not served yet', async () => {
  await using bench = await fiveVersions()
  await bench.publish('6')
  await bench.resolve()
  assert.equal((await bench.garbage()).length, 3, 'it is young')
  bench.clock.advance(2 * hour)
  assert.equal((await bench.garbage()).length, 3, 'the configuration leads to it')
})

test('removes what it found, and only that', async () => {
  await using bench = await fiveVersions()
  for (const one of await bench.garbage()) await removeGarbage(one, bench.packages)
  assert.deepEqual(await bench.garbage(), [])
  const left = (await bench.packages.all()).map(({ sha256 }) => sha256.slice(0, 12))
  assert.deepEqual(left.toSorted(), await names(bench, ['4', '5']))
  assert.deepEqual(
    (await bench.scratch.tree('models/.edgeboot/tmp')).filter((path) => path !== ''),
    [],
  )
  assert.equal((await bench.versions.rollback('thr')).active?.sha256, await bench.sha256Of('4'))
})

test('finds partial downloads that are old or of an address that nobody names', async () => {
  await using bench = await VersionBench.make()
  const [wanted, other] = ['https://a.example/thr.zip', 'https://b.example/other.zip']
  for (const address of [wanted, other]) {
    const fingerprint = addressFingerprint(address)
    const folder = `models/.edgeboot/partial/${fingerprint}`
    const record = {
      format: 1,
      addressFingerprint: fingerprint,
      address,
      validator: '"a"',
      startedAt: bench.clock.now(),
    }
    await bench.scratch.write(`${folder}/download.json`, JSON.stringify(record))
    await bench.scratch.write(`${folder}/package.zip`, randomBytes(1000))
  }
  const sources = [{ name: 'thr', address: wanted }]
  const named = await bench.garbage({ sources })
  assert.deepEqual(
    named.map(({ kind, name }) => `${kind} ${name}`),
    [`partial download ${other}`],
  )
  bench.clock.advance(8 * day)
  assert.equal((await bench.garbage({ sources })).length, 2)
})

test('finds environments of packages that are gone or going, and of no folder that is there', async () => {
  await using bench = await fiveVersions()
  const environment = async (
    hash: string,
    usedBy: object[],
    lastUsed = '2026-11-01T00:00:00.000Z',
  ): Promise<void> => {
    const record = { format: 1, hash, lastUsed, usedBy }
    const folder = `models/.edgeboot/environments/${hash}`
    await bench.scratch.write(`${folder}/environment.json`, JSON.stringify(record))
    await bench.scratch.write(`${folder}/bin/python`, 'x'.repeat(500))
  }
  const user = async (version: string): Promise<object> => ({
    model: 'thr',
    sha256: await bench.sha256Of(version),
  })
  await bench.scratch.write('models/placed/index.py')
  await environment('aaaaaaaaaaaa', [await user('1'), await user('2')])
  await environment('bbbbbbbbbbbb', [await user('1'), await user('5')])
  await environment('cccccccccccc', [{ model: 'placed' }])
  await environment('dddddddddddd', [{ model: 'gone' }, { model: 'thr', sha256: 'ab'.repeat(32) }])
  await bench.scratch.write('elsewhere/index.py')
  const elsewhere = { model: 'far', folder: bench.scratch.path('elsewhere') }
  await environment('eeeeeeeeeeee', [elsewhere])
  await environment('ffffffffffff', [{ ...elsewhere, folder: bench.scratch.path('removed') }])
  const now = new Date(bench.clock.now()).toISOString()
  await environment('000000000000', [], now) // built by somebody who has not said so yet
  const found = (await bench.garbage()).filter(({ kind }) => kind === 'environment')
  assert.deepEqual(
    found.map(({ name }) => name),
    ['aaaaaaaaaaaa', 'dddddddddddd', 'ffffffffffff'],
  )
})
