import assert from 'node:assert/strict'
import { fstatSync, ftruncateSync, writeSync } from 'node:fs'
import { describe, test } from 'node:test'
import { ProgressFile } from '../../../src/runtime/progress-file.ts'

function open(): ProgressFile {
  const file = ProgressFile.open()
  assert.ok(file !== undefined)
  return file
}

describe('ProgressFile', () => {
  test('has no name, its two words, and one reader', () => {
    const file = open()
    const { nlink, size, mode } = fstatSync(file.descriptor)
    file.close()
    assert.deepEqual([nlink, size, mode & 0o777], [0, 8, 0o600])
  })

  test('tells what the other end wrote', () => {
    const file = open()
    writeSync(file.descriptor, new Uint8Array(new Uint32Array([7, 3]).buffer), 0, 8, 0)
    const read = file.read()
    file.close()
    assert.deepEqual(read, { batchId: 7, index: 3 })
  })

  test('tells nothing when the other end cut it short', () => {
    const file = open()
    ftruncateSync(file.descriptor, 4)
    const read = file.read()
    file.close()
    assert.equal(read, undefined)
  })

  test('tells nothing once it is closed, which may be said twice', () => {
    const file = open()
    file.close()
    file.close()
    assert.equal(file.read(), undefined)
  })
})
