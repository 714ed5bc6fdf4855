import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFile, stat } from 'node:fs/promises'
import { test } from 'node:test'
import { crc32 } from 'node:zlib'
import { unpackZip, type UnpackedZip } from '../../../src/models/unpack-zip.ts'
import { plainZip, rawZip, type RawEntry } from '../../support/zip-bytes.ts'
import { roomyLimits } from '../../support/roomy-limits.ts'
import { Scratch } from '../../support/scratch.ts'
import { needs } from '../../support/requirements.ts'

type Limits = Partial<typeof roomyLimits>

async function unpack(scratch: Scratch, zip: Buffer, limits: Limits = {}): Promise<UnpackedZip> {
  const zipFile = await scratch.write('in/package.zip', zip)
  return await unpackZip(zipFile, scratch.path('out'), { ...roomyLimits, ...limits })
}

/** Expects a refusal before anything was written at all. */
async function refuses(zip: Buffer, reason: RegExp, limits: Limits = {}): Promise<void> {
  await using scratch = await Scratch.make()
  await assert.rejects(unpack(scratch, zip, limits), { code: codeOf(limits), message: reason })
  assert.deepEqual(await scratch.tree(), ['in/', 'in/package.zip'])
}

/** Expects a refusal on the way, with nothing outside the target folder. */
async function stops(zip: Buffer, reason: RegExp, limits: Limits = {}): Promise<void> {
  await using scratch = await Scratch.make()
  await assert.rejects(unpack(scratch, zip, limits), { code: codeOf(limits), message: reason })
  const outside = (await scratch.tree()).filter((path) => !path.startsWith('out/'))
  assert.deepEqual(outside, ['in/', 'in/package.zip'])
}

function codeOf(limits: Limits): string {
  return Object.keys(limits).length > 0 ? 'MODEL_PACKAGE_TOO_LARGE' : 'MODEL_PACKAGE_INVALID'
}

const good: RawEntry = { name: 'index.py', content: 'x = 1\n' }

test('unpacks an honest zip with plain modes', async () => {
  await using scratch = await Scratch.make()
  const zip = await plainZip({ 'index.py': 'x = 1\n', 'data/': '', 'data/a b/weights.bin': 'www' })
  const unpacked = await unpack(scratch, zip)
  assert.deepEqual(unpacked, { files: 2, bytes: 9, root: '' })
  const tree = ['data/', 'data/a b/', 'data/a b/weights.bin', 'index.py']
  assert.deepEqual(await scratch.tree('out'), tree)
  assert.equal(await readFile(scratch.path('out/index.py'), 'utf8'), 'x = 1\n')
  assert.equal((await stat(scratch.path('out/index.py'))).mode & 0o7777, 0o644)
  assert.equal((await stat(scratch.path('out/data'))).mode & 0o7777, 0o755)
})

test('keeps whether the owner may execute a file, and nothing else of its mode', async () => {
  const modes = [
    [0o100744, 0o755],
    [0o107777, 0o755],
    [0o106666, 0o644],
    [0o100611, 0o644],
    [0, 0o644],
  ] as const
  for (const [mode, unpacked] of modes) {
    await using scratch = await Scratch.make()
    await unpack(scratch, rawZip([{ ...good, mode }]))
    assert.equal((await stat(scratch.path('out/index.py'))).mode & 0o7777, unpacked)
  }
})

test('finds the one top folder, whatever macOS put beside it', async () => {
  await using scratch = await Scratch.make()
  const zip = await plainZip({
    'threshold/': '',
    'threshold/index.py': 'x',
    'threshold/.DS_Store': 'junk',
    '.DS_Store': 'junk',
    '__MACOSX/threshold/._index.py': 'junk',
  })
  const unpacked = await unpack(scratch, zip)
  assert.equal(unpacked.root, 'threshold')
  assert.deepEqual(await scratch.tree('out'), ['threshold/', 'threshold/index.py'])
})

test('takes the zip itself as the root when files lie under two folders', async () => {
  await using scratch = await Scratch.make()
  const unpacked = await unpack(scratch, await plainZip({ 'a/index.py': 'x', 'b/index.py': 'x' }))
  assert.equal(unpacked.root, '')
})

test('unpacks empty files and accepts a folder that is named twice', async () => {
  await using scratch = await Scratch.make()
  const folder = { name: 'a/', mode: 0o040755 }
  const zip = rawZip([folder, folder, { name: 'a/__init__.py' }, good])
  assert.equal((await unpack(scratch, zip)).files, 2)
  assert.equal((await stat(scratch.path('out/a/__init__.py'))).size, 0)
})

test('unpacks names in GBK as Chinese Windows writes them', async () => {
  await using scratch = await Scratch.make()
  const gbk = Buffer.from('cafdbedd2f815c2e637376', 'hex') // 数据/乗.csv, with a 5C in it
  await unpack(scratch, rawZip([good, { name: gbk, content: '1' }]))
  assert.deepEqual(await scratch.tree('out'), ['index.py', '数据/', '数据/乗.csv'])
})

test('refuses entries that would leave the folder', async () => {
  await refuses(rawZip([good, { name: '../evil.py', content: 'x' }]), /"\.\.\/evil\.py" has a path/)
  await refuses(rawZip([good, { name: 'a/../../evil.py' }]), /a path with/)
  await refuses(rawZip([good, { name: '/tmp/evil.py' }]), /absolute path/)
  await refuses(rawZip([good, { name: 'C:/evil.py' }]), /drive letter/)
  await refuses(rawZip([good, { name: '..\\evil.py' }]), /backslash/)
  await refuses(rawZip([good, { name: 'index.py\u0000.txt' }]), /control character/)
})

test('refuses an evil name that hides in the Unicode field', async () => {
  const data = Buffer.alloc(9)
  data.writeUInt16LE(0x7075, 0)
  data[4] = 1
  data.writeUInt32LE(crc32(Buffer.from('b.py')), 5)
  const extra = Buffer.concat([data, Buffer.from('../b.py')])
  extra.writeUInt16LE(extra.length - 4, 2)
  await refuses(rawZip([good, { name: 'b.py', extra }]), /a path with/)
})

test('refuses links and special files', async () => {
  await refuses(rawZip([{ name: 'l', content: '/etc', mode: 0o120777 }]), /symbolic link/)
  await refuses(
    rawZip([{ name: 'l', content: '/tmp', mode: 0o120777 }, { name: 'l/x' }]),
    /symbolic link/,
  )
  await refuses(rawZip([good, { name: 'pipe', mode: 0o010644 }]), /device, a pipe or a socket/)
  await refuses(rawZip([good, { name: 'd', mode: 0o040755 }]), /folder by its mode/)
})

test('refuses encrypted entries and methods of compression that nobody checked', async () => {
  await refuses(rawZip([{ ...good, deflate: true, flags: 0x801 }]), /is encrypted/)
  await refuses(rawZip([{ ...good, deflate: true, flags: 0x841 }]), /strong encryption/)
  await refuses(rawZip([{ ...good, method: 14 }]), /method 14/)
})

test('refuses names that meet another', async () => {
  await refuses(rawZip([good, good]), /is there twice/)
  await refuses(rawZip([good, { name: './index.py' }]), /is there twice/)
  await refuses(rawZip([good, { name: 'INDEX.py' }]), /differs from "index.py" in case only/)
  await refuses(rawZip([{ name: 'A/x' }, { name: 'a/y' }]), /differs from "A" in case only/)
  await refuses(rawZip([{ name: 'caf\u00e9' }, { name: 'cafe\u0301' }]), /in case only/)
  await refuses(rawZip([{ name: 'a' }, { name: 'a/b' }]), /makes a folder of what is a file/)
  await refuses(rawZip([{ name: 'a/b' }, { name: 'a' }]), /makes a file of what is a folder/)
})

test('refuses entries that share bytes', async () => {
  const zip = rawZip([good, { ...good, name: 'b.py', overlapsPrevious: true }])
  await refuses(zip, /"b.py" overlaps another/)
})

test('refuses an entry whose two names differ', async () => {
  await stops(rawZip([{ ...good, localName: 'other.py' }]), /two different names/)
})

test('refuses content that does not match its checksum', async () => {
  await stops(rawZip([{ ...good, crc: 1 }]), /"index.py" has a wrong checksum/)
})

test('refuses more entries than allowed', async () => {
  const zip = rawZip(['a', 'b', 'c'].map((name) => ({ name })))
  await refuses(zip, /3 entries, more than models.limits.entriesMax, 2/, { entriesMax: 2 })
})

test('refuses a directory that would fill the memory', async () => {
  const extra = Buffer.alloc(60_004)
  extra.writeUInt16LE(60_000, 2)
  const entries = Array.from({ length: 300 }, (_, index) => ({ name: `f${index}`, extra }))
  await refuses(rawZip(entries), /its directory is larger than 16777216 bytes/)
})

test('refuses a package that says it is too large', async () => {
  const zip = rawZip([{ name: 'a', content: 'x'.repeat(101) }])
  await refuses(zip, /more than models.limits.unpackedBytesMax, 100 bytes/, {
    unpackedBytesMax: 100,
  })
})

test('stops a bomb while it inflates', async () => {
  const bomb = { name: 'zeros', content: Buffer.alloc(8 * 1024 * 1024), deflate: true }
  await stops(rawZip([bomb]), /models.limits.ratioMax, 100/, { ratioMax: 100 })
})

test('lets a small file be as well compressed as it likes', async () => {
  await using scratch = await Scratch.make()
  const zip = rawZip([{ name: 'zeros', content: Buffer.alloc(512 * 1024), deflate: true }])
  assert.equal((await unpack(scratch, zip, { ratioMax: 2 })).bytes, 512 * 1024)
})

test('stops an entry that is larger, or smaller, than it says', async () => {
  const content = Buffer.alloc(100_000, 'abc')
  const entry = { name: 'a', content, deflate: true }
  await stops(rawZip([{ ...entry, declaredBytes: 10 }]), /damaged: too many bytes/)
  await stops(rawZip([{ ...entry, declaredBytes: 100_001 }]), /damaged: not enough bytes/)
})

test('says what is wrong with a file that is no zip', async () => {
  await refuses(Buffer.alloc(0), /it is empty/)
  await refuses(Buffer.from('hello'), /it is not a zip/)
  await refuses(Buffer.from('\n<!DOCTYPE html><title>Log in'), /a web page, not a zip/)
  const whole = await plainZip({ 'index.py': 'x'.repeat(1000) })
  await refuses(whole.subarray(0, -10), /cut off/)
  await refuses(await plainZip({}), /a zip without files/)
  await refuses(await plainZip({ 'a/': '', '__MACOSX/x': 'junk' }), /a zip without files/)
})

test('refuses a directory that is damaged or counts more than it has', async () => {
  await stops(rawZip([good], { count: 2 }), /it is damaged/)
  const zip = rawZip([{ name: 'a', content: 'a'.repeat(5000), deflate: true }])
  zip.fill(0xff, 35, 45)
  await stops(zip, /it is damaged/)
})

test('never throws anything but a refusal, whatever byte of a zip is changed', async () => {
  await using scratch = await Scratch.make()
  const whole = rawZip([
    { name: 'a/index.py', content: 'print(1)\n'.repeat(20), deflate: true },
    { name: 'a/b.bin', content: 'xyz' },
  ])
  let refusals = 0
  for (let at = 0; at < whole.length; at++) {
    const zip = Buffer.from(whole)
    zip[at] = whole[at]! ^ 0xff
    const zipFile = await scratch.write('fuzz.zip', zip)
    await unpackZip(zipFile, scratch.path(`out-${at}`), roomyLimits).catch((error: unknown) => {
      assert.match(String((error as { code?: string }).code), /^MODEL_PACKAGE_/, String(error))
      refusals += 1
    })
  }
  assert.ok(refusals > whole.length / 3, `only ${refusals} changes were noticed`)
  for (const path of await scratch.tree()) assert.match(path, /^(fuzz\.zip|out-\d+\/.*)$/)
})

test('leaves errors of the disk as they are', async () => {
  await using scratch = await Scratch.make()
  const zipFile = await scratch.write('package.zip', rawZip([good]))
  const target = scratch.path('missing/out')
  await assert.rejects(unpackZip(zipFile, target, roomyLimits), { code: 'ENOENT' })
})

test('stops when it is told to', async () => {
  await using scratch = await Scratch.make()
  const zipFile = await scratch.write('package.zip', rawZip([good]))
  const signal = AbortSignal.abort(new Error('enough'))
  await assert.rejects(unpackZip(zipFile, scratch.path('out'), roomyLimits, signal), /enough/)
})

const writeWithPython = `
import sys, zipfile
with zipfile.ZipFile(sys.argv[1], 'w', zipfile.ZIP_DEFLATED) as z:
    z.writestr('模型/index.py', 'def handler(event, context): return event\\n')
    if sys.argv[2] == 'link':
        link = zipfile.ZipInfo('模型/link'); link.create_system = 3
        link.external_attr = 0o120777 << 16
        z.writestr(link, '/etc/passwd')
    if sys.argv[2] == 'slip':
        z.writestr('../../evil.py', 'x')
`

const needsPython = needs('python3', 'apt-get install python3')

test("agrees with the zips of Python's own zipfile", { skip: needsPython }, async () => {
  for (const [kind, answer] of [
    ['plain', undefined],
    ['link', /symbolic link/],
    ['slip', /a path with/],
  ] as const) {
    await using scratch = await Scratch.make()
    const zipFile = scratch.path('python.zip')
    const made = spawnSync('python3', ['-c', writeWithPython, zipFile, kind])
    assert.equal(made.status, 0, String(made.stderr))
    const unpacked = unpackZip(zipFile, scratch.path('out'), roomyLimits)
    if (answer === undefined) assert.equal((await unpacked).root, '模型')
    else await assert.rejects(unpacked, { code: 'MODEL_PACKAGE_INVALID', message: answer })
  }
})
