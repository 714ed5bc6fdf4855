import assert from 'node:assert/strict'
import { join } from 'node:path'
import test from 'node:test'
import { loadSettings } from '../../../src/config/load.ts'
import { EdgebootError } from '../../../src/core/errors.ts'
import {
  config,
  fixtures,
  folder,
  load,
  mistakesIn,
  seeds,
  settingsOf,
  warningsIn,
} from './config-files.ts'

for (const seed of seeds) {
  test(`loads ${seed}.yaml of pyboot as it stands`, () => {
    const { settings } = loadSettings(join(fixtures, `${seed}.yaml`), { env: {}, cwd: folder })
    assert.ok(settings.pipelines.length > 0)
    for (const { source, sink } of settings.pipelines) {
      assert.equal(source.broker.url, 'mqtt://192.168.241.1:1883')
      assert.equal(sink.broker.url, 'mqtt://192.168.241.1:1883')
    }
  })
}

test('lists a tab, an unknown key, a repeated rule and a missing broker at once, each with line, column and suggestion', () => {
  const file = join(fixtures, 'bad-four-mistakes.yaml')
  assert.throws(
    () => loadSettings(file, { env: {} }),
    (error: unknown) => {
      assert.ok(error instanceof EdgebootError)
      assert.equal(error.code, 'CONFIG_INVALID')
      assert.equal(error.exitCode, 3)
      assert.deepEqual(error.message.split('\n'), [
        `${file} has 4 mistakes:`,
        `  ${file}:3:1: a tab indents this line, which YAML does not allow (indent with spaces)`,
        `  ${file}:6:35: unknown key "topik" (did you mean topic?)`,
        `  ${file}:8:11: a second rule is called "line-1"; the first is in line 5 (give it another name)`,
        `  ${file}:9:10: sub names no broker (add name: one of plant)`,
      ])
      return true
    },
  )
})

test('carries every finding in the details, warnings too', () => {
  const content = config({ mqtt: ', qos: 2', sub: ', topick: x', func: 'worker: 1' })
  assert.throws(
    () => load(content),
    (error: unknown) => {
      const { findings } = (error as EdgebootError).details as {
        findings: { severity: string; path: string }[]
      }
      assert.deepEqual(
        findings.map(({ severity, path }) => [severity, path]),
        [
          ['warning', 'mqtts[0].qos'],
          ['error', 'rules[0].sub'],
          ['error', 'funcs[0]'],
        ],
      )
      return true
    },
  )
})

test('says that there is no such file', () => {
  assert.throws(() => loadSettings('absent.yaml', { env: {}, cwd: folder }), {
    code: 'CONFIG_NOT_FOUND',
  })
})

test('says that a folder is not a file', () => {
  assert.throws(() => loadSettings('.', { env: {}, cwd: folder }), /this is a folder/)
})

for (const [what, content, expected] of [
  ['an empty file', '', 'c.yaml:1:1: the file is empty (start with mqtts, rules and funcs)'],
  [
    'a file of comments',
    '# nothing\n',
    'c.yaml:1:1: the file is empty (start with mqtts, rules and funcs)',
  ],
  [
    'a binary file',
    Buffer.from([0x7f, 0x45, 0x4c, 0x46, 0, 0, 1]),
    'c.yaml: the file is binary, not YAML (is this the right file?)',
  ],
  [
    'a file in Latin-1',
    Buffer.from('name: caf\xe9', 'latin1'),
    'c.yaml: the file is not in UTF-8 (save it as UTF-8)',
  ],
  [
    'a file in UTF-16',
    Buffer.from('\ufeffmqtts:', 'utf16le'),
    'c.yaml: the file is in UTF-16 (save it as UTF-8)',
  ],
  [
    'a list',
    '- a\n- b\n',
    'c.yaml:1:1: the file must be a map at its top, not a list (start with mqtts:, rules: and funcs:)',
  ],
  [
    'a word',
    'hello\n',
    'c.yaml:1:1: the file must be a map at its top, not a single value (start with mqtts:, rules: and funcs:)',
  ],
  [
    'a huge file',
    Buffer.alloc(10 * 1024 * 1024, 'a: b\n'),
    'c.yaml: the file is 10485760 bytes, more than 4194304 (is this the right file?)',
  ],
  [
    'a second document',
    'a: 1\n---\nb: 2\n',
    'c.yaml:2:1: not valid YAML: a second document begins here (a configuration is one document: remove the second ---)',
  ],
] as const) {
  test(`refuses ${what}`, () => {
    assert.deepEqual(mistakesIn(content), [expected])
  })
}

test('refuses aliases that multiply without end', () => {
  const lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]']
  for (let i = 1; i < 9; i++)
    lines.push(`a${i}: &a${i} [${Array.from({ length: 10 }, () => `*a${i - 1}`).join(', ')}]`)
  const mistakes = mistakesIn(lines.join('\n'))
  assert.equal(mistakes.length, 1)
  assert.match(mistakes[0] ?? '', /more than 200000 values once its aliases are replaced/)
})

test('refuses an alias that contains itself', () => {
  assert.deepEqual(mistakesIn('mqtts: &a [*a]\n'), ['c.yaml:1:12: *a contains itself'])
})

test('refuses nesting without end', () => {
  const mistakes = mistakesIn(`mqtts: ${'['.repeat(50_000)}`)
  assert.match(mistakes.join(), /nested/)
})

test('refuses keys that are not text', () => {
  const content = config({ func: 'params: { 1: a, [x]: b, ok: c }' })
  assert.deepEqual(
    mistakesIn(content).map((mistake) => mistake.replace(/^.*?: /, '')),
    [
      'a key must be text, not 1 (put it in quotes)',
      'a key must be text, not a list or a map (put it in quotes)',
    ],
  )
})

test('refuses __proto__ as a key', () => {
  assert.match(
    mistakesIn(config({ func: 'params: { __proto__: { a: 1 } }' })).join(),
    /__proto__ is not allowed/,
  )
})

test('names both lines of a key that is there twice', () => {
  const content = config({ func: 'workers: 1\n    workers: 2' })
  assert.deepEqual(mistakesIn(content), [
    'c.yaml:10:5: the key "workers" is here for the second time; the first is in line 9 (keep one of them)',
  ])
})

test('lists every error of the YAML itself', () => {
  const mistakes = mistakesIn('mqtts: [\nrules: "x\n  y: }\n')
  assert.ok(mistakes.length >= 2, mistakes.join('\n'))
  for (const mistake of mistakes) assert.match(mistake, /^c\.yaml:\d+:\d+: /)
})

test('says to quote a variable between braces', () => {
  assert.match(
    mistakesIn('mqtts:\n  - { name: ${NAME}, broker: x }\n').join('\n'),
    /put "\$\{…\}" in quotes/,
  )
})

test('reads anchors, aliases and merge keys', () => {
  const settings = settingsOf(
    [
      'mqtts:',
      '  - &base { name: a, broker: "tcp://h", retain: true }',
      '  - { <<: *base, name: b }',
      'rules:',
      '  - { sub: { name: a, topic: x }, pub: { name: b, topic: y } }',
      'funcs: [{ modelName: m }]',
    ].join('\n'),
  )
  assert.deepEqual(
    settings.brokers.map(({ name, retain }) => [name, retain]),
    [
      ['a', true],
      ['b', true],
    ],
  )
})

test('reads a file with a byte order mark and Windows line ends', () => {
  const settings = settingsOf(`\ufeff${config().replaceAll('\n', '\r\n')}`)
  assert.equal(settings.pipelines.length, 1)
})

test('says what is missing from a file without sections', () => {
  assert.deepEqual(mistakesIn('web: {}\n'), [
    'c.yaml:1:1: mqtts is missing (add mqtts: with a name and an address for every broker)',
    'c.yaml:1:1: rules is missing (add rules: with sub and pub)',
    'c.yaml:1:1: funcs is missing (add funcs: with the modelName of every model)',
  ])
})

test('takes a number for text where text is wanted, with its zeros', () => {
  const settings = settingsOf(
    config({ mqtt: ', username: 007, password: 0123', sub: ', clientId: 5555' }),
  )
  assert.equal(settings.brokers[0]?.username, '007')
  assert.equal(settings.brokers[0]?.password, '0123')
  assert.equal(settings.pipelines[0]?.source.clientId, '5555')
})

test('takes the yes and no of older YAML', () => {
  assert.equal(settingsOf(config({ mqtt: ', retain: yes' })).brokers[0]?.retain, true)
})

for (const [what, part, expected] of [
  ['a wrong type', { func: 'workers: many' }, 'workers must be a number, not text'],
  [
    'a number out of range',
    { rest: 'web: { port: 70000 }' },
    'port must be at most 65535, not 70000',
  ],
  ['a fraction', { func: 'workers: 1.5' }, 'workers must be a whole number, not a number'],
  [
    'an unknown choice',
    { rule: 'orderBy: devices' },
    'orderBy must be one of device, topic, none, not "devices" (did you mean device?)',
  ],
  [
    'a bad duration',
    { func: 'timeout: soon' },
    'timeout must be a duration of at most 24 days, such as 10s, 500ms or 2m, not "soon"',
  ],
  [
    'a bad size',
    { rule: 'spool: { maxBytes: big }' },
    'maxBytes must be a size such as 256MiB or 1GB, not "big"',
  ],
  ['a bad qos', { mqtt: ', qos: 3' }, 'qos must be 0, 1 or 2, not 3'],
  ['a map for a list', { func: 'devices: { a: b }' }, 'devices must be a list, not a map'],
  ['an empty name', { mqtt: ', username: ""' }, 'username must not be empty'],
] as const) {
  test(`says what is wrong about ${what}`, () => {
    const mistakes = mistakesIn(config(part))
    assert.equal(mistakes.length, 1, mistakes.join('\n'))
    assert.equal(mistakes[0]?.replace(/^c\.yaml:\d+:\d+: /, ''), expected)
  })
}

for (const [what, part, expected] of [
  [
    'dead letters that come back as events',
    { rule: 'onError: { deadLetter: in/dlq }' },
    'dead letters go to where events come from: each one is an event again',
  ],
  [
    'shared isolation',
    { rest: 'isolation: shared' },
    'isolation shared takes effect in a later version: until then every rule and func has a process',
  ],
] as const) {
  test(`notes what happens to ${what} in this version`, () => {
    assert.deepEqual(mistakesIn(config(part)), [])
    const warnings = warningsIn(config(part))
    assert.equal(warnings.length, 1)
    assert.equal(warnings[0]?.replace(/^c\.yaml:\d+:\d+: warning: /, ''), expected)
  })
}
