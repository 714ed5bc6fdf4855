import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { after } from 'node:test'
import { addMigrateCommand } from '../../../src/cli/migrate.ts'
import { addSchemaCommand } from '../../../src/cli/schema.ts'
import { addValidateCommand } from '../../../src/cli/validate.ts'
import { runCommand } from './run-command.ts'

const cwd = join(import.meta.dirname, '../../fixtures/config')
const scratch = mkdtempSync(join(tmpdir(), 'edgeboot-cli-'))
after(() => rmSync(scratch, { recursive: true, force: true }))

test('validate says what a valid file holds', async () => {
  const { stdout, status } = await runCommand(addValidateCommand, ['validate', 'v1.yaml'], { cwd })
  assert.match(stdout, /^v1\.yaml:37:16: warning: MD5 finds damage, not forgery/)
  assert.match(stdout, /^v1\.yaml: valid: 2 brokers, 2 pipelines, 1 warning$/m)
  assert.equal(status, 0)
})

test('validate lists the mistakes of every file and asks for status 3', async () => {
  const { stdout, status } = await runCommand(
    addValidateCommand,
    ['validate', 'bad-four-mistakes.yaml', 'v0.yaml'],
    { cwd },
  )
  assert.equal(stdout.match(/^bad-four-mistakes\.yaml:\d+:\d+: /gm)?.length, 4)
  assert.match(stdout, /^bad-four-mistakes\.yaml: 4 mistakes$/m)
  assert.match(stdout, /^v0\.yaml: valid: 1 broker, 1 pipeline, 2 warnings$/m)
  assert.equal(status, 3)
})

test('validate goes on after a file that is not there', async () => {
  const { stdout, stderr, status } = await runCommand(
    addValidateCommand,
    ['validate', 'none.yaml', 'v0.yaml'],
    { cwd },
  )
  assert.match(stderr, /there is no file none\.yaml \[CONFIG_NOT_FOUND\]/)
  assert.match(stdout, /v0\.yaml: valid/)
  assert.equal(status, 3)
})

test('validate looks for conf/config.yaml when no file is named', async () => {
  const { stderr, status } = await runCommand(addValidateCommand, ['validate'], { cwd: scratch })
  assert.match(stderr, /there is no file conf\/config\.yaml/)
  assert.equal(status, 3)
})

test('validate answers programs in JSON', async () => {
  const { stdout, status } = await runCommand(
    addValidateCommand,
    ['validate', '--json', 'bad-four-mistakes.yaml'],
    { cwd },
  )
  const [report] = JSON.parse(stdout) as [{ valid: boolean; findings: unknown[] }]
  assert.equal(report.valid, false)
  assert.deepEqual(report.findings[1], {
    file: 'bad-four-mistakes.yaml',
    line: 6,
    column: 35,
    path: 'rules[0].sub',
    message: 'unknown key "topik"',
    suggestion: 'did you mean topic?',
    severity: 'error',
  })
  assert.equal(status, 3)
})

test('validate shows in one place what QoS 1 does not keep, and writes nothing', async () => {
  const folder = join(scratch, 'qos-1')
  mkdirSync(folder)
  const text = [
    "mqtts: [{ name: plant, broker: 'embedded://', qos: 2 }]",
    'rules:',
    '  - sub: { name: plant, topic: a }',
    '    pub: { name: plant, topic: b }',
    '    queue: { whenFull: drop-oldest }',
    'funcs: [{ modelName: m }]',
    '',
  ]
  writeFileSync(join(folder, 'c.yaml'), text.join('\n'))
  const { stdout, status } = await runCommand(addValidateCommand, ['validate', 'c.yaml'], {
    cwd: folder,
  })
  assert.deepEqual(
    stdout.split('\n').map((line) => line.slice(0, 50)),
    [
      'c.yaml:1:32: warning: the broker inside edgeboot k',
      'c.yaml:1:52: warning: qos 2 is served as 1, at lea',
      'c.yaml:3:5: warning: the rule has neither a name n',
      'c.yaml:5:24: warning: what drop-oldest drops is lo',
      'c.yaml: valid: 1 broker, 1 pipeline, 4 warnings',
      '',
    ],
  )
  assert.equal(status, 0)
  assert.deepEqual(readdirSync(folder), ['c.yaml'])
})

test('schema prints a JSON Schema with descriptions', async () => {
  const { stdout } = await runCommand(addSchemaCommand, ['schema'], { cwd })
  const schema = JSON.parse(stdout) as {
    $schema: string
    properties: Record<string, { description: string }>
  }
  assert.match(schema.$schema, /json-schema/)
  assert.equal(schema.properties['mqtts']?.description, 'MQTT brokers.')
})

test('schema --model prints the one of model.yaml', async () => {
  const { stdout } = await runCommand(addSchemaCommand, ['schema', '--model'], { cwd })
  const schema = JSON.parse(stdout) as {
    $schema: string
    title: string
    properties: Record<string, { description: string }>
  }
  assert.match(schema.$schema, /json-schema/)
  assert.equal(schema.title, 'edgeboot model manifest')
  for (const [key, { description }] of Object.entries(schema.properties)) {
    assert.ok(description.length > 10, key)
  }
})

test('migrate prints the native form', async () => {
  const { stdout, status } = await runCommand(addMigrateCommand, ['migrate', 'v1.yaml'], { cwd })
  assert.match(stdout, /modelName: thend_threshold_zd/)
  assert.equal(status, 0)
})

test('migrate writes a new file and never overwrites one', async () => {
  const folder = join(scratch, 'out')
  mkdirSync(folder)
  const target = join(folder, 'native.yaml')
  const { stderr, stdout } = await runCommand(
    addMigrateCommand,
    ['migrate', 'v3.yaml', '--output', target],
    { cwd },
  )
  assert.equal(stdout, '')
  assert.match(stderr, /relative paths/)
  assert.match(readFileSync(target, 'utf8'), /^# Written by edgeboot migrate from v3\.yaml/)
  await assert.rejects(
    runCommand(addMigrateCommand, ['migrate', 'v1.yaml', '-o', target], { cwd }),
    {
      code: 'CLI_USAGE',
      message: /it exists already/,
    },
  )
  assert.match(readFileSync(target, 'utf8'), /from v3/)
})

test('migrate refuses a file with mistakes', async () => {
  await assert.rejects(
    runCommand(addMigrateCommand, ['migrate', 'bad-four-mistakes.yaml'], { cwd }),
    {
      code: 'CONFIG_INVALID',
    },
  )
})
