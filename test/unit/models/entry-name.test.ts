import assert from 'node:assert/strict'
import { join, resolve, sep } from 'node:path'
import { test } from 'node:test'
import { crc32 } from 'node:zlib'
import * as fc from 'fast-check'
import { checkEntryName, decodeEntryName, foldedPath } from '../../../src/models/entry-name.ts'

function fault(name: string): string {
  const checked = checkEntryName(name)
  assert.ok('fault' in checked, `${JSON.stringify(name)} was accepted`)
  return checked.fault
}

test('accepts files and folders, and drops single dots', () => {
  assert.deepEqual(checkEntryName('a/b.py'), { segments: ['a', 'b.py'], isFolder: false })
  assert.deepEqual(checkEntryName('a/b/'), { segments: ['a', 'b'], isFolder: true })
  assert.deepEqual(checkEntryName('./a/./b'), { segments: ['a', 'b'], isFolder: false })
  assert.deepEqual(checkEntryName('./'), { segments: [], isFolder: true })
  assert.deepEqual(checkEntryName('..a/b..'), { segments: ['..a', 'b..'], isFolder: false })
  assert.deepEqual(checkEntryName('模型/数据.csv'), {
    segments: ['模型', '数据.csv'],
    isFolder: false,
  })
})

test('refuses names that would leave the folder or confuse somebody', () => {
  assert.match(fault('../evil'), /"\.\."/)
  assert.match(fault('a/../../evil'), /"\.\."/)
  assert.match(fault('a/..'), /"\.\."/)
  assert.match(fault('/etc/passwd'), /absolute/)
  assert.match(fault('C:\\x'), /backslash/)
  assert.match(fault('c:/x'), /drive/)
  assert.match(fault('a\\b'), /backslash/)
  assert.match(fault('a\u0000.py'), /control/)
  assert.match(fault('a//b'), /empty part/)
  assert.match(fault(''), /empty name/)
  assert.match(fault('.'), /no file/)
  assert.match(fault('a\ufffd'), /valid text/)
  assert.match(fault('d/'.repeat(40) + 'x'), /folders/)
  assert.match(fault('长'.repeat(86)), /longer than 255/)
  assert.match(fault(('x'.repeat(200) + '/').repeat(6)), /longer than 1024/)
})

test('never accepts a name that resolves outside the folder', () => {
  const folder = '/store/tmp/package/files'
  const hostile = fc
    .array(
      fc.oneof(
        fc.constantFrom('..', '.', '', '/', '\\', '..\\', 'C:', '\u0000', '~', '%2e%2e', '．．'),
        fc.string({ maxLength: 6, unit: 'binary' }),
        fc.string({ maxLength: 6 }),
      ),
      { maxLength: 12 },
    )
    .chain((parts) => fc.constantFrom('/', '', '\\').map((glue) => parts.join(glue)))
  let accepted = 0
  fc.assert(
    fc.property(hostile, (name) => {
      const checked = checkEntryName(name)
      if ('fault' in checked) return
      accepted += 1
      const path = join(folder, ...checked.segments)
      assert.equal(resolve(path), path === folder ? folder : path)
      assert.ok(path === folder || path.startsWith(folder + sep), path)
      if (!checked.isFolder) assert.notEqual(path, folder)
      // What the name itself would mean to a careless tool is inside too.
      assert.ok(resolve(folder, name).startsWith(folder), name)
    }),
    { numRuns: 2000 },
  )
  assert.ok(accepted > 50, `only ${accepted} names were accepted: the property says little`)
})

test('takes names for one that differ in case or composition', () => {
  assert.equal(foldedPath(['A', 'Index.PY']), foldedPath(['a', 'index.py']))
  assert.equal(foldedPath(['caf\u00e9']), foldedPath(['cafe\u0301']))
  assert.notEqual(foldedPath(['a', 'b']), foldedPath(['ab']))
})

test('decodes UTF-8 with and without its flag', () => {
  const raw = Buffer.from('数据/模型.py')
  assert.equal(decodeEntryName(raw, 0x800, []), '数据/模型.py')
  assert.equal(decodeEntryName(raw, 0, []), '数据/模型.py')
})

test('decodes the GBK of Chinese Windows, also where its second byte is a backslash', () => {
  assert.equal(decodeEntryName(Buffer.from('cafdbedd2e637376', 'hex'), 0, []), '数据.csv')
  // 乗 is 81 5C in GBK.
  assert.equal(decodeEntryName(Buffer.from('815c2e7079', 'hex'), 0, []), '乗.py')
})

test('gives an odd but harmless name to bytes of no known encoding', () => {
  const name = decodeEntryName(Buffer.from('ff2e7079', 'hex'), 0, [])
  assert.deepEqual(checkEntryName(name), { segments: ['ÿ.py'], isFolder: false })
})

test('leaves broken UTF-8 recognisable when the zip claims UTF-8', () => {
  const name = decodeEntryName(Buffer.from('ff2e7079', 'hex'), 0x800, [])
  assert.ok('fault' in checkEntryName(name))
})

test('prefers the second, Unicode name when it belongs to the first', () => {
  const raw = Buffer.from('a.py')
  const data = Buffer.alloc(5)
  data[0] = 1
  data.writeUInt32LE(crc32(raw), 1)
  const field = { id: 0x7075, data: Buffer.concat([data, Buffer.from('../b.py')]) }
  assert.equal(decodeEntryName(raw, 0, [field]), '../b.py')
  assert.equal(decodeEntryName(Buffer.from('other'), 0, [field]), 'other')
})
