import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { AckWindow } from '../../../src/pipeline/ack-window.ts'
import type { AckToken } from '../../../src/transport/transport.ts'

/** A window whose owner records nothing: what is settled is released at once. */
function eager(
  acknowledge: (token: AckToken) => void,
): Pick<AckWindow, 'open' | 'settle' | 'size'> {
  const window = new AckWindow(acknowledge, () => {})
  return {
    open: (token) => window.open(token),
    settle: (entry) => {
      window.settle(entry)
      window.release()
    },
    get size() {
      return window.size
    },
  }
}

test('a message is acknowledged only when all before it are settled', () => {
  const acknowledged: number[] = []
  const window = eager(({ id }) => acknowledged.push(id))
  const [first, second, third] = [1, 2, 3].map((id) => window.open({ epoch: 0, id }))
  window.settle(second!)
  window.settle(third!)
  assert.deepEqual(acknowledged, [])
  window.settle(first!)
  assert.deepEqual(acknowledged, [1, 2, 3])
  assert.equal(window.size, 0)
})

test('what an older connection brought is never acknowledged on a newer one', () => {
  const acknowledged: AckToken[] = []
  const window = eager((token) => acknowledged.push(token))
  const old = window.open({ epoch: 0, id: 1 })
  const fresh = window.open({ epoch: 1, id: 1 })
  window.settle(old)
  assert.deepEqual(acknowledged, [])
  window.settle(fresh)
  assert.deepEqual(acknowledged, [{ epoch: 1, id: 1 }])
})

test('settling twice acknowledges once', () => {
  const acknowledged: number[] = []
  const window = eager(({ id }) => acknowledged.push(id))
  const entry = window.open({ epoch: 0, id: 7 })
  window.settle(entry)
  window.settle(entry)
  assert.deepEqual(acknowledged, [7])
})

test('whatever the order of settling, acknowledgements are a contiguous prefix in order', () => {
  fc.assert(
    fc.property(fc.shuffledSubarray(Array.from({ length: 40 }, (_, i) => i)), (order) => {
      const acknowledged: number[] = []
      const window = eager(({ id }) => acknowledged.push(id))
      const entries = Array.from({ length: 40 }, (_, id) => window.open({ epoch: 3, id }))
      const settled = new Set<number>()
      for (const id of order) {
        settled.add(id)
        window.settle(entries[id]!)
        let prefix = 0
        while (settled.has(prefix)) prefix += 1
        assert.deepEqual(
          acknowledged,
          Array.from({ length: prefix }, (_, i) => i),
        )
      }
    }),
    { numRuns: 200 },
  )
})

test('nothing is acknowledged before it is released, nor what is settled while it is', () => {
  const acknowledged: number[] = []
  let dues = 0
  const window: AckWindow = new AckWindow(
    ({ id }) => {
      acknowledged.push(id)
      if (id === 2) window.settle(third!)
    },
    () => (dues += 1),
  )
  const [first, second, third] = [1, 2, 3].map((id) => window.open({ epoch: 0, id }))
  window.settle(first!)
  window.settle(second!)
  assert.deepEqual([acknowledged, window.size, dues], [[], 3, 1])
  window.release()
  assert.deepEqual([acknowledged, window.size, dues], [[1, 2], 1, 2])
  window.release()
  assert.deepEqual([acknowledged, window.size, dues], [[1, 2, 3], 0, 2])
})
