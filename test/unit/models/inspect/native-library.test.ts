import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import fc from 'fast-check'
import { thisMachine } from '../../../../src/models/inspect/machine.ts'
import { readLibraryHeader } from '../../../../src/models/inspect/native-library.ts'

test('knows this very program', () => {
  const { architecture } = thisMachine()
  const start = readFileSync(process.execPath).subarray(0, 4096)
  assert.deepEqual(readLibraryHeader(start)?.architectures, [architecture])
})

function header(fill: (bytes: Buffer) => void): Buffer {
  const bytes = Buffer.alloc(256)
  fill(bytes)
  return bytes
}

test('tells formats and architectures', () => {
  const elf = header((bytes) => {
    bytes.write('\x7fELF\x02\x01', 'latin1')
    bytes.writeUInt16LE(183, 18)
  })
  assert.deepEqual(readLibraryHeader(elf), { format: 'ELF', architectures: ['aarch64'] })
  const mach = header((bytes) => {
    bytes.writeUInt32LE(0xfeedfacf, 0)
    bytes.writeUInt32LE(0x0100000c, 4)
  })
  assert.deepEqual(readLibraryHeader(mach), { format: 'Mach-O', architectures: ['aarch64'] })
  const universal = header((bytes) => {
    bytes.writeUInt32BE(0xcafebabe, 0)
    bytes.writeUInt32BE(2, 4)
    bytes.writeUInt32BE(0x01000007, 8)
    bytes.writeUInt32BE(0x0100000c, 28)
  })
  assert.deepEqual(readLibraryHeader(universal)?.architectures, ['x86_64', 'aarch64'])
  const windows = header((bytes) => {
    bytes.write('MZ')
    bytes.writeUInt32LE(128, 0x3c)
    bytes.write('PE\0\0', 128)
    bytes.writeUInt16LE(0x8664, 132)
  })
  assert.deepEqual(readLibraryHeader(windows), { format: 'PE', architectures: ['x86_64'] })
  const java = header((bytes) => bytes.writeUInt32BE(0xcafebabe, 0))
  assert.equal(readLibraryHeader(java), undefined)
})

test('reads any beginning of a file without an error', () => {
  const magic = fc.constantFrom('7f454c46', 'cafebabe', 'cffaedfe', '4d5a')
  fc.assert(
    fc.property(magic, fc.uint8Array({ maxLength: 300 }), (start, rest) => {
      readLibraryHeader(Buffer.concat([Buffer.from(start, 'hex'), rest]))
    }),
  )
})
