import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isDottedPythonName } from '../../../src/core/python-name.ts'

test('accepts names that Python can import, of any script', () => {
  for (const name of ['index', '_a1', 'industry.telemetry.telm_temperature', '模型.温度']) {
    assert.equal(isDottedPythonName(name), true, name)
  }
})

test('refuses what Python would not take for a name', () => {
  for (const name of ['', '.', 'a.', '.a', 'a..b', '1a', 'a-b', 'a/b', 'a b', '../up', 'a\n']) {
    assert.equal(isDottedPythonName(name), false, JSON.stringify(name))
  }
})
