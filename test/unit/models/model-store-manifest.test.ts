/** What the store makes of packages with a manifest. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readManifest } from '../../../src/config/manifest/read-manifest.ts'
import { systemClock } from '../../../src/core/clock.ts'
import { ModelStore } from '../../../src/models/model-store.ts'
import { RecordedLog } from '../../support/recorded-log.ts'
import { noProof, roomyLimits } from '../../support/roomy-limits.ts'
import { Scratch } from '../../support/scratch.ts'
import { plainZip } from '../../support/zip-bytes.ts'

function storeIn(scratch: Scratch): { store: ModelStore; log: RecordedLog } {
  const log = new RecordedLog()
  const settings = {
    folder: scratch.path('models'),
    download: 'missing' as const,
    ...noProof,
    limits: roomyLimits,
  }
  return {
    store: new ModelStore({ settings, clock: systemClock, log: log.logger, readManifest }),
    log,
  }
}

test('calls a package by the version of its manifest', async () => {
  await using scratch = await Scratch.make()
  const { store } = storeIn(scratch)
  const files = { 'model.yaml': 'version: 1.4.0\nentry: a.py', 'a.py': '', 'index.py': '' }
  const address = await scratch.write('thr.zip', await plainZip(files))
  const model = await store.resolve({ name: 'thr', address })
  assert.equal(model.version, '1.4.0')
  assert.equal(model.entryFile, `${model.folder}/a.py`)
  assert.equal(model.manifest?.file, `${model.folder}/model.yaml`)
})

test('calls a folder by the version of its manifest, and warns once of another name', async () => {
  await using scratch = await Scratch.make()
  const { store, log } = storeIn(scratch)
  await scratch.write('models/thr/index.py')
  const file = await scratch.write('models/thr/model.yaml', 'name: threshold\nversion: 2.0.0')
  assert.equal((await store.resolve({ name: 'thr' })).version, '2.0.0')
  await store.resolve({ name: 'thr' })
  const warned = log.of('model.name-differs')
  assert.equal(warned.length, 1)
  assert.deepEqual(warned[0], { model: 'thr', manifest: 'threshold', file })
})

test('goes on with the package before when the manifest of a new one has a mistake', async () => {
  await using scratch = await Scratch.make()
  const { store, log } = storeIn(scratch)
  const zipOf = (version: string): Promise<Buffer> =>
    plainZip({ 'model.yaml': `version: ${version}`, 'index.py': '' })
  const address = await scratch.write('thr.zip', await zipOf('1.0.0'))
  await store.versions.confirm(await store.resolve({ name: 'thr', address }))
  await scratch.write('thr.zip', await zipOf('one'))
  assert.equal((await store.resolve({ name: 'thr', address })).version, '1.0.0')
  const [kept] = log.of('model.kept-previous')
  assert.equal(kept?.['code'], 'MODEL_MANIFEST_INVALID')
  assert.match(String(kept?.['reason']), /model\.yaml:1:10: version "one" is no semantic/)
})
