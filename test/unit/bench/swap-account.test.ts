import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isFlawless, SwapAccount, type SwapTotals } from '../../../bench/swap-account.ts'

/** Two keys with three messages each, and what of them is answered: key, number, version. */
function totalsOf(...answers: readonly (readonly [number, number, number])[]): SwapTotals {
  const account = new SwapAccount(2)
  for (const key of [0, 1, 0, 1, 0, 1]) account.send(key)
  for (const [key, n, version] of answers) account.answer({ key, n, version })
  return account.totals
}

const rest = [
  [1, 0, 1],
  [1, 1, 2],
  [1, 2, 2],
] as const
const flawless = { sent: 6, lost: 0, duplicates: 0, disordered: 0, backwards: 0, strange: 0 }

describe('the account of the swap bench', () => {
  test('finds no fault where each message has one result, in order, and versions only rise', () => {
    const totals = totalsOf([0, 0, 1], [0, 1, 1], [0, 2, 2], ...rest)
    assert.deepEqual(totals, flawless)
    assert.ok(isFlawless(totals))
  })

  for (const [fault, answers, found] of [
    [
      'a result that never came',
      [
        [0, 0, 1],
        [0, 2, 2],
      ],
      { lost: 1 },
    ],
    [
      'the last result that never came',
      [
        [0, 0, 1],
        [0, 1, 2],
      ],
      { lost: 1 },
    ],
    [
      'a result that came twice',
      [
        [0, 0, 1],
        [0, 1, 1],
        [0, 1, 1],
        [0, 2, 2],
      ],
      { duplicates: 1 },
    ],
    [
      'one that was overtaken',
      [
        [0, 0, 1],
        [0, 2, 1],
        [0, 1, 1],
      ],
      { disordered: 1 },
    ],
    [
      'an older version',
      [
        [0, 0, 1],
        [0, 1, 2],
        [0, 2, 1],
      ],
      { backwards: 1 },
    ],
    [
      'a number that was not sent',
      [
        [0, 0, 1],
        [0, 1, 1],
        [0, 2, 1],
        [0, 3, 1],
      ],
      { strange: 1 },
    ],
    [
      'a key that there is not',
      [
        [0, 0, 1],
        [0, 1, 1],
        [0, 2, 1],
        [2, 0, 1],
      ],
      { strange: 1 },
    ],
    [
      'one that came late, twice and of an older version',
      [
        [0, 2, 2],
        [0, 0, 2],
        [0, 0, 1],
        [0, 1, 1],
      ],
      { duplicates: 1, disordered: 2, backwards: 2 },
    ],
  ] as const) {
    test(`finds ${fault}`, () => {
      const totals = totalsOf(...answers, ...rest)
      assert.deepEqual(totals, { ...flawless, ...found })
      assert.ok(!isFlawless(totals))
    })
  }

  test('counts a message as lost until its first result, and tells which that is', () => {
    const account = new SwapAccount(1)
    const n = account.send(0)
    assert.equal(account.totals.lost, 1)
    assert.equal(account.answer({ key: 0, n, version: 1 }), true)
    assert.equal(account.answer({ key: 0, n, version: 1 }), false)
    assert.equal(account.totals.lost, 0)
  })
})
