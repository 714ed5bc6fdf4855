import assert from 'node:assert/strict'
import { test } from 'node:test'
import { modelNameFault } from '../../../src/core/model-name.ts'

test('accepts the names of pyboot configurations, Chinese ones included', () => {
  for (const name of [
    'TYPE_TREND_WARNING1644570851718',
    'thend_threshold_zd',
    '三厂 温度',
    'a.b',
  ]) {
    assert.equal(modelNameFault(name), undefined)
  }
})

test('refuses every name that is not one folder below the models folder', () => {
  const bad = ['', ' ', '.', '..', '.hidden', '../up', 'a/b', 'a\\b', 'a\u0000b', 'a\nb', '\ud800']
  for (const name of [...bad, 'x'.repeat(201)]) {
    assert.match(modelNameFault(name) ?? '', /^(?:begins|has|is) /, JSON.stringify(name))
  }
})
