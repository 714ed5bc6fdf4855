import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assertModelName } from '../../../src/models/model-name.ts'

test('refuses a name that cannot be that of a folder, and says why', () => {
  assertModelName('thend_threshold_zd')
  assert.throws(() => assertModelName('../up'), {
    code: 'CONFIG_INVALID',
    message: 'the model name "../up" begins with a dot',
  })
})
