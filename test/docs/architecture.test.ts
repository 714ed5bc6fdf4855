import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { limits } from '../../src/core/limits.ts'
import { silentLogger } from '../../src/core/log.ts'
import { dropReasons } from '../../src/pipeline/pipeline-stats.ts'
import { createMetrics } from '../../src/web/metrics.ts'
import { buildRoutes } from '../../src/web/routes.ts'
import { StatsReader } from '../../src/web/stats-reader.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { codeWords, MarkdownPage, root } from '../support/markdown.ts'
import { fakeSystem, pipeline } from '../unit/web/fake-system.ts'

const page = MarkdownPage.read('docs/architecture.md')
const operations = MarkdownPage.read('docs/operations.md')
const view = fakeSystem([pipeline()])
const clock = new FakeClock()

/** Names and types of our own metrics, and the states that one of them counts. */
async function metricsText(): Promise<string> {
  return createMetrics(view, new StatsReader(view, clock, silentLogger)).text()
}

async function statesOfTheCode(): Promise<string[]> {
  const text = await metricsText()
  return [...text.matchAll(/edgeboot_pipeline_state\{.*state="(\w+)"/g)].map(([, state]) => state!)
}

function firstWords(rows: readonly (readonly string[])[]): string[] {
  return rows.flatMap(([first = '']) => codeWords(first))
}

function inOrder(a: string, b: string): number {
  return a.localeCompare(b)
}

test('the reasons of the page are those of the code, in its words', () => {
  const source = readFileSync(join(root, 'src/pipeline/pipeline-stats.ts'), 'utf8')
  const meanings = new Map(
    [...source.matchAll(/\/\*\* (.+) \*\/\n {2}'([a-z-]+)',/g)].map(([, text, name]) => [
      name,
      text,
    ]),
  )
  const rows = page.rows('reason')
  assert.deepEqual(firstWords(rows), [...dropReasons])
  for (const [cell = '', meaning] of rows) {
    assert.equal(meaning, meanings.get(codeWords(cell)[0]), cell)
  }
})

test('both READMEs and the changelog count the reasons right', () => {
  for (const file of ['README.md', 'README_zh.md', 'CHANGELOG.md']) {
    const { text } = MarkdownPage.read(file)
    assert.match(text, new RegExp(`\\b${dropReasons.length} (种原因|reasons)`), file)
  }
})

test('the states of both pages are those of the code', async () => {
  const states = await statesOfTheCode()
  assert.ok(states.length >= 9)
  assert.deepEqual(firstWords(page.rows('state')), states)
  assert.deepEqual(firstWords(operations.rows('state')), states)
})

test('the paths of the page are those of the code, and say who may ask', () => {
  const control = {
    reload: () => Promise.reject(new Error('unused')),
    restart: () => false,
    replay: () => [],
    lookAtModel: () => [],
  }
  const never = (): Promise<never> => Promise.reject(new Error('unused'))
  const models = { activate: never, unpin: never, rollback: never }
  const routes = buildRoutes(view, clock, silentLogger, control, models)
  const paths = routes.map((route) => `${route.path} ${route.public ? 'yes' : 'no'}`)
  const expected = [...new Set(paths)]
  const rows = page.rows('path').map(([path = '', who]) => `${codeWords(path)[0]} ${who}`)
  assert.deepEqual(rows.toSorted(inOrder), expected.toSorted(inOrder))
})

test('the metrics of the page are those of the code', async () => {
  const text = await metricsText()
  const ours = [...text.matchAll(/^# TYPE (edgeboot_\w+) (\w+)$/gm)]
    .map(([, name, type]) => `${name} ${type}`)
    .filter((line) => !/^edgeboot_(process|nodejs)_/.test(line))
  assert.ok(ours.length > 10)
  const rows = page.rows('metric').map(([name = '', type]) => `${codeWords(name)[0]} ${type}`)
  assert.deepEqual(rows.toSorted(inOrder), ours.toSorted(inOrder))
})

test('the page names the limits that hold', () => {
  assert.ok(page.text.includes(`at most ${limits.payloadBytesMax / 1024 / 1024} MiB`))
  assert.ok(page.text.includes(`at most ${limits.jsonDepthMax} deep`))
})
