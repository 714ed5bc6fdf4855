import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ChaosLedger } from '../../../../src/cli/chaos/ledger.ts'

const ledgerOf = (): ChaosLedger => new ChaosLedger(['one', 'two'], (message) => `d/${message}`)
const lane = 'a'
const device = undefined

test('a message without a result, a dead letter or a count is lost, and named', () => {
  const ledger = ledgerOf()
  for (let n = 0; n < 3; n++) ledger.expect(0, n, [{ id: `id-${n}`, lane, device }])
  ledger.collected('id-0')
  ledger.deadLettered(0, 1, device)
  const [account] = ledger.accounts(() => ({}))
  assert.deepEqual(account, {
    pipeline: 'one',
    sent: 3,
    delivered: 1,
    deadLettered: 1,
    dropped: {},
    lost: 1,
    lostExamples: ['d/2'],
    inversions: [],
    duplicates: 0,
  })
})

test('counts of the pipeline explain what is missing, and no more than that', () => {
  const ledger = ledgerOf()
  ledger.expect(0, 0, [{ id: 'x', lane, device }])
  ledger.expectFiltered(0, 2)
  const [enough] = ledger.accounts(() => ({ when: 2, empty: 5 }))
  assert.deepEqual([enough?.dropped, enough?.lost, enough?.sent], [{ when: 2, empty: 1 }, 0, 3])
  const [tooFew] = ledger.accounts(() => ({ when: 1 }))
  assert.deepEqual([tooFew?.dropped, tooFew?.lost], [{ when: 1 }, 2])
})

test('a repeat is a duplicate, and never out of order', () => {
  const ledger = ledgerOf()
  for (let n = 0; n < 3; n++) ledger.expect(0, n, [{ id: `id-${n}`, lane, device }])
  for (const id of ['id-0', 'id-1', 'id-0', 'id-1', 'id-2']) ledger.collected(id)
  const [account] = ledger.accounts(() => ({}))
  assert.deepEqual([account?.duplicates, account?.inversions], [2, []])
})

test('a first result behind a later one of its lane is out of order; of another lane it is not', () => {
  const ledger = ledgerOf()
  ledger.expect(0, 0, [{ id: 'a0', lane: 'a', device }])
  ledger.expect(0, 1, [{ id: 'b1', lane: 'b', device }])
  ledger.expect(0, 2, [{ id: 'a2', lane: 'a', device }])
  for (const id of ['b1', 'a2', 'a0']) ledger.collected(id)
  assert.deepEqual(ledger.accounts(() => ({}))[0]?.inversions, ['d/0'])
})

test('an event for two devices is two, and a letter stands for one of them', () => {
  const ledger = ledgerOf()
  ledger.expect(1, 7, [
    { id: 'x', lane: 'x', device: 'p' },
    { id: 'y', lane: 'y', device: 'q' },
  ])
  ledger.collected('x')
  assert.deepEqual([ledger.expected, ledger.settled], [2, 1])
  ledger.deadLettered(1, 7, 'q')
  ledger.deadLettered(1, 7, 'q')
  assert.equal(ledger.settled, 2)
  const [, account] = ledger.accounts(() => ({}))
  assert.deepEqual([account?.delivered, account?.deadLettered, account?.lost], [1, 1, 0])
})

test('a letter of an event that is answered after all counts as delivered alone', () => {
  const ledger = ledgerOf()
  ledger.expect(0, 0, [{ id: 'x', lane, device }])
  ledger.deadLettered(0, 0, device)
  ledger.collected('x')
  assert.equal(ledger.settled, 1)
  const [account] = ledger.accounts(() => ({}))
  assert.deepEqual([account?.delivered, account?.deadLettered, account?.lost], [1, 0, 0])
})

test('results of nothing that was sent are counted apart', () => {
  const ledger = ledgerOf()
  assert.equal(ledger.collected('who'), undefined)
  assert.equal(ledger.unknown, 1)
})

test('whatever happens, sent is delivered, dead-lettered, dropped and lost together', () => {
  const fate = fc.constantFrom('delivered', 'twice', 'dead', 'missing')
  fc.assert(
    fc.property(fc.array(fate), fc.nat(20), fc.nat(20), (fates, filtered, counted) => {
      const ledger = ledgerOf()
      ledger.expectFiltered(0, filtered)
      for (const [n, each] of fates.entries()) {
        ledger.expect(0, n, [{ id: `${n}`, lane, device }])
        if (each === 'delivered' || each === 'twice') ledger.collected(`${n}`)
        if (each === 'twice') ledger.collected(`${n}`)
        if (each === 'dead') ledger.deadLettered(0, n, device)
      }
      const [account] = ledger.accounts(() => ({ device: counted }))
      assert.ok(account)
      const { sent, delivered, deadLettered, dropped, lost } = account
      assert.equal(sent, delivered + deadLettered + (dropped['device'] ?? 0) + lost)
      assert.equal(sent, fates.length + filtered)
      const missing = fates.filter((each) => each === 'missing').length
      assert.equal(lost, Math.max(missing + filtered - counted, 0))
    }),
  )
})
