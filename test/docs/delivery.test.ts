import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { catalogue } from '../../src/core/error-catalogue.ts'
import { limits } from '../../src/core/limits.ts'
import { resultIdProperty } from '../../src/pipeline/result-id.ts'
import { dropReasons } from '../../src/pipeline/pipeline-stats.ts'
import { codeWords, MarkdownPage, root } from '../support/markdown.ts'
import { needsPython } from '../support/python-interpreters.ts'

const page = MarkdownPage.read('docs/delivery.md')
/** Where its lines end says nothing. */
const text = page.prose.replaceAll(/\s+/g, ' ')
const words = new Set(codeWords(text))
const logging = MarkdownPage.read('docs/logging.md')
const events = new Set(logging.rows('event').flatMap(([cell = '']) => codeWords(cell)))

function read(file: string): string {
  return readFileSync(join(root, file), 'utf8')
}

test('the metrics of the page are listed on the architecture page, which the code is held against', () => {
  const rows = MarkdownPage.read('docs/architecture.md').rows('metric')
  const known = new Set(rows.flatMap(([cell = '']) => codeWords(cell)))
  const names = [...words].filter((word) => word.startsWith('edgeboot_'))
  assert.ok(names.length >= 5)
  assert.deepEqual(
    names.filter((name) => !known.has(name)),
    [],
  )
})

test('the events of the page are listed on the logging page, which the code is held against', () => {
  const named = page.rows('event').flatMap(([cell = '']) => codeWords(cell))
  assert.ok(named.length >= 15)
  assert.deepEqual(
    named.filter((name) => !events.has(name)),
    [],
  )
  const areas = new Set([...events].map((name) => name.split('.')[0]))
  const settings = read('docs/configuration.md')
  for (const word of words) {
    const [area, key, ...more] = word.split('.')
    if (!/^[a-z.-]+$/.test(word) || !areas.has(area) || key === undefined || more.length > 0)
      continue
    assert.ok(events.has(word) || settings.includes(`\`${key}\``), `${word} is no event`)
  }
})

test('the page says what to do about every event of the spool and of a kept session', () => {
  const named = new Set(page.rows('event').flatMap(([cell = '']) => codeWords(cell)))
  const own = [...events].filter((name) => /^(spool\.|broker\.session-)/.test(name))
  assert.ok(own.length >= 10)
  assert.deepEqual(
    own.filter((name) => !named.has(name)),
    [],
  )
})

test('the page says of every reason for a drop when it is acknowledged, or what to do about it', () => {
  const unsaid = dropReasons.filter((reason) => !words.has(reason))
  // `stopped` is for QoS 0 alone.
  assert.deepEqual(unsaid, ['stopped'])
})

test('the settings that the page names exist', () => {
  const configuration = read('docs/configuration.md')
  const named = [...words].filter(
    (word) => /^(pub|sub|queue|spool|onError)\.[a-zA-Z]+$/.test(word) && !events.has(word),
  )
  assert.ok(named.length >= 6)
  for (const name of named)
    assert.match(configuration, new RegExp(`\`${name.split('.')[1]}\``), name)
})

test('the codes that the page names exist', () => {
  const codes = [...words].filter((word) => /^[A-Z]+_[A-Z_]+$/.test(word))
  assert.ok(codes.length > 0)
  for (const code of codes) assert.ok(Object.hasOwn(catalogue, code), code)
})

test('the numbers of the page are those of the code', () => {
  assert.ok(text.includes(`\`queue.size\` messages, ${limits.queueItemsDefault} by default`))
  assert.ok(text.includes(`largest result, ${limits.frameBytesMax / 2 / 1024 / 1024} MiB`))
  const machine = read('src/transport/mqtt/session-machine.ts')
  const inFlightMax = /const inFlightMax = ([\d_]+)/.exec(machine)?.[1]?.replaceAll('_', '')
  assert.ok(text.includes(`sent and not confirmed: at most ${inFlightMax},`))
  const attempts = /attemptsDefault = (\d)/.exec(read('src/config/plan-rules.ts'))?.[1]
  assert.ok(text.includes(`\`onError.attempts\` times, ${attempts} by default`))
  const damaged = /damagedFilesMax = (\d)/.exec(read('src/transport/spool/spool-file.ts'))?.[1]
  assert.equal(damaged, '2')
  assert.ok(text.includes('keeps the last two'))
})

test('the settings of Mosquitto on the page are those of the reference configuration', () => {
  const reference = new Map(
    read('deploy/mosquitto/mosquitto.conf')
      .split('\n')
      .filter((line) => /^\w/.test(line))
      .map((line) => [line.split(' ')[0], line.split(' ').slice(1).join(' ')]),
  )
  const rows = page.rows('setting')
  for (const [cell = '', , ours = ''] of rows) {
    const [name = '', ...more] = codeWords(cell)
    if (more.length > 0) continue
    const value = reference.get(name) ?? 'false'
    assert.equal(ours.replaceAll('`', '').split(':')[0], value, name)
  }
  const named = new Set(rows.flatMap(([cell = '']) => codeWords(cell)))
  const unsaid = [...reference.keys()].filter(
    (name = '') => !named.has(name) && !name.startsWith('log_'),
  )
  assert.deepEqual(unsaid, [])
})

test('the paths that the page names exist', () => {
  for (const [path] of page.text.matchAll(/\b(?:test|bench|deploy)\/[\w./-]+\w/g)) {
    assert.ok(globSync(path, { cwd: root }).length === 1, path)
  }
})

test('the consumer of the page acts once on what comes twice', { skip: needsPython }, () => {
  const consumer = page.codeBlocks.find(({ language }) => language === 'python')?.content ?? ''
  assert.ok(consumer.includes(`["${resultIdProperty}"]`))
  const trial = `${consumer}
from types import SimpleNamespace as Namespace

seen = []
act_on = seen.append
REMEMBERED = 2

def comes(identity):
    properties = Namespace(UserProperty=[("edgeboot-rule", "r"), ("edgeboot-id", identity)])
    on_message(None, None, Namespace(payload=identity, properties=properties))

for identity in "abbacdca":
    comes(identity)
print("".join(seen), len(done))
`
  const { stdout, stderr } = spawnSync('python3', ['-c', trial], { encoding: 'utf8' })
  assert.equal(stderr, '')
  assert.equal(stdout, 'abcda 2\n')
})
