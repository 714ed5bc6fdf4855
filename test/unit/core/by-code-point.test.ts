import assert from 'node:assert/strict'
import { test } from 'node:test'
import { byCodePoint } from '../../../src/core/by-code-point.ts'

test('sorts by code points, where UTF-16 would put an emoji before a full-width letter', () => {
  const sorted = ['', 'a', 'aa', 'b', '阈', '\uff21', '😀']
  assert.deepEqual(sorted.toReversed().sort(byCodePoint), sorted)
  assert.notDeepEqual(sorted.toReversed().sort(), sorted, 'as JavaScript has it')
  assert.equal(byCodePoint('阈值', '阈值'), 0)
})
