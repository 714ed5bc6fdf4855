import assert from 'node:assert/strict'
import test from 'node:test'
import { parseSizeBytes } from '../../../src/config/size.ts'

for (const [written, bytes] of [
  ['256MiB', 268_435_456],
  ['1GB', 1_000_000_000],
  ['1gib', 1_073_741_824],
  ['1.5 kB', 1500],
  ['10B', 10],
  [4096, 4096],
  ['4096', 4096],
] as const) {
  test(`reads ${written}`, () => assert.equal(parseSizeBytes(written), bytes))
}

for (const written of ['', 'MiB', '-1', '1XB', '1 M B', '99999999TiB', -5, Number.NaN]) {
  test(`refuses ${JSON.stringify(written)}`, () => assert.equal(parseSizeBytes(written), undefined))
}
