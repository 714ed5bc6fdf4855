import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import test from 'node:test'
import fc from 'fast-check'
import { compilePredicate } from '../../../src/config/predicate.ts'
import { translatePybootExpression } from '../../../src/config/pyboot-condition.ts'
import { EdgebootError } from '../../../src/core/errors.ts'
import { needs } from '../../support/requirements.ts'

function holds(value: string, expression: string, event: unknown): boolean {
  const predicate = compilePredicate(translatePybootExpression(value, expression))
  return predicate({ event, device: '', topic: '' }).ok
}

function refusal(value: string, expression: string): EdgebootError {
  try {
    translatePybootExpression(value, expression)
  } catch (thrown) {
    assert.ok(thrown instanceof EdgebootError)
    assert.equal(thrown.code, 'CONFIG_INVALID')
    return thrown
  }
  throw new Error(`was not refused: ${expression}`)
}

test("translates pyboot's two conditions to plain CEL", () => {
  assert.equal(
    translatePybootExpression('设备3', "== data_to_dict['deviceInfo']['deviceName']"),
    'event.deviceInfo.deviceName == "设备3"',
  )
  assert.equal(
    translatePybootExpression('p', 'in data_to_dict["telemetry"]'),
    '"p" in event.telemetry',
  )
})

test('quotes a key that is no name in CEL', () => {
  assert.equal(
    translatePybootExpression('x', "== data_to_dict['a b']['in']"),
    'event["a b"]["in"] == "x"',
  )
})

test('takes an attrValue with quotes, backslashes, line breaks and emoji as text', () => {
  const value = "it's a \"test\" \\ \n \t \u0000 😀 ${x} ' or True or '"
  assert.equal(holds(value, "== data_to_dict['d']", { d: value }), true)
  assert.equal(holds(value, "== data_to_dict['d']", { d: 'other' }), false)
})

test('gives `not` a lower precedence than a comparison', () => {
  const expression = "and not data_to_dict['a'] == 'x'"
  assert.equal(holds('v', expression, { a: 'y' }), true)
  assert.equal(holds('v', expression, { a: 'x' }), false)
})

test('gives up when the first half of an `or` fails, as Python does', () => {
  const expression = "and (data_to_dict['missing'] == 'x' or True)"
  assert.equal(holds('v', expression, {}), false)
})

test('does not turn a failure into success through `not`', () => {
  assert.equal(holds('v', "and not (data_to_dict['missing'] == 'x' and False)", {}), false)
})

test('finds text inside of text, as Python does', () => {
  assert.equal(holds('pump', "in data_to_dict['name']", { name: 'north-pump-1' }), true)
})

test('takes True for 1, as Python does', () => {
  assert.equal(holds('v', "and data_to_dict['a'] == 1", { a: true }), true)
})

test('treats an empty expression as the truth of the value', () => {
  assert.equal(holds('v', '', {}), true)
  assert.equal(holds('', '', {}), false)
})

for (const [expression, named, offset] of [
  ['== 1 < 2', 'chains comparisons: a second <', 5],
  ["== data_to_dict['a'] in ['x']", 'chains comparisons: a second in', 21],
  ["== data_to_dict.get('a')", 'attribute get', 15],
  ["== str(data_to_dict['a'])", 'uses str', 3],
  ["== data_to_dict['a'](1)", 'calls a function', 20],
  ["== data_to_dict['a'] + 'x'", '+', 21],
  ["== -data_to_dict['a']", 'calculates with -', 3],
  ['and lambda: 1', 'uses lambda', 4],
  ["in [x for x in data_to_dict['a']]", 'uses x', 4],
  ["== f'{data_to_dict}'", 'prefix f', 3],
  ["== '''x'''", 'triple quotes', 3],
  ["== 'x", "closing '", 3],
  ["is data_to_dict['a']", 'is', 0],
  ["in data_to_dict['a'][1:2]", 'slice', 20],
  ["== ('a', 'b')", 'tuple', 3],
  ['in {1, 2}', '{', 3],
  ['== 12345678901234567890', 'too large', 3],
  ["and (data_to_dict['a'] or 1) == 1", 'compares what `or` gives', 5],
  ["== data_to_dic['a']", 'did you mean data_to_dict?', 3],
  ['==', 'ends too early', 2],
  ["== data_to_dict['a'", ']', 19],
  ['; import os', ';', 0],
] as const) {
  test(`refuses ${expression} and names the place`, () => {
    const error = refusal('v', expression)
    assert.ok(error.message.includes(named), error.message)
    assert.equal(error.details['offset'], offset)
  })
}

test('refuses nesting that no condition needs instead of running out of stack', () => {
  const expression = `== ${'('.repeat(2000)}1${')'.repeat(2000)}`
  assert.match(refusal('v', expression).message, /nested too deep/)
})

const seed = Number(process.env['EDGEBOOT_TEST_SEED'] ?? Date.now() % 2 ** 31)

test('never throws anything but its own error for hostile text', () => {
  const piece = fc.constantFrom(
    '==',
    'in',
    'not',
    'and',
    'or',
    "data_to_dict['a']",
    '(',
    ')',
    '[',
    ']',
    "'",
    '"',
    '\\',
    '1',
    '.5',
    '0x',
    '1e9',
    '__import__("os")',
    '\u0000',
    '\n',
    '😀',
    '\ud800',
    'True',
    'None',
    '-',
    '{',
    '}',
    '`',
    '$',
    '&&',
    ' ',
  )
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.array(piece, { maxLength: 12 }).map((parts) => parts.join(' ')),
  )
  fc.assert(
    fc.property(text, text, fc.jsonValue(), (value, expression, event) => {
      try {
        assert.equal(typeof holds(value, expression, event), 'boolean')
      } catch (thrown) {
        if (!(thrown instanceof EdgebootError) || thrown.code !== 'CONFIG_INVALID') throw thrown
      }
    }),
    { seed, numRuns: 600 },
  )
})

/** Keys that events have and expressions ask for; some of each never meet. */
const key = fc.constantFrom('a', 'b', 'telemetry', '温度', 'k k', 'missing', 'in')
const leaf = fc.oneof(
  fc.constantFrom<unknown>(
    0,
    1,
    -1,
    2,
    0.5,
    1e21,
    100,
    true,
    false,
    null,
    '',
    'a',
    'b',
    'x',
    'ab',
    '😀',
    '\uffff',
    '温度',
  ),
  fc.integer({ min: -5, max: 5 }),
)
const json = fc.letrec<{ value: unknown; event: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    leaf,
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(key, tie('value'), { maxKeys: 4 }),
  ),
  event: fc.dictionary(key, tie('value'), { minKeys: 1, maxKeys: 6 }),
}))

function pythonText(text: string): string {
  return text.includes("'") ? JSON.stringify(text) : `'${text}'`
}

const python = fc.letrec<{ path: string; operand: string; test: string }>((tie) => ({
  path: fc
    .array(
      fc.oneof(
        { weight: 5, arbitrary: key.map(pythonText) },
        { weight: 1, arbitrary: fc.constantFrom('0', '-1', '1') },
      ),
      { minLength: 1, maxLength: 3 },
    )
    .map((steps) => `data_to_dict${steps.map((step) => `[${step}]`).join('')}`),
  operand: fc.oneof(
    { weight: 6, arbitrary: tie('path') },
    {
      weight: 5,
      arbitrary: leaf.map((value) =>
        typeof value === 'string' ? pythonText(value) : pythonLiteral(value),
      ),
    },
    {
      weight: 1,
      arbitrary: fc.array(tie('operand'), { maxLength: 3 }).map((items) => `[${items.join(', ')}]`),
    },
    {
      weight: 1,
      arbitrary: fc.tuple(tie('operand'), tie('operand')).map(([a, b]) => `(${a} == ${b})`),
    },
  ),
  test: fc.oneof(
    { depthSize: 'small' },
    fc
      .tuple(
        tie('operand'),
        fc.constantFrom('==', '!=', '<', '<=', '>', '>=', 'in', 'not in'),
        tie('operand'),
      )
      .map(([a, operator, b]) => `${a} ${operator} ${b}`),
    tie('operand'),
    tie('test').map((inner) => `not ${inner}`),
    tie('test').map((inner) => `(${inner})`),
    fc
      .tuple(tie('test'), fc.constantFrom('and', 'or'), tie('test'))
      .map((parts) => parts.join(' ')),
  ),
}))

function pythonLiteral(value: unknown): string {
  if (value === null) return 'None'
  if (typeof value === 'boolean') return value ? 'True' : 'False'
  return JSON.stringify(value)
}

const expression = fc.oneof(
  fc
    .tuple(
      fc.constantFrom('==', '!=', 'in', 'not in', '<', '>='),
      python.operand,
      fc.constantFrom(' and ', ' or '),
      python.test,
    )
    .map(([operator, operand, join, rest]) => `${operator} ${operand}${join}${rest}`),
  fc.tuple(fc.constantFrom('and ', 'or '), python.test).map((parts) => parts.join('')),
)
const value = fc.constantFrom('a', 'b', 'x', 'telemetry', '温度', '', '😀', "it's")

const needsPython = needs('/usr/bin/python3', 'apt-get install python3')

test(
  "agrees with a real Python's eval on generated conditions and events",
  { skip: needsPython },
  () => {
    const cases = fc.sample(fc.tuple(value, expression, json.event), { seed, numRuns: 800 })
    const script = join(import.meta.dirname, '../../fixtures/config/evaluate-conditions.py')
    const child = spawnSync('/usr/bin/python3', [script], {
      input: JSON.stringify(cases),
      encoding: 'utf8',
      timeout: 60_000,
    })
    assert.equal(child.status, 0, child.stderr)
    const expected = JSON.parse(child.stdout) as boolean[]
    let held = 0
    for (const [index, [text, condition, event]] of cases.entries()) {
      const about = `seed ${seed}: ${pythonText(text)} ${condition} over ${JSON.stringify(event)}`
      let actual: boolean
      try {
        actual = holds(text, condition, event)
      } catch (thrown) {
        assert.ok(thrown instanceof EdgebootError, about)
        throw new Error(`refused, ${about}: ${thrown.message}`, { cause: thrown })
      }
      assert.equal(actual, expected[index], about)
      held += Number(actual)
    }
    assert.ok(
      held > cases.length / 20 && held < cases.length * 0.95,
      `the cases prove nothing: ${held} hold`,
    )
  },
)
