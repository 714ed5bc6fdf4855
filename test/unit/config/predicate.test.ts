import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { compilePredicate } from '../../../src/config/predicate.ts'
import { EdgebootError } from '../../../src/core/errors.ts'

const event = {
  deviceInfo: { deviceName: 'pump-1' },
  telemetry: { temperature: 81.5, count: 3, on: true, text: 'abc', list: [1, 'two'] },
}

function outcome(expression: string, message: unknown = event): { ok: boolean; reason?: string } {
  const telemetry = (message as { telemetry?: unknown } | null)?.telemetry
  return compilePredicate(expression)({
    event: message,
    telemetry,
    device: 'pump-1',
    topic: 'plant/a/telemetry',
  })
}

for (const expression of [
  'telemetry.temperature > 80',
  'telemetry.count == 3',
  'telemetry.count in [1, 2, 3]',
  '"temperature" in telemetry',
  '"b" in telemetry.text',
  '"two" in telemetry.list',
  'device == "pump-1" && topic.startsWith("plant/")',
  'data_to_dict["deviceInfo"]["deviceName"] == "pump-1"',
  'has(event.telemetry.on) && telemetry.on',
]) {
  test(`holds: ${expression}`, () => assert.deepEqual(outcome(expression), { ok: true }))
}

for (const [expression, message, reason] of [
  ['telemetry.temperature > 90', event, 'not true: telemetry.temperature > 90'],
  ['telemetry.pressure > 1', event, 'No such key: pressure, in telemetry.pressure > 1'],
  ['telemetry.text > 1', event, 'no such overload: dyn<string> > int, in telemetry.text > 1'],
  [
    'telemetry.temperature',
    event,
    'gives a number instead of true or false, in telemetry.temperature',
  ],
  ['telemetry.a > 1', {}, 'the message has no telemetry, in telemetry.a > 1'],
  ['event.a.b == 1', { a: null }, 'No such key: b, in event.a.b == 1'],
] as const) {
  test(`does not hold and says why: ${expression}`, () => {
    assert.deepEqual(outcome(expression, message), { ok: false, reason })
  })
}

test('sees own keys alone', () => {
  assert.equal(outcome('"toString" in event').ok, false)
  assert.equal(outcome('event.constructor == 1').ok, false)
  assert.equal(outcome('event["__proto__"] == 1').ok, false)
})

for (const [expression, named, offset] of [
  ['telemetry.a >', 'Unexpected token: EOF', 13],
  ['telemetri.a > 1', 'Unknown variable: telemetri', 0],
  ['size(1, 2, 3)', 'size', 0],
  ['1 + 1', 'it gives int, not true or false', 0],
  ['"x" < 5', 'no such overload', 0],
  ['telemetry.a = 1', 'Unexpected character', 12],
] as const) {
  test(`refuses ${expression} with a caret under the place`, () => {
    assert.throws(
      () => compilePredicate(expression),
      (error: unknown) => {
        assert.ok(error instanceof EdgebootError)
        assert.equal(error.code, 'CONFIG_INVALID')
        assert.ok(error.message.includes(named), error.message)
        assert.equal(error.details['offset'], offset)
        assert.ok(
          error.message.endsWith(`\n  ${expression}\n  ${' '.repeat(offset)}^`),
          error.message,
        )
        return true
      },
    )
  })
}

test('never throws anything but its own error for hostile text, and never while evaluating', () => {
  const piece = fc.constantFrom(
    'event',
    'telemetry',
    '.a',
    '["a"]',
    '(',
    ')',
    '[',
    ']',
    '{',
    '}',
    '==',
    '&&',
    '||',
    '!',
    '?',
    ':',
    '1',
    '"x"',
    'b"',
    "r'",
    '\\',
    '\u0000',
    '😀',
    'matches',
    'has(',
    '.all(x, x)',
    '1e999',
    '-',
    'in',
    'pyItem(',
    'pyLess(',
  )
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.array(piece, { maxLength: 12 }).map((parts) => parts.join('')),
  )
  fc.assert(
    fc.property(text, fc.jsonValue(), (expression, message) => {
      let predicate
      try {
        predicate = compilePredicate(expression)
      } catch (thrown) {
        if (thrown instanceof EdgebootError && thrown.code === 'CONFIG_INVALID') return
        throw thrown
      }
      const result = predicate({ event: message, telemetry: message, device: '', topic: '' })
      assert.ok(result.ok || result.reason !== '')
    }),
    { numRuns: 600 },
  )
})

test('refuses nesting without end', () => {
  assert.throws(() => compilePredicate(`${'('.repeat(9000)}true${')'.repeat(9000)}`), {
    code: 'CONFIG_INVALID',
  })
})
