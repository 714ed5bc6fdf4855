import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { encodeJsonResult, ResultError } from '../../../src/runtime/json-result.ts'

const encode = (result: unknown, bytesMax = 1000) => encodeJsonResult(result, bytesMax)
const textOf = (result: unknown): string | undefined => {
  const outcome = encode(result, 1e6)
  return outcome.kind === 'value' ? Buffer.from(outcome.payload).toString() : undefined
}

describe('encodeJsonResult', () => {
  test('publishes what JSON.stringify writes', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = JSON.stringify(value)
        fc.pre(!['null', '{}', '"null"', '"{}"'].includes(text))
        assert.equal(textOf(value), text)
      }),
    )
  })

  for (const result of [undefined, null, 'null', '{}', {}, { a: undefined }]) {
    test(`publishes nothing for ${JSON.stringify(result) ?? 'undefined'}`, () => {
      assert.deepEqual(encode(result), { kind: 'empty' })
    })
  }

  for (const result of ['', 0, false, [], [null], { a: null }, { a: {} }, '{ }']) {
    test(`publishes ${JSON.stringify(result)}`, () => {
      assert.equal(textOf(result), JSON.stringify(result))
    })
  }

  test('publishes bytes as they are, none included', () => {
    const payload = Uint8Array.from([0, 255])
    assert.deepEqual(encode(payload), { kind: 'value', payload })
    assert.equal(encode(new Uint8Array(0)).kind, 'value')
  })

  test('publishes what toJSON makes of an object', () => {
    assert.equal(
      textOf({ at: new Date(0), gone: new Date(Number.NaN) }),
      '{"at":"1970-01-01T00:00:00.000Z","gone":null}',
    )
  })

  for (const [what, result] of [
    ['NaN', Number.NaN],
    ['a deep infinity', { a: [{ b: Number.NEGATIVE_INFINITY }] }],
    ['a function', () => 1],
    ['a function in a list', [() => 1]],
    ['an object of functions', { run: () => 1 }],
    ['a symbol', Symbol('s')],
    ['a BigInt', { a: 1n }],
    ['a Map', new Map([[1, 2]])],
    ['a Set in an object', { a: new Set([1]) }],
  ] as const) {
    test(`refuses ${what}`, () => {
      assert.throws(() => encode(result), ResultError)
    })
  }

  test('refuses a value that contains itself', () => {
    const cycle: Record<string, unknown> = {}
    cycle['self'] = cycle
    assert.throws(() => encode(cycle), /contains itself/)
  })

  test('names the place of what it refuses', () => {
    const result = { pumps: [{ power: Number.NaN }] }
    assert.throws(() => encode(result), /the result\.pumps\.0\.power is NaN/)
  })

  test('refuses what is too large to be published', () => {
    assert.throws(() => encode('x'.repeat(10), 11), /12 bytes; at most 11/)
  })

  test("passes on what the model's own toJSON throws", () => {
    const result = {
      toJSON: () => {
        throw new RangeError('theirs')
      },
    }
    assert.throws(() => encode(result), RangeError)
  })
})
