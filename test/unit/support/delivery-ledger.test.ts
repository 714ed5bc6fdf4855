import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DeliveryLedger } from '../../support/delivery-ledger.ts'

/** A ledger with messages 0 to `count - 1` of one device. */
function ledgerOf(count: number): DeliveryLedger {
  const ledger = new DeliveryLedger()
  for (let seq = 0; seq < count; seq++) ledger.published('pump', seq)
  return ledger
}

test('finds nothing wrong when every message has its result, in order', () => {
  const ledger = ledgerOf(3)
  for (const seq of [0, 1, 2]) ledger.collected('pump', seq, seq)
  assert.deepEqual(ledger.summary(), {
    sent: 3,
    delivered: 3,
    lost: 0,
    lostExamples: [],
    disordered: [],
    unknown: [],
    duplicates: { byPublisher: 0, byBroker: 0, byEdgeboot: 0 },
  })
})

test('counts and names what has no result', () => {
  const ledger = ledgerOf(3)
  ledger.collected('pump', 1, 0)
  const { lost, lostExamples } = ledger.summary()
  assert.deepEqual([lost, lostExamples], [2, ['pump/0', 'pump/2']])
})

test('names a first result that comes after a higher number, of the same device alone', () => {
  const ledger = ledgerOf(3)
  ledger.published('fan', 0)
  for (const seq of [0, 2, 1]) ledger.collected('pump', seq, 0)
  ledger.collected('fan', 0, 0)
  assert.deepEqual(ledger.summary().disordered, ['pump/1'])
})

test('does not call a repeated result disordered', () => {
  const ledger = ledgerOf(2)
  for (const seq of [0, 1, 0, 1]) ledger.collected('pump', seq, 0)
  assert.deepEqual(ledger.summary().disordered, [])
})

test('counts a result that came twice as a duplicate of edgeboot', () => {
  const ledger = ledgerOf(1)
  for (const at of [1, 2, 3]) ledger.collected('pump', 0, at)
  assert.deepEqual(ledger.summary().duplicates, { byPublisher: 0, byBroker: 0, byEdgeboot: 2 })
})

test('excuses as many duplicates as the publisher made, and no more', () => {
  const ledger = ledgerOf(1)
  ledger.published('pump', 0)
  for (const at of [1, 2, 3]) ledger.collected('pump', 0, at)
  assert.deepEqual(ledger.summary().duplicates, { byPublisher: 1, byBroker: 0, byEdgeboot: 1 })
  assert.equal(ledger.summary().sent, 1)
})

test('excuses a duplicate when the broker forgot that it had been collected', () => {
  const ledger = ledgerOf(2)
  ledger.collected('pump', 0, 10)
  ledger.collected('pump', 1, 20)
  ledger.brokerForgot(15, 25)
  ledger.collected('pump', 0, 30)
  ledger.collected('pump', 1, 30)
  assert.deepEqual(ledger.summary().duplicates, { byPublisher: 0, byBroker: 1, byEdgeboot: 1 })
})

test('names results for what was never published', () => {
  const ledger = ledgerOf(1)
  ledger.collected('pump', 7, 0)
  assert.deepEqual(ledger.summary().unknown, ['pump/7'])
  assert.equal(ledger.delivered, 0)
})
