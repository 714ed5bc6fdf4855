import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { basename } from 'node:path'
import { test } from 'node:test'
import { systemClock } from '../../../src/core/clock.ts'
import { PackageFolder } from '../../../src/models/package-folder.ts'
import { Scratch } from '../../support/scratch.ts'
import { FakeClock } from '../../support/fake-clock.ts'

const deaf = (): void => {}

/** The number of a process that has ended. */
function deadPid(): number {
  return spawnSync(process.execPath, ['--version']).pid
}

test('removes what a killed process left, and nothing of its own', async () => {
  await using scratch = await Scratch.make()
  const store = new PackageFolder(scratch.folder, systemClock, deaf)
  const own = basename(await store.makeTemporary())
  const tmp = '.edgeboot/tmp'
  await scratch.write(`${tmp}/${deadPid()}-1700000000000-a/package.zip`, 'half')
  await scratch.write(`${tmp}/${deadPid()}-1700000000000-b.json`, '{')
  assert.equal(await store.removeLeftovers(), 2)
  assert.deepEqual(await scratch.tree(tmp), [`${own}/`])
})

test('knows that its own number was once that of another process', async () => {
  await using scratch = await Scratch.make()
  const store = new PackageFolder(scratch.folder, systemClock, deaf)
  await scratch.write(`.edgeboot/tmp/${process.pid}-1-a/package.zip`, 'half')
  assert.equal(await store.removeLeftovers(), 1)
})

test('leaves what a living process may use, for a day', async () => {
  await using scratch = await Scratch.make()
  await scratch.write(`.edgeboot/tmp/${process.ppid}-1-a/package.zip`, 'in use')
  const clock = new FakeClock(Date.now())
  const store = new PackageFolder(scratch.folder, clock, deaf)
  assert.equal(await store.removeLeftovers(), 0)
  clock.advance(25 * 60 * 60_000)
  assert.equal(await store.removeLeftovers(), 1)
})

test('has nothing to remove where there is no store', async () => {
  await using scratch = await Scratch.make()
  const store = new PackageFolder(scratch.path('none'), systemClock, deaf)
  assert.equal(await store.removeLeftovers(), 0)
  assert.deepEqual(await scratch.tree(), [])
})
