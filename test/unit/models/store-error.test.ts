import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { EdgebootError } from '../../../src/core/errors.ts'
import { asStoreError } from '../../../src/models/store-error.ts'

function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: such and such, write`), { code, syscall: 'write' })
}

test('says a full disk and a read-only file system in plain words', () => {
  const words = { ENOSPC: /the disk is full \(ENOSPC\)/, EROFS: /read-only \(EROFS\)/ }
  for (const [code, message] of Object.entries(words)) {
    const error = asStoreError(systemError(code), "store 'thr'", '/models')
    assert.ok(error instanceof EdgebootError)
    assert.equal(error.code, code === 'ENOSPC' ? 'MODEL_DISK_FULL' : 'MODEL_STORE_FAILED')
    assert.equal(error.details.where, '/models')
    assert.match(error.message, message)
  }
})

test('names the path that the system named', async () => {
  const thrown: unknown = await readFile('/none/such').catch((error: unknown) => error)
  const error = asStoreError(thrown, 'read it', '/models')
  assert.equal((error as EdgebootError).details.where, '/none/such')
})

test('passes everything else unchanged', () => {
  const others = [
    new Error('bug'),
    Object.assign(new Error('zlib'), { code: 'Z_DATA_ERROR' }),
    'text',
  ]
  for (const other of others) assert.equal(asStoreError(other, 'store it', '/'), other)
})
