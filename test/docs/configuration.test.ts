import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { after } from 'node:test'
import { parse, stringify } from 'yaml'
import { loadSettings } from '../../src/config/load.ts'
import { configJsonSchema } from '../../src/config/schema.ts'

const page = readFileSync(join(import.meta.dirname, '../../docs/configuration.md'), 'utf8')
const folder = mkdtempSync(join(tmpdir(), 'edgeboot-docs-'))
after(() => rmSync(folder, { recursive: true, force: true }))

interface JsonSchema {
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly items?: JsonSchema
  readonly anyOf?: readonly JsonSchema[]
}

function keysOf(schema: JsonSchema): string[] {
  const own = Object.entries(schema.properties ?? {})
  const inner = schema.items === undefined ? [] : keysOf(schema.items)
  const alternatives = (schema.anyOf ?? []).flatMap(keysOf)
  return [...own.flatMap(([key, value]) => [key, ...keysOf(value)]), ...inner, ...alternatives]
}

test('the page names every key of the schema', () => {
  const keys = new Set(keysOf(configJsonSchema()))
  assert.ok(keys.size > 60, `only ${keys.size} keys were found`)
  const missing = [...keys].filter(
    (key) => !new RegExp(`\`[^\`\n]*\\b${key}\\b|^\\s*#.*\\b${key}\\b`, 'm').test(page),
  )
  assert.deepEqual(missing, [])
})

test('every key that the page puts into a table exists', () => {
  const keys = new Set(keysOf(configJsonSchema()))
  const tables = page.split('\n## Environment')[0] ?? ''
  for (const [, cell] of tables.matchAll(/^\| (`[^|]*) \|/gm)) {
    for (const [, key] of (cell ?? '').matchAll(/`(\w+)`/g)) {
      assert.ok(keys.has(key ?? ''), `the page explains ${key}, which is no key`)
    }
  }
})

const whole = {
  mqtts: [{ name: 'plant', broker: 'tcp://127.0.0.1:1883' }],
  rules: [{ sub: { name: 'plant', topic: 'in' }, pub: { name: 'plant', topic: 'out' } }],
  funcs: [{ modelName: 'threshold' }],
}

const blocks = [...page.matchAll(/^```yaml( fragment)?\n(.*?)^```$/gms)]

test('the page has examples', () => assert.ok(blocks.length >= 6))

for (const [index, [, fragment, content]] of blocks.entries()) {
  test(`example ${index + 1} of the page loads`, () => {
    const file = join(folder, `example-${index}.yaml`)
    const text = content ?? ''
    const sections = fragment === undefined ? undefined : (parse(text) as Record<string, unknown>)
    writeFileSync(file, sections === undefined ? text : stringify({ ...whole, ...sections }))
    const { settings } = loadSettings(file, { env: {}, cwd: folder })
    assert.ok(settings.pipelines.length > 0)
  })
}
