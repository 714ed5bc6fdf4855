import assert from 'node:assert/strict'
import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import fc from 'fast-check'
import { stringify } from 'yaml'
import { loadSettings } from '../../../src/config/load.ts'
import { migrateDocument } from '../../../src/config/migrate.ts'
import type { Settings } from '../../../src/config/settings.ts'
import { fixtures, folder, seeds, writeConfig } from './config-files.ts'

const env = { SITE: 'north', PORT: '1884', SECRET: '0123', POINT: 'p"1' }

function settingsIn(file: string): Settings {
  const { settings } = loadSettings(file, { env, cwd: folder })
  // How a condition was written is all that migrating changes.
  const plain = JSON.stringify(settings, (key, value: unknown) =>
    key === 'written' ? undefined : value,
  )
  return { ...(JSON.parse(plain) as Settings), file: '' }
}

/** Asserts that the migrated file means the same and that migrating it again changes nothing. */
function migrated(file: string): string {
  const text = migrateDocument(file, { env, cwd: folder })
  const target = writeConfig(text, 'migrated.yaml')
  assert.deepEqual(settingsIn(target), settingsIn(file), text)
  const again = migrateDocument(target, { env, cwd: folder })
  assert.equal(body(again), body(text))
  return text
}

function body(text: string): string {
  return text.replaceAll(/^#.*\n/gm, '')
}

for (const seed of seeds) {
  test(`writes ${seed}.yaml in the native form with the same meaning`, () => {
    copyFileSync(join(fixtures, `${seed}.yaml`), join(folder, `${seed}.yaml`))
    const text = migrated(`${seed}.yaml`)
    assert.doesNotMatch(
      body(text),
      /_address|_md5|attr|Expression|expose|edge:|qos: 0|retain: false/,
    )
  })
}

test('mentions the expose section that it leaves out', () => {
  copyFileSync(join(fixtures, 'v2.yaml'), join(folder, 'v2.yaml'))
  assert.match(migrateDocument('v2.yaml', { env, cwd: folder }), /^# Its expose section/m)
})

test('quotes numeric client ids, gives durations their unit, keeps variables variables', () => {
  const file = writeConfig(`
mqtts:
  - { name: b, broker: "tcp://h:\${PORT}", username: u, password: "\${SECRET}", keep_alive: 30 }
rules:
  - sub: { name: b, clientId: 5555, topic: x }
    pub: { name: b, clientId: 0666, topic: "\${SITE}/$\${X}/\${rule}", timeout: 100 }
funcs:
  - model_name: m
    deviceName: d
    timeout: "5"
    params: { timeout: 7, point: "\${POINT}", escaped: "$\${X}" }
web:
  port: \${PORT}
  token: \${UNSET:t}
`)
  const text = migrated(file)
  for (const line of [
    'clientId: "5555"',
    'clientId: "0666"',
    'timeout: 100s',
    'timeout: 5s',
    'timeout: 7',
    'keepAlive: 30s',
    'broker: "tcp://h:${PORT}"',
    'password: "${SECRET}"',
    'port: ${PORT}',
    'token: ${UNSET:t}',
  ]) {
    assert.ok(text.includes(line), `${line} is not in\n${text}`)
  }
})

test('keeps the keys of QoS 1', () => {
  const file = writeConfig(`
state_folder: ../\${SITE}
mqtts: [{ name: b, broker: tcp://h, qos: 1, session_expiry: 86400 }]
rules:
  - { sub: { name: b, topic: x }, pub: { name: b, topic: y }, spool: { max_bytes: 2MiB, max_age: 3600, whenFull: drop-oldest } }
  - { sub: { name: b, topic: x }, pub: { name: b, topic: z }, spool: off }
funcs: [{ model_name: m }]
`)
  const text = migrated(file)
  for (const line of [
    'qos: 1',
    'sessionExpiry: 86400s',
    'maxBytes: 2MiB',
    'maxAge: 3600s',
    'whenFull: drop-oldest',
    'spool: false',
    'stateFolder: ../${SITE}',
  ]) {
    assert.ok(text.includes(line), `${line} is not in\n${text}`)
  }
})

test('does not need the variables to be set', () => {
  const file = writeConfig(
    'mqtts: [{ name: b, broker: "${BROKER}" }]\nrules: [{ sub: { name: b, topic: x }, pub: { name: b, topic: y } }]\nfuncs: [{ model_name: m }]\nweb:\n  port: ${WEB_PORT}\n',
  )
  const text = migrateDocument(file, { env: {}, cwd: folder })
  assert.match(text, /broker: "\$\{BROKER\}"/)
  assert.match(text, /port: \$\{WEB_PORT\}/)
})

test('refuses a file with mistakes, telling all of them', () => {
  const file = writeConfig('mqtts: [{ nam: b }]\nrules: []\nfuncs: []\n')
  assert.throws(() => migrateDocument(file, { env, cwd: folder }), {
    code: 'CONFIG_INVALID',
    message: /2|3 mistakes/,
  })
})

const word = fc.oneof(
  fc.constantFrom(
    '设备3',
    'a b',
    '5555',
    '0123',
    'true',
    'null',
    '~',
    '- x',
    'a: b',
    '#x',
    '"',
    "'",
    '\\',
    '1e3',
    '=',
    '😀',
    '@x',
    '%',
    '$${x}',
    '$',
    '{a}',
    '[b]',
    'x\ny',
  ),
  fc.string({ minLength: 1, maxLength: 12 }),
)
const name = fc.stringMatching(/^[a-z\u4e00-\u4eff][a-z\d -]{0,8}[a-z]$/)
const topic = fc.stringMatching(/^[a-z/]{1,12}$/)
const snake = fc.boolean()

const attribute = fc.record({
  attrName: name,
  attrValue: word,
  attrExpression: fc.constantFrom(
    "== data_to_dict['deviceInfo']['deviceName']",
    'in data_to_dict["telemetry"]',
    "not in data_to_dict['telemetry'] and data_to_dict['a'] > 1",
    "!= data_to_dict['x'] or not data_to_dict['${SITE}']",
  ),
})
const device = fc.oneof(
  fc.record({ deviceName: word, pointName: word }),
  fc.record(
    {
      deviceName: word,
      deviceParseExpression: fc.constant("== data_to_dict['deviceInfo']['deviceName']"),
      pointName: fc.oneof(word, fc.constant('')),
      pointParseExpression: fc.constant("in data_to_dict['telemetry']"),
    },
    { requiredKeys: ['deviceName'] },
  ),
  fc.record(
    { deviceName: word, deviceAttr: fc.array(attribute, { minLength: 1, maxLength: 3 }) },
    { requiredKeys: ['deviceAttr'] },
  ),
)
const func = fc
  .record(
    {
      modelName: fc.stringMatching(/^[a-z]{1,3}$/),
      address: fc.constantFrom('http://h/m.zip', 'models/m.zip', '${SITE}/m.zip'),
      devices: fc.oneof(
        fc.array(device, { maxLength: 3 }),
        fc.record({ deviceName: word, pointName: word }),
      ),
      timeout: fc.constantFrom(1, '2', '3s', '400ms', 0.5),
      spelling: snake,
    },
    { requiredKeys: ['modelName', 'spelling'] },
  )
  .map(({ modelName, address, devices, timeout, spelling }) => ({
    [spelling ? 'model_name' : 'modelName']: modelName,
    ...(address === undefined ? {} : { [spelling ? 'model_address' : 'modelAddress']: address }),
    ...(Array.isArray(devices) ? { devices } : devices),
    ...(timeout === undefined ? {} : { timeout }),
  }))

const v1to3 = fc
  .record({
    brokers: fc.uniqueArray(name, { minLength: 1, maxLength: 3 }),
    expose: fc.boolean(),
    rules: fc.array(
      fc.record({
        sub: fc.nat(2),
        pub: fc.nat(2),
        from: topic,
        to: topic,
        timeout: fc.constantFrom(100, '10s', '5'),
        ids: fc.boolean(),
      }),
      { minLength: 1, maxLength: 3 },
    ),
    funcs: fc.array(func, { minLength: 1, maxLength: 3 }),
  })
  .map(({ brokers, expose, rules, funcs }) => ({
    ...(expose ? { expose: [{ name: 'x', outPort: 1 }] } : {}),
    funcs,
    mqtts: brokers.map((broker, index) => ({
      name: broker,
      broker: `tcp://10.0.0.${index + 1}:1883`,
      retain: index === 1,
      qos: 0,
    })),
    rules: rules.map((rule, index) => ({
      pub: {
        name: brokers[rule.pub % brokers.length],
        topic: rule.to,
        timeout: rule.timeout,
        ...(rule.ids ? { client_id: 6000 + index } : {}),
      },
      sub: {
        name: brokers[rule.sub % brokers.length],
        topic: rule.from,
        ...(rule.ids ? { clientId: 5000 + index } : {}),
      },
    })),
  }))

const v0 = fc
  .uniqueArray(
    fc.record({
      name,
      port: fc.nat({ max: 60_000 }),
      qos: fc.constantFrom(0, 1),
      mode: fc.constantFrom('a.f', 'b.f', 'pyboot.modules.gridsum.science.a.g'),
      topic,
      instance: fc.option(fc.integer({ min: 1, max: 4 })),
    }),
    { minLength: 1, maxLength: 4, selector: (edge) => edge.name },
  )
  .map((edges) => ({
    app_name: 'pyboot',
    edge: edges.map((edge) => ({
      name: edge.name,
      ...(edge.instance === null ? {} : { instance: edge.instance }),
      pre_broker: 'h',
      pre_port: edge.port + 1,
      pre_topic: edge.topic,
      pre_qos: edge.qos,
      post_broker: 'h',
      post_port: edge.port + 1,
      post_topic: edge.topic,
      post_qos: 0,
      edge_mode: edge.mode,
    })),
  }))

test('writes any legacy configuration in the native form with the same meaning', () => {
  fc.assert(
    fc.property(
      fc.oneof({ weight: 3, arbitrary: v1to3 }, { weight: 1, arbitrary: v0 }),
      (configuration) => {
        migrated(writeConfig(stringify(configuration)))
      },
    ),
    { numRuns: 150 },
  )
})
