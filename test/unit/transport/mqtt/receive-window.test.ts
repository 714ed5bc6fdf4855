import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ReceiveWindow } from '../../../../src/transport/mqtt/receive-window.ts'
import type { SourceMessage } from '../../../../src/transport/transport.ts'

const message = (id: number, qos: 0 | 1 = 1): SourceMessage => ({
  topic: String(id),
  payload: Buffer.alloc(0),
  qos,
  retain: false,
  duplicate: false,
  receivedAt: 0,
  ...(qos === 1 && { ack: { epoch: 1, id } }),
})

function releaseAll(window: ReceiveWindow): string[] {
  const released: string[] = []
  for (let next = window.release(); next; next = window.release()) released.push(next.topic)
  return released
}

test('passes on what fits and keeps the rest until half of it is free', () => {
  const window = new ReceiveWindow(4)
  for (let id = 1; id <= 4; id++) assert.ok(window.admit(message(id)))
  assert.ok(!window.isFull, 'a broker that keeps to the window is still heard')
  assert.ok(!window.admit(message(5)))
  assert.ok(window.isFull)
  window.acknowledged()
  assert.deepEqual(releaseAll(window), [])
  window.acknowledged()
  assert.deepEqual(releaseAll(window), ['5'])
  assert.ok(!window.isFull)
})

test('works with a window of one', () => {
  const window = new ReceiveWindow(1)
  assert.ok(window.admit(message(1)))
  assert.ok(!window.admit(message(2)))
  assert.ok(!window.admit(message(3)))
  window.acknowledged()
  assert.deepEqual(releaseAll(window), ['2'])
  assert.ok(window.isFull)
  window.acknowledged()
  assert.deepEqual(releaseAll(window), ['3'])
  assert.ok(!window.isFull)
})

test('does not let a message without a token overtake', () => {
  const window = new ReceiveWindow(1)
  assert.ok(window.admit(message(1)))
  assert.ok(window.admit(message(2, 0)), 'it takes no place')
  assert.ok(!window.admit(message(3)))
  assert.ok(!window.admit(message(4, 0)))
  window.acknowledged()
  assert.deepEqual(releaseAll(window), ['3', '4'])
})

test('begins anew with a new connection', () => {
  const window = new ReceiveWindow(1)
  window.admit(message(1))
  window.admit(message(2))
  window.clear()
  assert.ok(!window.isFull)
  assert.ok(window.admit(message(3)))
  assert.deepEqual(releaseAll(window), [])
})

test('never passes on more than the window, in order and without loss', () => {
  const steps = fc.array(
    fc.constantFrom<'come' | 'plain' | 'acknowledge'>('come', 'plain', 'acknowledge'),
  )
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5 }), steps, (size, script) => {
      const window = new ReceiveWindow(size)
      const passed: number[] = []
      let open = 0
      let came = 0
      const pass = (next: SourceMessage): void => {
        passed.push(Number(next.topic))
        if (next.ack !== undefined) open += 1
        assert.ok(open <= size)
      }
      const acknowledge = (): void => {
        open -= 1
        window.acknowledged()
        for (let next = window.release(); next; next = window.release()) pass(next)
      }
      for (const step of script) {
        if (step === 'acknowledge') {
          if (open > 0) acknowledge()
          continue
        }
        const next = message(came++, step === 'come' ? 1 : 0)
        if (window.admit(next)) pass(next)
      }
      for (let left = came; left > 0; left--) if (open > 0) acknowledge()
      assert.deepEqual(
        passed,
        Array.from({ length: came }, (_, id) => id),
      )
    }),
  )
})
