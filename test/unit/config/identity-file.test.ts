import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { readIdentity } from '../../../src/config/identity-file.ts'
import { folder } from './config-files.ts'

test('makes up a name once, with its folder, and leaves nothing else there', () => {
  const state = join(folder, 'deep/state')
  const name = readIdentity(state)
  assert.match(name, /^[\da-f-]{36}$/)
  assert.equal(readIdentity(state), name)
  assert.deepEqual(readdirSync(state), ['identity'])
  assert.equal(readFileSync(join(state, 'identity'), 'utf8'), `${name}\n`)
})

test('gives every folder a name of its own', () => {
  assert.notEqual(readIdentity(join(folder, 'one')), readIdentity(join(folder, 'two')))
})

test('takes a name that somebody wrote', () => {
  const state = join(folder, 'written')
  mkdirSync(state)
  writeFileSync(join(state, 'identity'), ' gateway-7\r\n')
  assert.equal(readIdentity(state), 'gateway-7')
})

for (const [what, content] of [
  ['is empty', ''],
  ['holds zeros, as after a power cut', '\0'.repeat(37)],
  ['has several lines', 'a\nb'],
  ['is too long to be one', 'x'.repeat(1000)],
]) {
  test(`does not make up another name when the file ${what}`, () => {
    const state = join(folder, `bad-${what?.length}`)
    mkdirSync(state)
    const file = join(state, 'identity')
    writeFileSync(file, content ?? '')
    assert.throws(() => readIdentity(state), { message: new RegExp(`^${file} holds no name`) })
    assert.equal(readFileSync(file, 'utf8'), content)
  })
}

test('says what cannot be read and why', () => {
  const state = join(folder, 'unreadable')
  mkdirSync(join(state, 'identity'), { recursive: true })
  assert.throws(() => readIdentity(state), {
    message: `${join(state, 'identity')} cannot be read: EISDIR`,
  })
})

test('says what cannot be written and why', () => {
  assert.throws(() => readIdentity('/dev/null/state'), {
    message: /^\/dev\/null\/state\/identity cannot be (?:read|written): ENOTDIR$/,
  })
})
