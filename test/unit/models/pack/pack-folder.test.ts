import assert from 'node:assert/strict'
import { chmod, mkdir, readFile, readdir, rename, symlink, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { packFolder, type PackedFolder } from '../../../../src/models/pack/pack-folder.ts'
import { unpackZip } from '../../../../src/models/unpack-zip.ts'
import { roomyLimits } from '../../../support/roomy-limits.ts'
import { Scratch } from '../../../support/scratch.ts'

const files: readonly (readonly [name: string, content: string])[] = [
  ['index.py', 'def handler(event, context):\n    return event\n'],
  ['data/weights.bin', '\u0000\u0001'.repeat(5000)],
  ['data/empty.txt', ''],
  ['Zebra.txt', 'upper case sorts before lower'],
  ['泵.json', '{}'],
  ['\u{1f600}.txt', 'beyond the first plane'],
  ['\uff21.txt', 'sorts after it in UTF-16 alone'],
]

async function scratchFolder(context: TestContext): Promise<Scratch> {
  const scratch = await Scratch.make()
  context.after(() => scratch[Symbol.asyncDispose]())
  return scratch
}

const pack = (scratch: Scratch, folder: string, limits = {}): Promise<PackedFolder> =>
  packFolder(scratch.path(folder), scratch.path('out.zip'), { ...roomyLimits, ...limits })

test('gives the same bytes whatever the order, the times, the umask and the modes', async (context) => {
  const scratch = await scratchFolder(context)
  for (const [name, content] of files) await scratch.write(`a/${name}`, content)
  const first = await pack(scratch, 'a')
  const bytes = await readFile(first.zipFile)
  const before = process.umask(0o077)
  try {
    for (const [name, content] of files.toReversed()) {
      const file = await scratch.write(`b/${name}`, content)
      await chmod(file, 0o660)
      await utimes(file, 1_700_000_000, 1_700_000_001)
    }
    await scratch.write('b/__pycache__/index.cpython-311.pyc', 'compiled')
    await mkdir(scratch.path('b/nothing'))
    const second = await pack(scratch, 'b')
    assert.deepEqual(second.digests, first.digests)
    assert.ok(bytes.equals(await readFile(second.zipFile)))
  } finally {
    process.umask(before)
  }
})

test('a known folder has a known digest', async (context) => {
  const scratch = await scratchFolder(context)
  await scratch.write('m/index.py', 'handler = None\n')
  await chmod(await scratch.write('m/bin/model', '#!/bin/sh\n'), 0o700)
  const { digests } = await pack(scratch, 'm')
  // It changes only when packages are to change, and every digest that somebody wrote down with it.
  assert.equal(digests.sha256, 'd1bd3d6a2510e042682cf2ee8ee5cdd78fa6fde92aca1f47fb4b097166c48ae9')
})

test('unpacks to the same files, in the order of code points', async (context) => {
  const scratch = await scratchFolder(context)
  for (const [name, content] of files) await scratch.write(`m/${name}`, content)
  const packed = await pack(scratch, 'm')
  const names = packed.files.map(({ name }) => name)
  assert.deepEqual(names.slice(-3), ['泵.json', '\uff21.txt', '\u{1f600}.txt'])
  await unpackZip(packed.zipFile, scratch.path('unpacked'), roomyLimits)
  for (const [name, content] of files) {
    assert.equal(await readFile(scratch.path('unpacked', name), 'utf8'), content, name)
  }
})

test('leaves out what is no part of a model, and keeps node_modules', async (context) => {
  const scratch = await scratchFolder(context)
  await scratch.write('m/index.js', 'export const handler = () => 1\n')
  await scratch.write('m/node_modules/left/index.js', '')
  await scratch.write('m/.git/HEAD', '')
  await scratch.write('m/.venv/bin/python', '')
  await scratch.write('m/env/pyvenv.cfg', '')
  await scratch.write('m/old.pyc', '')
  const packed = await pack(scratch, 'm')
  assert.deepEqual(
    packed.files.map(({ name }) => name),
    ['index.js', 'node_modules/left/index.js'],
  )
  assert.deepEqual(packed.leftOut, ['.git', '.venv', 'env/', 'old.pyc'])
})

test('a link to a file of the folder becomes that file', async (context) => {
  const scratch = await scratchFolder(context)
  await scratch.write('m/index.py', 'x = 1\n')
  await symlink('index.py', scratch.path('m/same.py'))
  const { files: packed } = await pack(scratch, 'm')
  assert.deepEqual(
    packed.map(({ name, bytes }) => [name, bytes]),
    [
      ['index.py', 6],
      ['same.py', 6],
    ],
  )
})

const refusals: readonly (readonly [
  title: string,
  make: (scratch: Scratch) => Promise<unknown>,
  message: RegExp,
])[] = [
  ['a link out of the folder', (s) => symlink('../secret', s.path('m/l')), /"l" is a link out of/],
  ['a link that leads nowhere', (s) => symlink('gone', s.path('m/l')), /"l" is a link that leads/],
  ['a link to a folder', (s) => symlink('sub', s.path('m/l')), /"l" is a link to a folder/],
  ['names that differ in case only', (s) => s.write('m/Index.py'), /differs from .* in case only/],
  ['a backslash in a name', (s) => s.write('m/a\\b'), /"a\\\\b" has a backslash in its name/],
  [
    'a name that is not valid text',
    (s) =>
      rename(s.path('m/index.py'), Buffer.concat([Buffer.from(s.path('m/')), Buffer.of(0xff)])),
    /has a name that is not valid text/,
  ],
]

for (const [title, make, message] of refusals) {
  test(`refuses ${title}, and leaves nothing behind`, async (context) => {
    const scratch = await scratchFolder(context)
    await scratch.write('secret', 'of somebody else')
    await scratch.write('m/index.py', '')
    await scratch.write('m/sub/x', '')
    await make(scratch)
    await assert.rejects(pack(scratch, 'm'), { code: 'MODEL_PACKAGE_INVALID', message })
    assert.deepEqual((await readdir(scratch.folder)).toSorted(), ['m', 'secret'])
  })
}

test('keeps the limits of the configuration', async (context) => {
  const scratch = await scratchFolder(context)
  await scratch.write('m/a', Buffer.alloc(600))
  await scratch.write('m/b', Buffer.alloc(600))
  for (const limits of [{ entriesMax: 1 }, { unpackedBytesMax: 1000 }, { packageBytesMax: 1000 }]) {
    await assert.rejects(pack(scratch, 'm', limits), { code: 'MODEL_PACKAGE_TOO_LARGE' })
  }
  assert.deepEqual(await readdir(scratch.folder), ['m'])
})

test('refuses an empty folder', async (context) => {
  const scratch = await scratchFolder(context)
  await mkdir(join(scratch.folder, 'm'))
  await assert.rejects(pack(scratch, 'm'), { message: /no file to pack/ })
})
