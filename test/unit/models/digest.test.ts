import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkDigests, expectedDigests, matchesDigests } from '../../../src/models/digest.ts'

const hex = 'a59e0327e62160cf69a470fe5612e2f8'

test('refuses a malformed digest with the text and the forms that are accepted', () => {
  assert.throws(() => expectedDigests({ name: 'thr', md5: 'abc' }), {
    code: 'CONFIG_INVALID',
    message: /md5 of model 'thr' is "abc"; .*24 characters of base64.*32 hex/,
  })
  assert.throws(() => expectedDigests({ name: 'thr', sha256: hex }), {
    code: 'CONFIG_INVALID',
    message: /sha256 of model 'thr' .*64 hexadecimal digits/,
  })
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
