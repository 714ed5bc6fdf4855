import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { durationMsMax, formatDuration, parseDurationMs } from '../../../src/config/duration.ts'

for (const [written, ms] of [
  ['500ms', 500],
  ['10s', 10_000],
  ['2m', 120_000],
  ['1h', 3_600_000],
  ['1d', 86_400_000],
  ['1.5s', 1500],
  [' 10 s ', 10_000],
  ['0s', 0],
] as const) {
  test(`reads ${written}`, () => assert.equal(parseDurationMs(written), ms))
}

test('reads a bare number as seconds, as pyboot did', () => {
  assert.equal(parseDurationMs(100), 100_000)
  assert.equal(parseDurationMs('100'), 100_000)
  assert.equal(parseDurationMs(0.25), 250)
})

for (const written of [
  '',
  's',
  '-1s',
  '10 sec',
  '1e3',
  '0x10',
  'ten',
  '1s2',
  '10S',
  Number.NaN,
  -1,
  Infinity,
]) {
  test(`refuses ${JSON.stringify(written)}`, () =>
    assert.equal(parseDurationMs(written), undefined))
}

test('refuses what no timer can wait for', () => {
  assert.equal(parseDurationMs(`${durationMsMax}ms`), durationMsMax)
  assert.equal(parseDurationMs(`${durationMsMax + 1}ms`), undefined)
})

test('reads what it writes', () => {
  fc.assert(fc.property(fc.nat(durationMsMax), (ms) => parseDurationMs(formatDuration(ms)) === ms))
})
