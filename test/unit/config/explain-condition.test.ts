import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { explainCondition, type ConditionFinding } from '../../../src/config/explain-condition.ts'
import { compilePredicate } from '../../../src/config/predicate.ts'
import { translatePybootExpression } from '../../../src/config/pyboot-condition.ts'
import { shownValue } from '../../../src/config/shown-value.ts'

const message = {
  deviceInfo: { deviceName: 'pump-2' },
  telemetry: { pressure: 3, temperatur: 12, text: '12', list: [1, 2] },
  kinds: ['x', 'y'],
  name: 'foo',
}

function scopeOf(event: unknown): Parameters<typeof explainCondition>[1] {
  const telemetry =
    typeof event === 'object' && event !== null && 'telemetry' in event ? event.telemetry : {}
  return { event, telemetry, device: 'd', topic: 'plant/x' }
}

function finding(condition: string, event: unknown = message): ConditionFinding | undefined {
  return explainCondition(condition, scopeOf(event))
}

function python(value: string, expression: string, event: unknown = message): string | undefined {
  return finding(translatePybootExpression(value, expression), event)?.found
}

test('says nothing of a condition that holds', () => {
  assert.equal(finding('event.name == "foo" && telemetry.pressure > 2'), undefined)
})

test('shows the value that is there and the one that is wanted', () => {
  assert.deepEqual(finding('event.deviceInfo.deviceName == "pump-1"'), {
    found: 'deviceInfo.deviceName is "pump-2", not "pump-1"',
    actual: '"pump-2"',
    expected: '"pump-1"',
  })
  assert.deepEqual(finding('telemetry.pressure >= 10'), {
    found: 'telemetry.pressure is 3, not >= 10',
    actual: '3',
    expected: '>= 10',
  })
})

test('has what the message says on the left, however it was written', () => {
  assert.equal(finding('10 < telemetry.pressure')?.found, 'telemetry.pressure is 3, not > 10')
})

test('lists the points of a message that has another, and the one that was meant', () => {
  assert.deepEqual(finding('"temperature" in event.telemetry'), {
    found:
      'telemetry has no temperature; it has: pressure, temperatur, text, list (did you mean temperatur?)',
    actual: 'pressure, temperatur, text, list',
    expected: '"temperature"',
  })
})

test('says where the way to a value ends', () => {
  const cases: readonly (readonly [unknown, string])[] = [
    [{}, 'the message has no deviceInfo; it is empty'],
    [
      { deviceinfo: 1 },
      'the message has no deviceInfo; it has: deviceinfo (did you mean deviceinfo?)',
    ],
    [{ deviceInfo: null }, 'deviceInfo is null, and has no deviceName'],
    [[1], 'the message is [1], and has no deviceInfo'],
    ['text', 'the message is "text", and has no deviceInfo'],
  ]
  for (const [event, found] of cases) {
    assert.equal(finding('event.deviceInfo.deviceName == "p"', event)?.found, found)
  }
  assert.equal(
    finding('telemetry.list[5] == 1')?.found,
    'telemetry.list has 2 items, and none at 5',
  )
  assert.equal(
    finding('telemetry.t > 1', { a: 1 })?.found,
    'the message has no telemetry; it has: a',
  )
})

test('tells of the conjunct that is false, before one that cannot be asked', () => {
  const condition = 'telemetry.absent > 1 && telemetry.temperatur > 80 && telemetry.pressure < 5'
  assert.equal(finding(condition)?.found, 'telemetry.temperatur is 12, not > 80')
})

test('tells of every alternative of ||, since none of them holds', () => {
  assert.equal(
    finding('event.name == "a" || telemetry.pressure == 4')?.found,
    'name is "foo", not "a"; and telemetry.pressure is 3, not 4',
  )
})

test('tells what cannot be compared', () => {
  assert.equal(
    finding('telemetry.text > 80')?.found,
    'telemetry.text is "12" (a text), which cannot be compared with 80 (a number)',
  )
})

test('shows the places that a call asks about', () => {
  assert.equal(
    finding('event.name.startsWith("bar")')?.found,
    'event.name.startsWith("bar") is false: name is "foo"',
  )
  assert.equal(
    finding('has(event.x)')?.found,
    'has(event.x) is false: the message has no x; it has: deviceInfo, telemetry, kinds, name',
  )
  assert.equal(finding('event.kinds')?.found, 'event.kinds is ["x", "y"], neither true nor false')
})

test('knows what Python asked for, not what it became', () => {
  const name = "== data_to_dict['deviceInfo']['deviceName']"
  assert.equal(python('三厂', name), 'deviceInfo.deviceName is "pump-2", not "三厂"')
  assert.equal(
    python('p', 'in data_to_dict["telemetry"]'),
    'telemetry has no p; it has: pressure, temperatur, text, list',
  )
  assert.equal(python('x', "not in data_to_dict['kinds']"), '"x" is in kinds, and must not be')
  assert.equal(
    python('x', "and data_to_dict['telemetry']['pressure'] > 5"),
    'telemetry.pressure is 3, not > 5',
  )
  assert.equal(
    python(
      '',
      "or data_to_dict['kinds'][-1] == 'q' or data_to_dict['telemetry']['pressure'] in (1, 2)",
    ),
    'kinds[-1] is "y", not "q"; and telemetry.pressure is 3, which is not in [1, 2]',
  )
  assert.equal(
    python('', "or not data_to_dict['name']"),
    'name is "foo", and it must be false or empty',
  )
})

test('stays short and steers no terminal, whatever a message holds', () => {
  const long = 'x'.repeat(1_000_000)
  const event = {
    name: long,
    telemetry: Object.fromEntries(
      Array.from({ length: 26 }, (_, i) => [`${i}\u001b[2J${long.slice(0, 1000)}`, 1]),
    ),
  }
  for (const condition of ['event.name == "a"', '"t" in event.telemetry', 'event == "x"']) {
    const text = JSON.stringify(finding(condition, event))
    assert.ok(text.length < 1000, text)
    assert.doesNotMatch(text, /\\u001b/)
  }
})

test('agrees with the predicate that matches messages, on whatever message', () => {
  const conditions = [
    'event.deviceInfo.deviceName == "pump-1"',
    '"t" in event.telemetry',
    'telemetry.t > 80 && telemetry.u in [1, "a", true]',
    'has(event.x) || event.kinds.exists(k, k == "z")',
    '!(event.name == "foo") || event.list[0] > event.list[1]',
    'telemetry.t ? event.x : event.y',
    'event.name',
    translatePybootExpression(
      'a',
      "in data_to_dict['name'] or data_to_dict['t'] > data_to_dict['u']",
    ),
    translatePybootExpression(
      'a',
      "and data_to_dict['list'][-1] != 5 and not data_to_dict['name']",
    ),
  ]
  const keys = [
    'deviceInfo',
    'deviceName',
    'telemetry',
    't',
    'u',
    'x',
    'y',
    'name',
    'kinds',
    'list',
    '',
  ]
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof(
      { maxDepth: 4 },
      fc.constantFrom<unknown>('pump-1', 'foo', 'a', '', 0, 1, 81, -0.5, 1e300, true, false, null),
      fc.array(tie('tree'), { maxLength: 3 }),
      fc.dictionary(fc.constantFrom(...keys), tie('tree'), { maxKeys: 5 }),
    ),
  }))
  fc.assert(
    fc.property(fc.constantFrom(...conditions), tree, (condition, event) => {
      const scope = scopeOf(event)
      const found = explainCondition(condition, scope)
      assert.equal(found === undefined, compilePredicate(condition)(scope).ok)
      for (const text of Object.values(found ?? {}))
        assert.ok(text.length > 0 && text.length < 1500)
    }),
    { numRuns: 2000 },
  )
})

test('shows a value in a line of its own kind', () => {
  const shown = [
    undefined,
    null,
    1.5,
    10n,
    true,
    'a"b',
    [],
    [1, [2, [3, [4]]]],
    {},
    { a: 1, 'b c': 2 },
  ]
  assert.deepEqual(shown.map(shownValue), [
    'undefined',
    'null',
    '1.5',
    '10',
    'true',
    '"a\\"b"',
    '[]',
    '[1, [2, [3, […]]]]',
    'an empty map',
    'a map of a, "b c"',
  ])
})
