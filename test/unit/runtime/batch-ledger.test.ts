import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { EdgebootError } from '../../../src/core/errors.ts'
import { BatchLedger } from '../../../src/runtime/batch-ledger.ts'

const empty = { kind: 'empty' } as const
const piece = (batchId: number, first: number, count: number) => ({
  batchId,
  first,
  outcomes: Array.from({ length: count }, () => empty),
})

class Recorder {
  readonly firsts: number[] = []
  readonly losses: EdgebootError[] = []
  readonly lostOn: (number | undefined)[] = []
  outcomes(first: number): void {
    this.firsts.push(first)
  }
  lost(error: EdgebootError, index?: number): void {
    this.losses.push(error)
    this.lostOn.push(index)
  }
}

describe('BatchLedger', () => {
  test('passes pieces on to the batch that they belong to', () => {
    const ledger = new BatchLedger()
    const [one, two] = [new Recorder(), new Recorder()]
    const [first, second] = [ledger.add(3, one), ledger.add(1, two)]
    ledger.accept(piece(first, 0, 2))
    ledger.accept(piece(first, 2, 1))
    ledger.accept(piece(second, 0, 1))
    assert.deepEqual([one.firsts, two.firsts, ledger.size], [[0, 2], [0], 0])
  })

  for (const [title, wrong] of [
    ['a batch that nobody knows', piece(99, 0, 1)],
    ['the second batch before the first', piece(2, 0, 1)],
    ['a gap', piece(1, 1, 1)],
    ['more results than items', piece(1, 0, 3)],
    ['no results at all', piece(1, 0, 0)],
  ] as const) {
    test(`refuses ${title}`, () => {
      const ledger = new BatchLedger()
      ledger.add(2, new Recorder())
      ledger.add(2, new Recorder())
      assert.throws(() => ledger.accept(wrong), { code: 'RUNNER_PROTOCOL' })
    })
  }

  test('refuses a result that was given already', () => {
    const ledger = new BatchLedger()
    const id = ledger.add(2, new Recorder())
    ledger.accept(piece(id, 0, 1))
    assert.throws(() => ledger.accept(piece(id, 0, 1)), { code: 'RUNNER_PROTOCOL' })
  })

  test('tells every batch under way that it is lost, once', () => {
    const ledger = new BatchLedger()
    const [done, open] = [new Recorder(), new Recorder()]
    const id = ledger.add(1, done)
    ledger.add(1, open)
    ledger.accept(piece(id, 0, 1))
    const error = new EdgebootError('RUNNER_EXITED', 'gone')
    ledger.lose(error)
    ledger.lose(error)
    assert.deepEqual([done.losses, open.losses], [[], [error]])
  })

  const gone = new EdgebootError('RUNNER_EXITED', 'gone')

  test('tells the oldest batch which of its items the runner was on, and no other', () => {
    const ledger = new BatchLedger()
    const [served, waiting] = [new Recorder(), new Recorder()]
    const batchId = ledger.add(4, served)
    ledger.add(4, waiting)
    ledger.accept(piece(batchId, 0, 1))
    ledger.lose(gone, { batchId, index: 2 })
    assert.deepEqual([served.lostOn, waiting.lostOn], [[2], [undefined]])
  })

  // Whatever is in a memory that a model may write to: no item that it could not have been is named.
  for (const [title, progress] of [
    ['a batch that is not the oldest', { batchId: 2, index: 2 }],
    ['a batch that nobody knows', { batchId: 99, index: 2 }],
    ['an item that has its outcome', { batchId: 1, index: 0 }],
    ['an item beyond the last', { batchId: 1, index: 4 }],
    ['nothing', undefined],
  ] as const) {
    test(`names no item when the runner claims to have been on ${title}`, () => {
      const ledger = new BatchLedger()
      const [served, waiting] = [new Recorder(), new Recorder()]
      ledger.add(4, served)
      ledger.add(4, waiting)
      ledger.accept(piece(1, 0, 1))
      ledger.lose(gone, progress)
      assert.deepEqual([...served.lostOn, ...waiting.lostOn], [undefined, undefined])
    })
  }

  test('has nobody to tell when nothing is under way', () => {
    new BatchLedger().lose(gone, { batchId: 1, index: 0 })
  })

  test('lets a listener give the next batch while it is told of the last', () => {
    const ledger = new BatchLedger()
    let next: number | undefined
    const id = ledger.add(1, {
      outcomes: () => (next = ledger.add(1, new Recorder())),
      lost: assert.fail,
    })
    ledger.accept(piece(id, 0, 1))
    assert.equal(ledger.size, 1)
    ledger.accept(piece(next ?? 0, 0, 1))
    assert.equal(ledger.size, 0)
  })
})
