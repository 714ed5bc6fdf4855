import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { codeWords, MarkdownPage, root } from '../support/markdown.ts'

const page = MarkdownPage.read('docs/logging.md')
const listed = page.rows('event').flatMap(([cell = '']) => codeWords(cell))

/** Names of events begin with one of these; in quotes, nothing else does but what follows. */
const areas =
  'admin|boot|broker|config|dead-letter|embedded-broker|event|host|log|message|model|orphans|pipeline|process|recorder|reload|result|runner|session-record|signal|sink|source|spool|web'
/** Files that a model consists of, and keys of the configuration. */
const noEvents = new Set([
  'config.yaml',
  'model.json',
  'model.yaml',
  'model.yml',
  'web.host',
  'web.port',
])
/** Phases of the boot are put together: boot.${phase}. */
const phases = ['boot.init', 'boot.setup', 'boot.start', 'boot.stop']

function eventsOfTheCode(): Set<string> {
  const events = new Set(phases)
  for (const file of globSync('src/**/*.ts', { cwd: root })) {
    const code = readFileSync(join(root, file), 'utf8').replaceAll(/^\s*(\/?\*|\/\/).*$/gm, '')
    for (const [, name = ''] of code.matchAll(
      new RegExp(`'((?:${areas})\\.[a-z0-9_-]+(?:\\.[a-z0-9_-]+)?)'`, 'g'),
    )) {
      if (!noEvents.has(name)) events.add(name)
    }
  }
  for (const file of globSync('python/*.py', { cwd: root })) {
    const code = readFileSync(join(root, file), 'utf8')
    for (const [, name = ''] of code.matchAll(/\bevent\(\s*"\w+",\s*"(model\.[a-z-]+)"/g)) {
      events.add(name)
    }
  }
  return events
}

test('every event that the code writes is on the page', () => {
  const events = eventsOfTheCode()
  assert.ok(events.size > 40, `only ${events.size} events were found`)
  assert.deepEqual([...events.difference(new Set(listed))], [])
})

test('every event on the page is written by the code, and is there once', () => {
  assert.deepEqual([...new Set(listed).difference(eventsOfTheCode())], [])
  assert.equal(new Set(listed).size, listed.length)
})

test('every level on the page is one', () => {
  for (const [event, level = ''] of page.rows('event')) {
    assert.match(level, /^(debug|info|warn|error|any)([,;] (debug|info|warn|error|any))*$/, event)
  }
})
