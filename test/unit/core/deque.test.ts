import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { Deque } from '../../../src/core/deque.ts'

test('a deque does what an array does', () => {
  const step = fc.oneof(
    fc.record({ do: fc.constant('push' as const), value: fc.integer() }),
    fc.record({ do: fc.constant('unshift' as const), value: fc.integer() }),
    fc.record({ do: fc.constant('shift' as const) }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const deque = new Deque<number>()
      const array: number[] = []
      for (const what of steps) {
        if (what.do === 'shift') assert.equal(deque.shift(), array.shift())
        else {
          deque[what.do](what.value)
          array[what.do](what.value)
        }
        assert.equal(deque.length, array.length)
        assert.equal(deque.peek(), array[0])
        assert.deepEqual([...deque], array)
      }
    }),
  )
})
