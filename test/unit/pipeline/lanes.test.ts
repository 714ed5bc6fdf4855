import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { type Company, Lanes, type LaneItem } from '../../../src/pipeline/lanes.ts'

interface Item extends LaneItem {
  company: Company | undefined
  readonly serial: number
}

let serial = 0
const item = (key: string | undefined, more: Partial<Item> = {}): Item => ({
  key,
  bytes: 10,
  company: undefined,
  serial: serial++,
  ...more,
})
const keysOf = (items: readonly Item[]): (string | undefined)[] => items.map(({ key }) => key)

test('an idle runner takes everything that waits in free lanes', () => {
  const lanes = new Lanes<Item>()
  for (const key of ['a', 'b', 'a', 'c']) lanes.push(item(key))
  assert.deepEqual(keysOf(lanes.take(10, 1000)), ['a', 'a', 'b', 'c'])
  assert.equal(lanes.size, 0)
})

test('a key with a batch under way gives nothing out until the batch is released', () => {
  const lanes = new Lanes<Item>()
  lanes.push(item('a'))
  const first = lanes.take(10, 1000)
  lanes.push(item('a'))
  lanes.push(item('b'))
  const second = lanes.take(10, 1000)
  assert.deepEqual(keysOf(second), ['b'])
  assert.deepEqual(lanes.take(10, 1000), [])
  lanes.release(first)
  assert.deepEqual(keysOf(lanes.take(10, 1000)), ['a'])
})

test('items without a key never wait for each other', () => {
  const lanes = new Lanes<Item>()
  for (let i = 0; i < 4; i++) lanes.push(item(undefined))
  assert.equal(lanes.take(2, 1000).length, 2)
  assert.equal(lanes.take(2, 1000).length, 2)
})

test('a batch ends before it grows beyond the limit of bytes, but for one large item', () => {
  const lanes = new Lanes<Item>()
  lanes.push(item('a', { bytes: 5000 }))
  lanes.push(item('b', { bytes: 600 }))
  lanes.push(item('c', { bytes: 600 }))
  assert.deepEqual(keysOf(lanes.take(10, 1000)), ['a'])
  assert.deepEqual(keysOf(lanes.take(10, 1000)), ['b'])
  assert.deepEqual(keysOf(lanes.take(10, 1000)), ['c'])
})

test('suspects share a batch with nobody but those of their group, over several lanes', () => {
  const lanes = new Lanes<Item>()
  const [one, other] = [{ number: 1 }, { number: 2 }]
  for (const [key, company] of Object.entries({ a: one, b: other, c: one, d: undefined })) {
    lanes.push(item(key, { company }))
  }
  assert.equal(lanes.suspects, 3)
  assert.deepEqual(keysOf(lanes.take(10, 1000)), ['d'])
  assert.deepEqual(keysOf(lanes.take(10, 1000, 'suspect')), ['a', 'c'])
  assert.deepEqual(keysOf(lanes.take(10, 1000, 'suspect')), ['b'])
  assert.deepEqual(lanes.take(10, 1000, 'suspect'), [])
  assert.equal(lanes.suspects, 0)
})

test('of several groups of suspects the oldest is taken, until nothing of it waits', () => {
  const lanes = new Lanes<Item>()
  const [old, young] = [{ number: 1 }, { number: 2 }]
  for (const company of [young, old, young, old]) lanes.push(item(undefined, { company }))
  const batches = Array.from({ length: 4 }, () => lanes.take(1, 1000, 'suspect'))
  assert.deepEqual(
    batches.map(([first]) => first?.company?.number),
    [1, 1, 2, 2],
  )
})

test('what comes behind a suspect of its key waits, what asks for no order does not', () => {
  const lanes = new Lanes<Item>()
  lanes.push(item('a', { company: { number: 1 } }))
  lanes.push(item('a'))
  lanes.push(item(undefined, { company: { number: 1 } }))
  lanes.push(item(undefined))
  assert.deepEqual(keysOf(lanes.take(10, 1000)), [undefined])
})

test('a suspect that is dropped leaves its lane to those behind it', () => {
  const lanes = new Lanes<Item>()
  lanes.push(item('a', { company: { number: 1 } }))
  lanes.push(item('a'))
  assert.notEqual(lanes.dropOldest()?.company, undefined)
  assert.deepEqual(keysOf(lanes.take(10, 1000)), ['a'])
  lanes.push(item('b', { company: { number: 1 } }))
  lanes.dropOldest()
  lanes.release([item('a')])
  assert.equal(lanes.laneCount, 0)
})

test('items that are put back come before those that arrived since', () => {
  const lanes = new Lanes<Item>()
  const items = [item('a'), item('a'), item('a')]
  for (const one of items.slice(0, 2)) lanes.push(one)
  const batch = lanes.take(10, 1000)
  lanes.push(items[2] as Item)
  lanes.putBack(batch)
  lanes.release(batch)
  assert.deepEqual(lanes.take(10, 1000), items)
})

test('the oldest item is dropped first, across lanes', () => {
  const lanes = new Lanes<Item>()
  const items = [item('a'), item('b'), item('a')]
  for (const one of items) lanes.push(one)
  assert.deepEqual([lanes.dropOldest(), lanes.dropOldest(), lanes.dropOldest()], items)
  assert.equal(lanes.dropOldest(), undefined)
  assert.deepEqual([lanes.size, lanes.bytes], [0, 0])
})

test('ten thousand devices leave nothing behind', () => {
  const lanes = new Lanes<Item>()
  for (let i = 0; i < 10_000; i++) {
    lanes.push(item(`device-${i}`))
    lanes.release(lanes.take(10, 1000))
  }
  assert.equal(lanes.laneCount, 0)
})

// Random schedules against the promises: nothing lost, nothing twice, order kept per key, one
// batch per key, and counts that are right at every step.
test('no schedule of arrivals, batches, losses and drops loses, doubles or reorders an item', () => {
  const take = fc.record({
    do: fc.constant('take' as const),
    max: fc.nat(6),
    who: fc.constantFrom('innocent' as const, 'suspect' as const),
  })
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.record({ do: fc.constant('push' as const), key: fc.nat(4) }) },
    { weight: 4, arbitrary: take },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('finish' as const), nth: fc.nat(5) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('lose' as const), nth: fc.nat(5) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('drop' as const) }) },
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const lanes = new Lanes<Item>()
      const underWay: Item[][] = []
      const left: Item[] = []
      const droppedItems: Item[] = []
      let pushed = 0
      let groups = 0
      for (const what of steps) {
        if (what.do === 'push') {
          pushed += 1
          lanes.push(item(what.key === 0 ? undefined : `k${what.key}`))
        } else if (what.do === 'take') {
          const batch = lanes.take(what.max, 35, what.who)
          assert.ok(batch.every(({ company }) => company === batch[0]?.company))
          if (batch.length > 0)
            assert.equal(batch[0]?.company !== undefined, what.who === 'suspect')
          assert.ok(batch.length <= what.max)
          for (const { key } of batch) {
            const busy = underWay.flat().some((other) => key !== undefined && other.key === key)
            assert.ok(!busy, `two batches of ${key} under way`)
          }
          if (batch.length > 0) underWay.push(batch)
        } else if (what.do === 'finish' || what.do === 'lose') {
          const [batch] = underWay.splice(what.nth % Math.max(underWay.length, 1), 1)
          if (batch === undefined) continue
          if (what.do === 'lose') {
            const halves = [{ number: (groups += 1) }, { number: (groups += 1) }]
            batch.forEach((each, i) => (each.company = halves[i * 2 < batch.length ? 0 : 1]))
            lanes.putBack(batch)
          } else left.push(...batch)
          lanes.release(batch)
        } else {
          const dropped = lanes.dropOldest()
          if (dropped !== undefined) droppedItems.push(dropped)
        }
        const gone = left.length + droppedItems.length
        assert.equal(lanes.size + underWay.flat().length + gone, pushed)
        assert.equal(lanes.bytes, lanes.size * 10)
        assert.ok(lanes.suspects >= 0 && lanes.suspects <= lanes.size)
      }
      for (const batch of underWay) {
        left.push(...batch)
        lanes.release(batch)
      }
      while (lanes.size > 0) {
        // Whatever waits in a free lane can be taken at once.
        const batch = [...lanes.take(3, 1000), ...lanes.take(3, 1000, 'suspect')]
        assert.notEqual(batch.length, 0)
        left.push(...batch)
        lanes.release(batch)
      }
      assert.equal(lanes.suspects, 0)
      assert.equal(new Set([...left, ...droppedItems]).size, pushed)
      assert.equal(left.length + droppedItems.length, pushed)
      const lastOf = new Map<string, number>()
      for (const { key, serial: mine } of left) {
        if (key === undefined) continue
        assert.ok((lastOf.get(key) ?? -1) < mine, `order of ${key}`)
        lastOf.set(key, mine)
      }
      for (const who of ['innocent', 'suspect'] as const) {
        assert.equal(lanes.take(1, 1000, who).length, 0)
      }
      assert.equal(lanes.laneCount, 0)
    }),
    { numRuns: 500 },
  )
})
