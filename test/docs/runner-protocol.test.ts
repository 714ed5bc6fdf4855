import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { checks } from '../../src/cli/model/conformance/checks.ts'
import { encodeInfer, encodeResult } from '../../src/runtime/batch-codec.ts'
import { encodeFrame, fromRunner, toRunner } from '../../src/runtime/frame.ts'
import { root } from '../support/markdown.ts'

const page = readFileSync(join(root, 'docs', 'runner-protocol.md'), 'utf8')

function dumped(name: string): string {
  const [, text = ''] = new RegExp(`\`\`\`hex ${name}\n([^\`]*)\`\`\``).exec(page) ?? []
  return text.replaceAll(/\s/g, '')
}

const outcomes = [{ kind: 'value', payload: Buffer.from('true') }] as const
const items = [{ context: Buffer.from('{}'), event: Buffer.from('{"t":1}') }]

for (const [name, frame] of [
  ['infer', encodeFrame(toRunner.infer, encodeInfer(1, items))],
  ['result', encodeFrame(fromRunner.result, encodeResult({ batchId: 1, first: 0, outcomes }))],
  ['drain', encodeFrame(toRunner.drain, new Uint8Array(0))],
] as const) {
  test(`the page shows the bytes that are sent: ${name}`, () => {
    assert.equal(dumped(name), frame.toString('hex'))
  })
}

test('the page has every type of frame', () => {
  for (const [name, type] of Object.entries({ ...toRunner, ...fromRunner })) {
    assert.ok(page.includes(`| ${type} | ${name} |`), name)
  }
})

test('the page shows every check of edgeboot model conformance, with a section that it has', () => {
  for (const { title, section } of checks) {
    assert.match(
      page,
      new RegExp(`^(PASS|FAIL|SKIP)  ${RegExp.escape(title)}: .*\\[${section}\\]$`, 'm'),
    )
    assert.match(page, new RegExp(`^## ${section}$`, 'm'))
  }
})
