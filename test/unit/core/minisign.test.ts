import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import fc from 'fast-check'
import { isSignedBy, parsePublicKey, parseSignature } from '../../../src/core/minisign.ts'

/** Made by minisign 0.11 itself: see the README there. */
const fixture = (name: string): Promise<Buffer> =>
  readFile(new URL(`../../fixtures/minisign/${name}`, import.meta.url))
const content = await fixture('package.bin')
const hash = createHash('blake2b512').update(content).digest()
const publicText = (await fixture('author.pub')).toString()
const prehashedText = (await fixture('prehashed.minisig')).toString()
const legacyText = (await fixture('legacy.minisig')).toString()

function keyOf(text: string): NonNullable<ReturnType<typeof parsePublicKey>> {
  const key = parsePublicKey(text)
  assert.ok(key)
  return key
}

test('takes signatures of minisign, over the hash and over the file itself', () => {
  const key = keyOf(publicText)
  const prehashed = parseSignature(prehashedText)
  const legacy = parseSignature(legacyText)
  assert.ok(prehashed && legacy)
  assert.deepEqual([prehashed.isPrehashed, legacy.isPrehashed], [true, false])
  assert.equal(isSignedBy(prehashed, key, hash), true)
  assert.equal(isSignedBy(legacy, key, content), true)
  assert.equal(prehashed.trustedComment, 'threshold 1.4.0 测试')
})

test('names keys as minisign does', () => {
  assert.equal(keyOf(publicText).id, '9C6CA020C79CF6D6')
  assert.equal(parseSignature(prehashedText)?.keyId, '9C6CA020C79CF6D6')
})

test('reads a public key from its file and from its one line', () => {
  const line = publicText.split('\n')[1] ?? ''
  assert.equal(keyOf(line).text, line)
  assert.equal(keyOf(publicText.replaceAll('\n', '\r\n')).text, line)
})

test('refuses a trusted comment that is not the one that was signed', () => {
  const changed = parseSignature(prehashedText.replace('1.4.0', '1.5.0'))
  assert.ok(changed)
  assert.equal(isSignedBy(changed, keyOf(publicText), hash), false)
})

test('refuses another content, and a key with the same number', async () => {
  const signature = parseSignature(prehashedText)
  const other = keyOf((await fixture('protected.pub')).toString())
  assert.ok(signature)
  assert.equal(isSignedBy(signature, keyOf(publicText), Buffer.alloc(64)), false)
  assert.equal(isSignedBy(signature, other, hash), false)
})

test('takes nothing that is not exactly a key or a signature', () => {
  const line = publicText.split('\n')[1] ?? ''
  for (const text of ['', 'x', line.slice(1), `${line}A`, `${line}\n${line}`, prehashedText]) {
    assert.equal(parsePublicKey(text), undefined, text)
  }
  const lines = prehashedText.split('\n')
  for (const cut of [1, 2, 3]) {
    assert.equal(parseSignature(lines.slice(0, cut).join('\n')), undefined)
  }
  assert.equal(parseSignature(publicText), undefined)
  assert.equal(parseSignature('x'.repeat(100_000)), undefined)
  assert.equal(parseSignature(prehashedText.replace('RUTW', 'RUXW')), undefined)
})

test('holds for no signature of which one bit of the signed part was changed', () => {
  const key = keyOf(publicText)
  const [comment, line = '', ...rest] = prehashedText.split('\n')
  const bytes = Buffer.from(line, 'base64')
  fc.assert(
    fc.property(fc.integer({ min: 10 * 8, max: bytes.length * 8 - 1 }), (bit) => {
      const changed = Buffer.from(bytes)
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      const text = [comment, changed.toString('base64'), ...rest].join('\n')
      const signature = parseSignature(text)
      assert.ok(signature)
      assert.equal(isSignedBy(signature, key, hash), false)
    }),
    { numRuns: 50 },
  )
})
