import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import * as fc from 'fast-check'
import {
  checkDigests,
  expectedDigests,
  matchesDigests,
  parseDigest,
} from '../../../src/models/digest.ts'

const hex = 'a59e0327e62160cf69a470fe5612e2f8'

test("reads pyboot's MD5 in base64, with and without padding", () => {
  const digest = { algorithm: 'md5', hex, encoding: 'base64' }
  assert.deepEqual(parseDigest('md5', 'pZ4DJ+YhYM9ppHD+VhLi+A==', 'm'), digest)
  assert.deepEqual(parseDigest('md5', ' pZ4DJ+YhYM9ppHD+VhLi+A ', 'm'), digest)
})

test('reads hexadecimal digests of any case', () => {
  assert.equal(parseDigest('md5', hex.toUpperCase(), 'm').hex, hex)
  assert.equal(parseDigest('sha256', 'AB'.repeat(32), 'm').hex, 'ab'.repeat(32))
})

test('reads back the base64 of any MD5', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
      const buffer = Buffer.from(bytes)
      const digest = parseDigest('md5', buffer.toString('base64'), 'm')
      assert.equal(digest.hex, buffer.toString('hex'))
    }),
  )
})

test('refuses a malformed digest with the text and the forms that are accepted', () => {
  const bad = ['', 'abc', hex + '0', hex.slice(1), 'pZ4DJ+YhYM9ppHD+VhLi+B==', 'g'.repeat(32)]
  for (const text of bad) {
    assert.throws(
      () => parseDigest('md5', text, 'thr'),
      (error: Error & { code: string }) => {
        assert.equal(error.code, 'CONFIG_INVALID')
        assert.ok(error.message.includes(JSON.stringify(text)), error.message)
        assert.match(error.message, /md5 of model 'thr'.*24 characters of base64.*32 hex/)
        return true
      },
    )
  }
  const base64 = createHash('sha256').digest('base64')
  assert.throws(() => parseDigest('sha256', base64, 'm'), /64 hexadecimal digits/)
})

test('asks for all configured digests, not for one of them', () => {
  const actual = { bytes: 1, md5: hex, sha256: 'ab'.repeat(32) }
  const both = expectedDigests({ name: 'm', md5: hex, sha256: 'cd'.repeat(32) })
  assert.equal(matchesDigests(actual, both), false)
  assert.equal(matchesDigests(actual, expectedDigests({ name: 'm', md5: hex })), true)
  assert.equal(matchesDigests(actual, {}), true)
})

test('names expected and actual digest in the form of the configuration', () => {
  const actual = { bytes: 7, md5: '00'.repeat(16), sha256: 'ab'.repeat(32) }
  const expected = expectedDigests({ name: 'm', md5: 'pZ4DJ+YhYM9ppHD+VhLi+A==' })
  assert.throws(() => checkDigests(actual, expected, 'm', 'here'), {
    code: 'MODEL_DIGEST_MISMATCH',
    message:
      "the package of model 'm' has md5 AAAAAAAAAAAAAAAAAAAAAA== (7 bytes), expected pZ4DJ+YhYM9ppHD+VhLi+A==",
  })
})
