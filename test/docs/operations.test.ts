import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { catalogue } from '../../src/core/error-catalogue.ts'
import { limits } from '../../src/core/limits.ts'
import { dropReasons } from '../../src/pipeline/pipeline-stats.ts'
import { MarkdownPage, root } from '../support/markdown.ts'

const page = MarkdownPage.read('docs/operations.md')
const unit = page.codeBlocks.find(({ language }) => language === 'ini')?.content ?? ''
const alerts = page.codeBlocks.find(({ language }) => language === 'yaml')?.content ?? ''

test('the unit gives an orderly stop the time it may take', () => {
  const seconds = Number(/^TimeoutStopSec=(\d+)$/m.exec(unit)?.[1])
  assert.ok(seconds * 1000 > limits.starterStopMs + 5000 + 5000, `${seconds} s`)
})

test('the unit does not start again what cannot mend itself', () => {
  const statuses = /^RestartPreventExitStatus=(.+)$/m.exec(unit)?.[1]?.split(' ')
  assert.deepEqual(statuses, [
    String(catalogue.CLI_USAGE.exit),
    String(catalogue.CONFIG_INVALID.exit),
  ])
})

test('the alerts ask for reasons that there are', () => {
  const reasons = [...alerts.matchAll(/reason=~"([^"]+)"/g)].flatMap(([, list]) => list!.split('|'))
  assert.ok(reasons.length >= 5)
  for (const reason of reasons)
    assert.ok(
      dropReasons.some((known) => known === reason),
      reason,
    )
})

test('the alerts and commands ask for metrics that the architecture page lists', () => {
  const known = MarkdownPage.read('docs/architecture.md').text
  const names = [...page.text.matchAll(/edgeboot_\w+/g)].map(([name]) => name)
  assert.ok(names.length >= 4)
  for (const name of names) assert.ok(known.includes(`\`${name}\``), name)
})

test('the codes that the page names exist', () => {
  const codes = [...page.text.matchAll(/\b(?:BROKER|CONFIG|HOST|MODEL|RUNNER|SPOOL)_[A-Z_]+\b/g)]
  assert.ok(codes.length > 0)
  for (const [code] of codes) assert.ok(Object.hasOwn(catalogue, code), code)
})

test('the options that the page names exist', () => {
  const source = readFileSync(join(root, 'src/cli/run.ts'), 'utf8')
  const names = new Set([...page.prose.matchAll(/`(--[a-z-]+)/g)].map(([, name]) => name!))
  assert.ok(names.size >= 3)
  for (const name of names) assert.match(source, new RegExp(`'${name}[ ']`))
})
