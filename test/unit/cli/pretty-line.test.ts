import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { prettyLine } from '../../../src/cli/pretty-line.ts'

function pretty(fields: Record<string, unknown>): string {
  const line = { level: 'info', time: '2026-11-23T12:00:00.000Z', event: 'x', ...fields }
  return prettyLine(JSON.stringify(line), false).replace(/^\S+ /, '')
}

test('shows level, event and key=value', () => {
  assert.equal(
    pretty({ event: 'runner.lost', level: 'warn', pipeline: '水泵', delayMs: 200, ok: true }),
    'WARN  runner.lost pipeline=水泵 delayMs=200 ok=true\n',
  )
})

test('puts in quotes what would be mistaken otherwise', () => {
  assert.equal(
    pretty({ a: 'two words', b: '', c: 'x=y', d: '"', e: 'back\\slash' }),
    'INFO  x a="two words" b="" c="x=y" d="\\"" e="back\\\\slash"\n',
  )
})

test('shows objects and lists as JSON', () => {
  assert.equal(pretty({ a: { b: [1, null] } }), 'INFO  x a={"b":[1,null]}\n')
})

test('shows a text of several lines below, indented', () => {
  assert.equal(
    pretty({ traceback: 'Traceback:\n\tindex.py:3\nValueError: no\n', pipeline: 'a' }),
    'INFO  x pipeline=a\n  traceback:\n    Traceback:\n      index.py:3\n    ValueError: no\n',
  )
})

test('shows no character that steers a terminal, wherever it comes from', () => {
  const hostile = fc.string({
    unit: fc.constantFrom('\u001b', '[', '2', 'J', '\u009b', '\r', '\b', '\n', '\u202e', 'a', ' '),
  })
  fc.assert(
    fc.property(hostile, hostile, hostile, (key, value, event) => {
      const text = pretty({ [`k${key}`]: value, event, nested: { [key]: [value] } })
      const bad = /[\p{Cc}\p{Cf}]/u.exec(text.replaceAll('\n', ''))
      assert.equal(bad, null, JSON.stringify(text))
    }),
  )
})
