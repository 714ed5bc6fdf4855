import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseExactJson } from '../../../../src/core/exact-json.ts'
import { type Expectation, toleranceDefault } from '../../../../src/models/model-sample.ts'
import type { InferOutcome } from '../../../../src/runtime/runner.ts'
import { compareOutcome } from '../../../../src/runtime/samples/compare-outcome.ts'

const value = (text: string): InferOutcome => ({ kind: 'value', payload: Buffer.from(text) })
const expect = (text: string): Expectation => ({ kind: 'result', value: parseExactJson(text) })
const raised: InferOutcome = {
  kind: 'error',
  error: { type: 'ValueError', message: 'too hot', where: 'index.py:7' },
}

function compare(
  expected: Expectation,
  outcome: InferOutcome,
  tolerance = toleranceDefault,
): string | undefined {
  return compareOutcome(
    { label: 'tests/a.json', event: '{}', context: {}, expected, tolerance },
    outcome,
  )
}

test('takes the same result, keys in any order', () => {
  assert.equal(
    compare(expect('{"a":[1,{"b":null}],"c":"x"}'), value('{"c":"x","a":[1,{"b":null}]}')),
    undefined,
  )
})

test('names the place of the first difference, what came and what was expected', () => {
  const cases = [
    [
      '{"score":0.5}',
      '{"score":0.7}',
      'result.score is 0.7, expected 0.5 (tolerance 0.000001 + 0.000001 × 0.5)',
    ],
    [
      '{"a":[1,2]}',
      '{"a":[1,3]}',
      'result.a[1] is 3, expected 2 (tolerance 0.000001 + 0.000001 × 2)',
    ],
    ['{"a":[1,2]}', '{"a":[1]}', 'result.a has 1 elements, expected 2'],
    ['{"a b":1}', '{}', 'result["a b"] is missing, expected 1'],
    ['{}', '{"extra":true}', 'result.extra is true, and is not expected'],
    ['"1"', '1', 'result is 1, expected "1"'],
    ['true', '1', 'result is 1, expected true'],
    ['null', '{"a":1}', 'result is {"a":1}, expected null'],
    [
      '9007199254740993',
      '9007199254740992',
      'result is 9007199254740992, expected 9007199254740993',
    ],
    ['[1]', 'no json', 'the result is no JSON: no json, expected [1]'],
  ] as const
  for (const [expected, got, clause] of cases) {
    assert.equal(compare(expect(expected), value(got)), `tests/a.json: ${clause}`)
  }
})

test('lets numbers differ by the tolerance of the sample', () => {
  const tolerance = { absolute: 0.1, relative: 0.01 }
  assert.equal(compare(expect('100'), value('101.1'), tolerance), undefined)
  assert.match(compare(expect('100'), value('101.2'), tolerance) ?? '', /is 101.2, expected 100/)
  assert.match(compare(expect('100'), value('98.8'), tolerance) ?? '', /is 98.8/)
})

test('an error is a difference unless it is the expected one', () => {
  assert.equal(compare({ kind: 'error', type: 'ValueError' }, raised), undefined)
  const text = 'tests/a.json: it raised ValueError: too hot at index.py:7, expected '
  assert.equal(compare({ kind: 'error', type: 'KeyError' }, raised), `${text}KeyError`)
  assert.equal(compare(expect('1'), raised), `${text}1`)
  assert.equal(compare({ kind: 'nothing' }, raised), `${text}nothing to publish`)
  assert.equal(compare({ kind: 'anything' }, raised), `${text}any result`)
  const instead = 'tests/a.json: the result is 3, expected a ValueError'
  assert.equal(compare({ kind: 'error', type: 'ValueError' }, value('3')), instead)
})

test('nothing to publish is an answer of its own', () => {
  assert.equal(compare({ kind: 'nothing' }, { kind: 'empty' }), undefined)
  assert.equal(compare({ kind: 'anything' }, { kind: 'empty' }), undefined)
  assert.equal(
    compare({ kind: 'nothing' }, value('0')),
    'tests/a.json: the result is 0, expected nothing to publish',
  )
  const clause = 'tests/a.json: it gave nothing to publish, expected {"a":1}'
  assert.equal(compare(expect('{"a":1}'), { kind: 'empty' }), clause)
})

test('cuts what is long', () => {
  const clause = compare(expect('1'), value(JSON.stringify('x'.repeat(10_000))))
  assert.ok(clause !== undefined && clause.length < 300)
})
