import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { pathCharsMax, readEventPath } from '../../../../src/config/manifest/event-path.ts'

test('reads keys, keys in quotes and indices', () => {
  const cases = {
    'telemetry.temperature': ['telemetry', 'temperature'],
    'telemetry["flow rate"]': ['telemetry', 'flow rate'],
    "telemetry['a\"b'].c": ['telemetry', 'a"b', 'c'],
    'telemetry["a\\"\\u00e9"]': ['telemetry', 'a"é'],
    'telemetry.spectrum[3][0]': ['telemetry', 'spectrum', 3, 0],
    '[0].x': [0, 'x'],
    '遥测.温度-1': ['遥测', '温度-1'],
    '[""]': [''],
  }
  for (const [text, steps] of Object.entries(cases)) {
    assert.deepEqual(readEventPath(text), { steps }, text)
  }
})

test('says what is wrong, and at which character', () => {
  const cases = {
    '': [/ends too early/, 0],
    'a.': [/ends too early/, 2],
    'a..b': [/from "\.b" on/, 2],
    '.a': [/cannot be read/, 0],
    'a b': [/from " b" on/, 1],
    'a[-1]': [/from "\[-1\]" on/, 1],
    'a["b]': [/cannot be read/, 1],
    'a.3': [/the number 3/, 2],
    'a.__proto__': [/__proto__/, 2],
    'a["__proto__"].b': [/__proto__/, 1],
    'a[99999999]': [/index above/, 1],
  } as const
  for (const [text, [fault, offset]] of Object.entries(cases)) {
    const read = readEventPath(text)
    assert.ok('fault' in read, text)
    assert.match(read.fault, fault)
    assert.equal(read.offset, offset, text)
  }
})

test('bounds its length and its depth', () => {
  assert.match(JSON.stringify(readEventPath('a'.repeat(pathCharsMax + 1))), /longer than/)
  assert.match(JSON.stringify(readEventPath(Array(65).fill('a').join('.'))), /more than 64 steps/)
})

test('reads back any keys in quotes, and never throws', () => {
  const step = fc.oneof(
    fc.string().filter((key) => key !== '__proto__' && key.length < 100),
    fc.nat(2 ** 23),
  )
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 8 }), (steps) => {
      const text = steps.map((one) => `[${JSON.stringify(one)}]`).join('')
      if (text.length <= pathCharsMax) assert.deepEqual(readEventPath(text), { steps })
    }),
  )
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      readEventPath(text)
    }),
  )
})
