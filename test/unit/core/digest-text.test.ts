import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseDigestText } from '../../../src/core/digest-text.ts'

const hex = 'a59e0327e62160cf69a470fe5612e2f8'

test("reads pyboot's MD5 in base64, with and without padding", () => {
  const digest = { algorithm: 'md5', hex, encoding: 'base64' }
  assert.deepEqual(parseDigestText('md5', 'pZ4DJ+YhYM9ppHD+VhLi+A=='), digest)
  assert.deepEqual(parseDigestText('md5', ' pZ4DJ+YhYM9ppHD+VhLi+A '), digest)
})

test('reads hexadecimal digests of any case', () => {
  assert.equal(parseDigestText('md5', hex.toUpperCase())?.hex, hex)
  assert.equal(parseDigestText('sha256', 'AB'.repeat(32))?.hex, 'ab'.repeat(32))
})

test('reads back the base64 of any MD5', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
      const buffer = Buffer.from(bytes)
      const digest = parseDigestText('md5', buffer.toString('base64'))
      assert.equal(digest?.hex, buffer.toString('hex'))
    }),
  )
})

const base64OfSha256 = createHash('sha256').digest('base64')

for (const [algorithm, text] of [
  ['md5', ''],
  ['md5', 'abc'],
  ['md5', `${hex}0`],
  ['md5', hex.slice(1)],
  ['md5', 'pZ4DJ+YhYM9ppHD+VhLi+B=='],
  ['md5', 'g'.repeat(32)],
  ['md5', 'ab'.repeat(32)],
  ['sha256', hex],
  ['sha256', base64OfSha256],
] as const) {
  test(`takes ${JSON.stringify(text)} for no ${algorithm}`, () => {
    assert.equal(parseDigestText(algorithm, text), undefined)
  })
}
