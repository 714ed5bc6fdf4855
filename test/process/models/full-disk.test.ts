/** Packages on a disk that is too small for them. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { readManifest } from '../../../src/config/manifest/read-manifest.ts'
import { systemClock } from '../../../src/core/clock.ts'
import type { EdgebootError } from '../../../src/core/errors.ts'
import { silentLogger } from '../../../src/core/log.ts'
import type { ModelPackage } from '../../../src/models/model-package.ts'
import { ModelStore } from '../../../src/models/model-store.ts'
import { ModelServer, rangedFile } from '../../support/model-server.ts'
import { noProof, roomyLimits } from '../../support/roomy-limits.ts'
import { Scratch } from '../../support/scratch.ts'
import { SmallDisk } from '../../support/small-disk.ts'
import { plainZip, pythonModel } from '../../support/zip-bytes.ts'

const mebibyte = 1024 * 1024
const skip = 'this user may not mount a disk'

async function resolve(disk: SmallDisk, address: string): Promise<ModelPackage> {
  const settings = {
    folder: disk.folder,
    download: 'always' as const,
    ...noProof,
    limits: roomyLimits,
  }
  const store = new ModelStore({ settings, clock: systemClock, log: silentLogger, readManifest })
  const model = await store.resolve({ name: 'thr', address })
  await store.versions.confirm(model)
  return model
}

/** Nothing but whole packages, and nothing that takes room for nothing. */
async function assertTidy(disk: SmallDisk, packages: number): Promise<void> {
  const names = async (folder: string): Promise<string[]> =>
    await readdir(join(disk.folder, '.edgeboot', folder)).catch(() => [])
  assert.equal((await names('packages')).length, packages)
  assert.deepEqual(await names('tmp'), [])
  assert.deepEqual(await names('partial'), [])
}

test('begins no download for which there is no room, and says what it needs', async (context) => {
  using disk = await SmallDisk.mount(2 * mebibyte)
  if (disk === undefined) return context.skip(skip)
  await using server = await ModelServer.start()
  const zip = await plainZip({
    'index.py': '',
    'weights.bin': randomBytes(3 * mebibyte).toString('latin1'),
  })
  server.routes.set('/thr.zip', rangedFile(zip))
  await assert.rejects(resolve(disk, server.url('/thr.zip')), (error: EdgebootError) => {
    assert.equal(error.code, 'MODEL_DISK_FULL')
    assert.equal(error.retryable, true)
    assert.match(error.message, /no room to download the package: it needs \d+ bytes, .* has \d+/)
    assert.equal(error.details['neededBytes'], zip.length + mebibyte)
    return true
  })
  await assertTidy(disk, 0)
})

test('unpacks nothing for which there is no room', async (context) => {
  await using scratch = await Scratch.make()
  using disk = await SmallDisk.mount(4 * mebibyte)
  if (disk === undefined) return context.skip(skip)
  const zip = await plainZip({ 'index.py': '', 'weights.txt': 'weight '.repeat(mebibyte) })
  const address = await scratch.write('thr.zip', zip)
  await assert.rejects(resolve(disk, address), {
    code: 'MODEL_DISK_FULL',
    message: /no room to unpack the package/,
  })
  await assertTidy(disk, 0)
})

test('leaves nothing behind when the disk fills during unpacking, and the old version stays', async (context) => {
  await using scratch = await Scratch.make()
  // It has room for the bytes, and not for so many files: no check of the room foresees that.
  using disk = await SmallDisk.mount(16 * mebibyte, 40)
  if (disk === undefined) return context.skip(skip)
  const address = await scratch.write('thr.zip', await pythonModel('1'))
  const first = await resolve(disk, address)
  const files = Array.from({ length: 60 }, (_, index) => [`part-${index}.py`, 'x = 1'] as const)
  await writeFile(address, await plainZip({ 'index.py': '', ...Object.fromEntries(files) }))
  assert.deepEqual(await resolve(disk, address), first)
  await assertTidy(disk, 1)
})
