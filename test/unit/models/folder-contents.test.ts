import assert from 'node:assert/strict'
import { mkdir, rename, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import test from 'node:test'
import { folderContents } from '../../../src/models/folder-contents.ts'
import { Scratch } from '../../support/scratch.ts'

/** Whether an action on a folder with a model changes its contents. */
async function changes(action: (scratch: Scratch) => Promise<unknown>): Promise<boolean> {
  await using scratch = await Scratch.make()
  await scratch.write('m/index.py', 'a = 1')
  await scratch.write('m/data/table.csv', '1,2')
  const before = await folderContents(scratch.path('m'))
  await action(scratch)
  const after = await folderContents(scratch.path('m'))
  return before.digest !== after.digest
}

test('changes with a file that is written, added, removed or renamed, however deep', async () => {
  assert.ok(await changes((s) => s.write('m/index.py', 'a = 22')))
  assert.ok(await changes((s) => s.write('m/data/more.csv', '')))
  assert.ok(await changes((s) => rm(s.path('m/data/table.csv'))))
  assert.ok(await changes((s) => rename(s.path('m/data'), s.path('m/date'))))
})

test('changes with a file of the same size that was written later', async () => {
  assert.ok(await changes((s) => utimes(s.path('m/index.py'), 1, 1)))
})

test('stays when nothing changes, and with what Python and editors leave behind', async () => {
  assert.ok(!(await changes(() => Promise.resolve())))
  assert.ok(!(await changes((s) => s.write('m/__pycache__/index.cpython-311.pyc', 'x'))))
  assert.ok(!(await changes((s) => s.write('m/.index.py.swp', 'x'))))
})

test('changes when a link leads elsewhere, as in a mounted ConfigMap', async () => {
  await using scratch = await Scratch.make()
  await scratch.write('m/..1/index.py', 'one')
  await scratch.write('m/..2/index.py', 'two two')
  await symlink('..1', scratch.path('m/..data'))
  await symlink('..data/index.py', scratch.path('m/index.py'))
  const before = await folderContents(scratch.path('m'))
  await symlink('..2', scratch.path('m/..new'))
  await rename(scratch.path('m/..new'), scratch.path('m/..data'))
  assert.notEqual((await folderContents(scratch.path('m'))).digest, before.digest)
})

test('names the folders that were looked at, and ends where a link leads back', async () => {
  await using scratch = await Scratch.make()
  await mkdir(scratch.path('m/sub'), { recursive: true })
  assert.deepEqual((await folderContents(scratch.path('m'))).folders, [
    scratch.path('m'),
    scratch.path('m/sub'),
  ])
  await symlink('..', scratch.path('m/sub/back'))
  assert.ok((await folderContents(scratch.path('m'))).folders.length < 100)
})

test('looks at a single file, and takes a path that leads nowhere for empty', async () => {
  await using scratch = await Scratch.make()
  const nothing = await folderContents(scratch.path('m.zip'))
  assert.deepEqual(nothing, await folderContents(scratch.path('n.zip')))
  await writeFile(scratch.path('m.zip'), 'PK')
  assert.notEqual((await folderContents(scratch.path('m.zip'))).digest, nothing.digest)
})
