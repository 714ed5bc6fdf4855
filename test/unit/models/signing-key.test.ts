import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { isSignedBy, parsePublicKey, parseSignature } from '../../../src/core/minisign.ts'
import {
  isEncryptedKey,
  makeKeys,
  publicLine,
  readSigningKey,
  signatureText,
} from '../../../src/models/signing-key.ts'

/** Made by minisign 0.11 itself: see the README there. */
const fixture = async (name: string): Promise<string> =>
  await readFile(new URL(`../../fixtures/minisign/${name}`, import.meta.url), 'utf8')
const hash = createHash('blake2b512').update('a package').digest()

test("signs with minisign's own key so that its public key proves it", async () => {
  const signing = await readSigningKey(await fixture('author.key'), 'author.key')
  const key = parsePublicKey(await fixture('author.pub'))
  assert.ok(key)
  assert.equal(signing.id, key.id)
  assert.equal(publicLine(signing), key.text)
  const text = signatureText(signing, hash, 'version 2, 二')
  const signature = parseSignature(text)
  assert.ok(signature)
  assert.equal(isSignedBy(signature, key, hash), true)
  assert.equal(signature.trustedComment, 'version 2, 二')
})

test('opens a key that a password protects', { timeout: 120_000 }, async () => {
  const text = await fixture('protected.key')
  assert.equal(isEncryptedKey(text), true)
  const signing = await readSigningKey(text, 'protected.key', 'secret')
  assert.equal(publicLine(signing), parsePublicKey(await fixture('protected.pub'))?.text)
})

/** The same key, but a password costs a MiB to try and not a GiB: that no password opens it is the same. */
function cheap(text: string): string {
  const [comment, line = ''] = text.split('\n')
  const bytes = Buffer.from(line, 'base64')
  bytes.writeBigUInt64LE(32_768n, 38)
  bytes.writeBigUInt64LE(1_048_576n, 46)
  return `${comment}\n${bytes.toString('base64')}\n`
}

test('says that the password is wrong, and that there should be one', async () => {
  const text = cheap(await fixture('protected.key'))
  await assert.rejects(readSigningKey(text, 'p.key', 'hunter2'), (error: Error) => {
    assert.match(error.message, /p\.key cannot be used: the password is wrong, or it is damaged/)
    assert.doesNotMatch(error.message, /hunter2/)
    return true
  })
  await assert.rejects(readSigningKey(text, 'p.key'), {
    code: 'MODEL_KEY_INVALID',
    message: 'p.key is protected by a password',
  })
})

test('makes keys that it reads again', async () => {
  const made = makeKeys()
  assert.equal(isEncryptedKey(made.secretText), false)
  const signing = await readSigningKey(made.secretText, 'new.key')
  assert.equal(signing.id, made.id)
  assert.equal(publicLine(signing), made.publicLine)
  assert.equal(parsePublicKey(made.publicText)?.id, made.id)
})

test('takes no damaged key and nothing that is none', async () => {
  const { secretText, publicText } = makeKeys()
  const [comment = '', line = ''] = secretText.split('\n')
  const bytes = Buffer.from(line, 'base64')
  const seedAt = 54 + 8
  bytes[seedAt] = (bytes[seedAt] ?? 0) ^ 1
  const damaged = `${comment}\n${bytes.toString('base64')}\n`
  await assert.rejects(readSigningKey(damaged, 'a'), { message: /a cannot be used: it is damaged/ })
  for (const text of ['', publicText, comment, 'x'.repeat(100_000)]) {
    await assert.rejects(readSigningKey(text, 'a'), {
      code: 'MODEL_KEY_INVALID',
      message: 'a is no secret key of minisign',
    })
  }
})
