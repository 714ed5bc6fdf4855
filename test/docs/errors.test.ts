import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import {
  errorFamilies,
  errorReferenceFile,
  renderErrorReference,
} from '../../scripts/generate-error-reference.ts'
import { catalogue } from '../../src/core/error-catalogue.ts'

const page = readFileSync(errorReferenceFile, 'utf8')
const codes = Object.keys(catalogue)

test('docs/errors.md is what node scripts/generate-error-reference.ts would write', () => {
  assert.equal(page, renderErrorReference())
})

test('docs/errors.md lists every code once, and none that does not exist', () => {
  const listed = [...page.matchAll(/^\| `([A-Z_0-9]+)` \|/gm)].map((match) => match[1])
  assert.equal(listed.length, codes.length)
  assert.deepEqual(new Set(listed), new Set(codes))
})

test('the prefix of every code says who must act', () => {
  for (const code of codes) {
    const families = errorFamilies.filter(({ prefix }) => code.startsWith(prefix))
    assert.equal(families.length, 1, `${code} belongs to ${families.length} families`)
  }
})

test('every fix is a sentence', () => {
  for (const [code, { fix }] of Object.entries(catalogue)) {
    assert.match(fix, /^\S.*[.)]$/, code)
  }
})
