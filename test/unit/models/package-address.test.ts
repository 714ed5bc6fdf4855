import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addressFingerprint, displayAddress } from '../../../src/models/package-address.ts'

test('shows an address without user, password, query and fragment', () => {
  const shown = displayAddress('https://me:secret@host:8443/a/b.zip?token=secret#secret')
  assert.equal(shown, 'https://host:8443/a/b.zip')
})

test('shows nothing of an address that cannot be parsed', () => {
  assert.equal(displayAddress('http://me:secret@host:99999/'), 'http://(not a valid address)')
})

test('shows a path as it is', () => {
  assert.equal(displayAddress('/opt/模型/a?b#c.zip'), '/opt/模型/a?b#c.zip')
})

test('tells addresses apart by their query but not by their password', () => {
  const first = addressFingerprint('http://me:old@host/get?id=1')
  assert.equal(addressFingerprint('http://me:new@host/get?id=1'), first)
  assert.notEqual(addressFingerprint('http://me:old@host/get?id=2'), first)
})
