import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import fc from 'fast-check'
import { stringify } from 'yaml'
import { inspectConfig } from '../../../src/config/load.ts'
import { migrateDocument } from '../../../src/config/migrate.ts'
import { EdgebootError } from '../../../src/core/errors.ts'
import { fixtures, folder, seeds, writeConfig } from './config-files.ts'

/** Anything may come out but an exception that is not ours, or a mistake without a message. */
function survives(content: string): void {
  const file = writeConfig(content)
  const { findings, settings } = inspectConfig(file, { env: { X: '1' }, cwd: folder })
  const mistakes = findings.filter((finding) => finding.severity === 'error')
  assert.equal(settings === undefined, mistakes.length > 0)
  for (const { message, line, column } of findings) {
    assert.ok(message.length > 0 && !/undefined|\[object|NaN/.test(message), message)
    assert.ok(Number.isInteger(line) && Number.isInteger(column))
  }
  try {
    migrateDocument(file, { env: {}, cwd: folder })
  } catch (thrown) {
    if (!(thrown instanceof EdgebootError) || thrown.code !== 'CONFIG_INVALID') throw thrown
  }
}

test('survives real configurations with pieces cut out, doubled and replaced', () => {
  const texts = seeds.map((seed) => readFileSync(join(fixtures, `${seed}.yaml`), 'utf8'))
  const piece = fc.constantFrom(
    '',
    '\t',
    ':',
    '- ',
    '{',
    '}',
    '[',
    '&a ',
    '*a',
    '!!x ',
    '"',
    "'",
    '|',
    '>',
    '${X}',
    '${Y}',
    '~',
    '5',
    '<<: ',
    '#',
    '\n',
    '%',
    '\u0000',
    '😀',
  )
  fc.assert(
    fc.property(
      fc.constantFrom(...texts),
      fc.array(fc.tuple(fc.nat(1000), fc.nat(40), piece), { minLength: 1, maxLength: 4 }),
      (text, edits) => {
        let content = text
        for (const [position, length, insert] of edits) {
          const start = position % content.length
          content = content.slice(0, start) + insert + content.slice(start + length)
        }
        survives(content)
      },
    ),
    { numRuns: 400 },
  )
})

test('a value of the wrong kind that looks like half a variable is a mistake', () => {
  survives('mqtts: []\nrules: "${"\nfuncs: []\n')
  survives('mqtts: []\nrules: [{ name: "${", queue: "$${X}" }]\nfuncs: []\n')
})

test('survives any value in the place of any key', () => {
  const value = fc.oneof(
    fc.jsonValue({ maxDepth: 2 }),
    fc.constantFrom(-1, 1e300, '', '${X}', '${', 'tcp://', '$share/', 'x'.repeat(300)),
  )
  const some = (keys: readonly string[]): fc.Arbitrary<unknown> =>
    fc.dictionary(fc.constantFrom(...keys), value, { maxKeys: 6 })
  const list = (item: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> =>
    fc.oneof(
      { weight: 5, arbitrary: fc.array(item, { maxLength: 2 }) },
      { weight: 1, arbitrary: value },
    )
  const configuration = fc.record(
    {
      mqtts: list(
        some([
          'name',
          'broker',
          'qos',
          'tls',
          'will',
          'keepAlive',
          'password',
          'passwordFile',
          'protocol',
        ]),
      ),
      rules: list(
        fc.record(
          {
            name: value,
            sub: some(['name', 'topic', 'clientId', 'group']),
            pub: some(['name', 'topic', 'timeout']),
            funcs: value,
            queue: value,
            onError: some(['attempts', 'deadLetter', 'keep']),
            spool: value,
          },
          { requiredKeys: [] },
        ),
      ),
      funcs: list(
        some([
          'name',
          'modelName',
          'model_name',
          'devices',
          'deviceName',
          'pointName',
          'when',
          'workers',
          'batch',
          'params',
          'env',
          'module',
          'modelAddress',
          'modelMd5',
          'python',
        ]),
      ),
      edge: list(
        some([
          'name',
          'edge_mode',
          'pre_broker',
          'pre_port',
          'pre_topic',
          'post_broker',
          'post_topic',
          'instance',
        ]),
      ),
      web: some(['host', 'port', 'token', 'tokenFile', 'enabled']),
      models: some(['folder', 'download', 'limits']),
      expose: value,
    },
    { requiredKeys: ['mqtts', 'rules', 'funcs'] },
  )
  fc.assert(
    fc.property(configuration, (content) => survives(stringify(content))),
    { numRuns: 400 },
  )
})
