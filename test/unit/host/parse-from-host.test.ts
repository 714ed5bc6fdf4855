import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { EdgebootError, toWireError } from '../../../src/core/errors.ts'
import type { FromHost } from '../../../src/host/host-messages.ts'
import { parseFromHost, reasonCharsMax } from '../../../src/host/parse-from-host.ts'
import { emptyStats } from '../../../src/pipeline/ledger.ts'
import { emptyTrail } from '../../../src/pipeline/trail.ts'

const overTheWire = (message: object): Record<string, unknown> =>
  JSON.parse(JSON.stringify(message)) as Record<string, unknown>

const entry = { topic: 'in/a', device: 'd', ending: 'empty', at: 1, latencyMs: 0.5 } as const
const error = new EdgebootError('MODEL_SYNTAX', 'no', { details: { where: 'index.py:1', n: 1 } })
const reasons = { empty: { text: 'why', at: 1 } }
const trail = { remembered: 2, byEnding: { published: 1, empty: 1 }, last: [entry], reasons }
const genuine: readonly FromHost[] = [
  { type: 'state', state: 'READY', reason: '', engine: 'Python 3.11.2' },
  { type: 'state', state: 'BACKOFF', reason: 'input: nothing listens there' },
  { type: 'stats', stats: emptyStats() },
  { type: 'stats', requestId: 0, stats: { ...emptyStats(), recovered: -1 } },
  { type: 'trail', requestId: 3, trail: emptyTrail },
  { type: 'trail', requestId: 3, trail },
  { type: 'log', level: 'warn', event: 'model.print', fields: { line: 'x', deep: { a: [1] } } },
  { type: 'failed', error: toWireError(error) },
]

test('what a host tells is what it told', () => {
  for (const message of genuine) assert.deepEqual(parseFromHost(overTheWire(message)), message)
})

test('what is not in form is refused', () => {
  const stats = emptyStats()
  const forged: readonly object[] = [
    {},
    { type: '__proto__' },
    { type: ['state'] },
    { type: 'state', state: 'VERIFYING', reason: '' },
    { type: 'state', state: 'READY' },
    { type: 'state', state: 'READY', reason: 'x'.repeat(reasonCharsMax + 1) },
    { type: 'state', state: 'READY', reason: '', engine: {} },
    { type: 'stats' },
    { type: 'stats', requestId: '1', stats },
    { type: 'stats', stats: { ...stats, received: '1' } },
    { type: 'stats', stats: { ...stats, received: null } },
    { type: 'stats', stats: { ...stats, received: 1e300 } },
    { type: 'stats', stats: { ...stats, more: 1 } },
    { type: 'stats', stats: { ...stats, dropped: { ...stats.dropped, more: 1 } } },
    { type: 'stats', stats: { ...stats, latency: { counts: [1], sumMs: 1 } } },
    { type: 'trail', trail: emptyTrail },
    { type: 'trail', requestId: 1, trail: { ...emptyTrail, byEnding: { more: 1 } } },
    { type: 'trail', requestId: 1, trail: { ...emptyTrail, last: [{ ...entry, ending: 'x' }] } },
    { type: 'trail', requestId: 1, trail: { ...emptyTrail, last: { length: 1 } } },
    { type: 'trail', requestId: 1, trail: { ...emptyTrail, reasons: { empty: 'why' } } },
    { type: 'log', level: 'fatal', event: 'model.log', fields: {} },
    { type: 'log', level: 'info', event: 'two words', fields: {} },
    { type: 'log', level: 'info', event: 'model.log', fields: [] },
    { type: 'failed', error: { code: 'toString', message: '', fix: '', details: {} } },
    { type: 'failed', error: { code: 'HOST_EXITED', message: '', fix: '' } },
    { type: 'failed' },
  ]
  for (const message of forged) {
    assert.throws(() => parseFromHost(overTheWire(message)), { code: 'HOST_PROTOCOL' })
  }
})

test('a host cannot speak in the name of another pipeline', () => {
  const fields = { pipeline: 'p', rule: 'r', successor: true, line: 'x' }
  const line = parseFromHost({ type: 'log', level: 'info', event: 'model.log', fields })
  assert.deepEqual(line.type === 'log' && line.fields, { line: 'x' })
  const wire = { ...toWireError(error), details: { rule: 'r', where: 5, n: 1 } }
  const failed = parseFromHost({ type: 'failed', error: wire })
  assert.deepEqual(failed.type === 'failed' && failed.error.details, { n: 1 })
})

test('whatever is put in the place of any part of a message, it is taken or refused', () => {
  const parts = fc.constantFrom(...genuine.flatMap((message) => placesIn(overTheWire(message))))
  fc.assert(
    fc.property(parts, fc.jsonValue(), ({ message, path }, value) => {
      try {
        parseFromHost(withValueAt(message, path, value))
      } catch (thrown) {
        assert.equal((thrown as EdgebootError).code, 'HOST_PROTOCOL')
      }
    }),
    { numRuns: 2000 },
  )
})

interface Place {
  readonly message: Record<string, unknown>
  readonly path: readonly string[]
}

function placesIn(message: Record<string, unknown>): Place[] {
  const below = (value: unknown, path: readonly string[]): Place[] =>
    typeof value !== 'object' || value === null
      ? [{ message, path }]
      : [
          { message, path },
          ...Object.entries(value).flatMap(([key, inner]) => below(inner, [...path, key])),
        ]
  return below(message, []).filter(({ path }) => path.length > 0)
}

function withValueAt(
  message: Record<string, unknown>,
  path: readonly string[],
  value: unknown,
): Record<string, unknown> {
  const copy = structuredClone(message)
  let at = copy
  for (const key of path.slice(0, -1)) at = at[key] as Record<string, unknown>
  at[path.at(-1) ?? ''] = value
  return copy
}
