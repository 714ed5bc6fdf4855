import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { progressBytes, ProgressMark } from '../../../src/runtime/progress-mark.ts'

describe('ProgressMark', () => {
  test('names the event that was begun last, to who reads the same memory', () => {
    const memory = new SharedArrayBuffer(progressBytes)
    const mark = new ProgressMark(memory)
    mark.enter(7)
    mark.begin(0)
    mark.begin(1)
    assert.deepEqual(new ProgressMark(memory).read(), { batchId: 7, index: 1 })
  })

  test('names no event of a batch of which none was begun', () => {
    const mark = new ProgressMark()
    mark.enter(7)
    mark.begin(3)
    mark.enter(8)
    assert.equal(mark.read(), undefined)
  })

  test('keeps the largest number that a batch can have', () => {
    const mark = new ProgressMark()
    mark.enter(0xffff_ffff)
    mark.begin(63)
    assert.deepEqual(mark.read(), { batchId: 0xffff_ffff, index: 63 })
  })

  test('that was never written names a batch that no runner has', () => {
    assert.deepEqual(new ProgressMark().read(), { batchId: 0, index: 0 })
  })
})
