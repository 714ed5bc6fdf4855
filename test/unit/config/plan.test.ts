import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import test from 'node:test'
import type { PipelineSettings, Settings } from '../../../src/config/settings.ts'
import { loadSettings } from '../../../src/config/load.ts'
import { deadLettersFolder, pipelineFileName } from '../../../src/config/state-folder.ts'
import { config, folder, mistakesIn, settingsOf, warningsIn, writeConfig } from './config-files.ts'

function only(settings: Settings): PipelineSettings {
  const [pipeline, ...others] = settings.pipelines
  assert.ok(pipeline !== undefined && others.length === 0)
  return pipeline
}

function deadLettersFile(stateFolder: string, rule: string, func: string): string {
  return join(deadLettersFolder(stateFolder), pipelineFileName([rule, func], 'sqlite'))
}

/** The messages without their place. */
function messages(findings: readonly string[]): string[] {
  return findings.map((finding) =>
    finding.replace(/^(?:c\.yaml:\d+:\d+|environment): (?:warning: )?/, ''),
  )
}

test('fills in every default', () => {
  const pipeline = only(settingsOf(config()))
  assert.deepEqual(pipeline, {
    name: 'sub_process_plant_m_0',
    rule: 'r',
    func: 'm',
    source: {
      broker: pipeline.source.broker,
      clientId: pipeline.source.clientId,
      qos: 0,
      sessionExpirySeconds: 0,
      window: 1000,
      recordsFolder: join(folder, 'models/.edgeboot/state/sessions'),
      topic: 'in/+',
      retained: true,
    },
    sink: {
      broker: pipeline.source.broker,
      clientId: pipeline.sink.clientId,
      qos: 0,
      topic: 'out',
      timeoutMs: 10_000,
    },
    model: { name: 'm' },
    devices: [],
    workers: 1,
    batch: {},
    params: {},
    env: {},
    orderBy: 'device',
    queue: { size: 1000, whenFull: 'drop-oldest' },
    attempts: 3,
    deadLetters: {
      store: {
        file: deadLettersFile(join(folder, 'models/.edgeboot/state'), 'r', 'm'),
        itemsMax: 10_000,
        bytesMax: 64 * 1024 * 1024,
      },
    },
  })
  assert.deepEqual(pipeline.source.broker, {
    name: 'plant',
    url: 'mqtt://127.0.0.1:1883',
    qos: 0,
    retain: false,
    protocol: 'auto',
    keepAliveSeconds: 60,
    connectTimeoutMs: 10_000,
  })
})

test('takes every key of the native form', () => {
  writeFileSync(join(folder, 'password'), 's3cret\n')
  const settings = settingsOf(
    `
mqtts:
  - name: plant
    broker: mqtts://broker
    qos: 1
    retain: true
    protocol: '5'
    sessionExpiry: 30d
    keepAlive: 30s
    connectTimeout: 5s
    username: \${MQTT_USER}
    passwordFile: password
    tls: { caFile: ca.pem, certFile: me.pem, keyFile: me.key, serverName: b }
    will: { topic: gone, payload: bye, qos: 1, retain: true }
rules:
  - name: threshold
    sub: { name: plant, clientId: thr-in, topic: plant/+/telemetry, group: g, retained: false }
    pub: { name: plant, clientId: thr-out, topic: "plant/\${device}/alarm", timeout: 2m }
    funcs: [threshold]
    queue: { size: 10, whenFull: drop-newest }
    orderBy: none
    onError: { attempts: 5, deadLetter: plant/dlq, keep: { maxItems: 7, maxBytes: 2MB } }
    spool: { maxBytes: 2MB, maxAge: 60d, whenFull: drop-oldest }
funcs:
  - name: threshold
    modelName: thr
    modelAddress: ../models/thr.zip
    modelMirrors: [https://mirror/thr.zip]
    modelSignature: https://keys/thr.minisig
    modelMd5: pZ4DJ+YhYM9ppHD+VhLi+A==
    modelSha256: ${'0'.repeat(64)}
    devices: [{ name: P, deviceName: pump-1, pointName: temperature, when: "topic != 'x'" }]
    when: "telemetry.temperature > 0"
    workers: 2
    batch: { size: 32, delay: 5ms }
    timeout: 500ms
    params: { limit: 80 }
    env: { OMP_NUM_THREADS: 1 }
    python: venv/bin/python
web: { host: 0.0.0.0, port: 0, framework: fastify, token: abc, enabled: true }
models:
  folder: m
  download: never
  require: signature
  keys: [RWTW9pzHIKBsnJdoDyauA75K9afU1hkyueGLz7p4udGJlZfLkaOzpZgf]
  python: { install: false, index: https://pypi.example/simple, buildTimeout: 7s }
  limits: { packageBytesMax: 1MB, unpackedBytesMax: 2MB, entriesMax: 3, ratioMax: 4, idleTimeout: 5s, totalTimeout: 6s }
stateFolder: ../state
isolation: process
`,
    { MQTT_USER: 'me' },
  )
  const broker = {
    name: 'plant',
    url: 'mqtts://broker:8883',
    qos: 1,
    retain: true,
    protocol: '5',
    keepAliveSeconds: 30,
    connectTimeoutMs: 5000,
    username: 'me',
    password: 's3cret',
    tls: {
      insecure: false,
      caFile: join(folder, 'ca.pem'),
      certFile: join(folder, 'me.pem'),
      keyFile: join(folder, 'me.key'),
      serverName: 'b',
    },
    will: { topic: 'gone', payload: 'bye', qos: 1, retain: true },
  }
  assert.deepEqual(settings, {
    file: join(folder, 'c.yaml'),
    stateFolder: join(folder, '../state'),
    brokers: [broker],
    pipelines: [
      {
        name: 'sub_process_plant_thr_0',
        rule: 'threshold',
        func: 'threshold',
        source: {
          broker,
          clientId: 'thr-in-threshold',
          qos: 1,
          sessionExpirySeconds: 2_592_000,
          window: 10,
          recordsFolder: join(folder, '../state/sessions'),
          topic: '$share/g/plant/+/telemetry',
          retained: false,
        },
        sink: {
          broker,
          clientId: 'thr-out-threshold',
          qos: 1,
          topic: 'plant/${device}/alarm',
          timeoutMs: 120_000,
          spool: {
            file: join(folder, '../state/spool/threshold.threshold.plant.35ccecf470.sqlite'),
            bytesMax: 2_000_000,
            ageMsMax: 5_184_000_000,
            whenFull: 'drop-oldest',
          },
        },
        recorder: {
          file: join(folder, '../state/recorder/threshold.threshold.plant.35ccecf470.rec'),
        },
        model: {
          name: 'thr',
          address: join(folder, '../models/thr.zip'),
          mirrors: ['https://mirror/thr.zip'],
          signature: 'https://keys/thr.minisig',
          python: join(folder, 'venv/bin/python'),
          md5: 'pZ4DJ+YhYM9ppHD+VhLi+A==',
          sha256: '0'.repeat(64),
        },
        devices: [
          {
            name: 'P',
            attributes: [
              {
                name: 'deviceName',
                value: 'pump-1',
                expression: 'event.deviceInfo.deviceName == "pump-1"',
              },
              {
                name: 'pointName',
                value: 'temperature',
                expression: '"temperature" in event.telemetry',
              },
              { name: 'when', value: '', expression: "topic != 'x'" },
            ],
          },
        ],
        when: 'telemetry.temperature > 0',
        workers: 2,
        batch: { size: 32, delayMs: 5 },
        timeoutMs: 500,
        params: { limit: 80 },
        python: join(folder, 'venv/bin/python'),
        env: { OMP_NUM_THREADS: '1' },
        orderBy: 'none',
        queue: { size: 10, whenFull: 'drop-newest' },
        attempts: 5,
        deadLetters: {
          store: {
            file: deadLettersFile(resolve(folder, '../state'), 'threshold', 'threshold'),
            itemsMax: 7,
            bytesMax: 2_000_000,
          },
          topic: 'plant/dlq',
        },
      },
    ],
    web: { enabled: true, host: '0.0.0.0', port: 0, token: 'abc' },
    models: {
      folder: join(folder, 'm'),
      download: 'never',
      require: 'signature',
      keys: ['RWTW9pzHIKBsnJdoDyauA75K9afU1hkyueGLz7p4udGJlZfLkaOzpZgf'],
      python: { install: false, index: 'https://pypi.example/simple', buildMs: 7000 },
      limits: {
        packageBytesMax: 1_000_000,
        unpackedBytesMax: 2_000_000,
        entriesMax: 3,
        ratioMax: 4,
        idleMs: 5000,
        totalMs: 6000,
      },
    },
  })
})

const twoFuncs = (rules: string): string => `
mqtts: [{ name: b, broker: tcp://h }]
rules:
${rules}
funcs: [{ modelName: m }, { modelName: n }, { name: m2, modelName: m }]
`

test("gives every func its pipeline under pyboot's name, and its own client ids", () => {
  const settings = settingsOf(
    twoFuncs(
      '  - { sub: { name: b, topic: x, clientId: c }, pub: { name: b, topic: y, clientId: d } }',
    ),
  )
  assert.deepEqual(
    settings.pipelines.map(({ name, source, sink }) => [name, source.clientId, sink.clientId]),
    [
      ['sub_process_b_m_0', 'c-m', 'd-m'],
      ['sub_process_b_n_0', 'c-n', 'd-n'],
      ['sub_process_b_m_1', 'c-m2', 'd-m2'],
    ],
  )
})

test('runs the funcs that a rule names, and no others', () => {
  const settings = settingsOf(
    twoFuncs(
      '  - { sub: { name: b, topic: x, clientId: c }, pub: { name: b, topic: y }, funcs: [n] }',
    ),
  )
  assert.deepEqual(
    settings.pipelines.map(({ model, source }) => [model.name, source.clientId]),
    [['n', 'c']],
  )
})

test('makes client ids that differ by rule, func, role and instance, and stay the same', () => {
  const file = writeConfig(
    twoFuncs(
      '  - { sub: { name: b, topic: x }, pub: { name: b, topic: y } }\n  - { sub: { name: b, topic: x }, pub: { name: b, topic: z } }',
    ),
  )
  const ids = (instance: string): string[] =>
    loadSettings(file, { env: {}, cwd: folder, instance }).settings.pipelines.flatMap(
      ({ source, sink }) => [source.clientId, sink.clientId],
    )
  const all = [...ids('a'), ...ids('b')]
  assert.equal(new Set(all).size, 24)
  for (const id of all) assert.match(id, /^edgeboot-[\da-f]{10}-(?:in|out)$/)
  assert.deepEqual(ids('a'), ids('a'))
})

test('gives processes names that differ even when their parts run together', () => {
  const settings = settingsOf(`
mqtts: [{ name: a, broker: tcp://h }, { name: a_m, broker: tcp://h }]
rules:
  - { sub: { name: a, topic: x }, pub: { name: a, topic: y }, funcs: [m_0] }
  - { sub: { name: a_m, topic: x }, pub: { name: a, topic: y }, funcs: ['0'] }
  - { sub: { name: a, topic: x }, pub: { name: a, topic: y }, funcs: [m] }
funcs: [{ modelName: m_0 }, { modelName: '0' }, { modelName: m }]
`)
  const names = settings.pipelines.map(({ name }) => name)
  assert.equal(new Set(names).size, 3, names.join())
})

for (const [written, url] of [
  ['tcp://h', 'mqtt://h:1883'],
  ['TCP://h:99', 'mqtt://h:99'],
  ['mqtt://h', 'mqtt://h:1883'],
  ['ssl://h', 'mqtts://h:8883'],
  ['tls://h', 'mqtts://h:8883'],
  ['mqtts://h', 'mqtts://h:8883'],
  ['ws://h/path?a=b', 'ws://h:80/path?a=b'],
  ['wss://h', 'wss://h:443'],
  ['tcp://[::1]', 'mqtt://[::1]:1883'],
  ['embedded://', 'embedded://127.0.0.1:0'],
  ['embedded://127.0.0.1:1883', 'embedded://127.0.0.1:1883'],
] as const) {
  test(`reads the address ${written}`, () => {
    const settings = settingsOf(config().replace('tcp://127.0.0.1:1883', written))
    assert.equal(settings.brokers[0]?.url, url)
  })
}

test('takes credentials out of an address', () => {
  const settings = settingsOf(config().replace('tcp://', 'tcp://me:p%40ss@'))
  const { url, username, password } = settings.brokers[0] ?? {}
  assert.deepEqual(
    { url, username, password },
    { url: 'mqtt://127.0.0.1:1883', username: 'me', password: 'p@ss' },
  )
})

for (const [written, expected] of [
  [
    'http://h',
    'the protocol "http" is not known (known: tcp, mqtt, ssl, tls, mqtts, ws, wss, embedded)',
  ],
  ['mqt://h', 'the protocol "mqt" is not known (did you mean mqtt://?)'],
  ['h:1883', 'the address names no protocol (write tcp://h:1883)'],
  [
    'tcp://h:99999',
    'the port "99999" is not a number from 1 to 65535 (such as tcp://192.168.1.10:1883)',
  ],
  [
    'tcp://h:port',
    'the port "port" is not a number from 1 to 65535 (such as tcp://192.168.1.10:1883)',
  ],
  [
    'tcp://me:s3cret@h:port',
    'the port "port" is not a number from 1 to 65535 (such as tcp://192.168.1.10:1883)',
  ],
  ['tcp://h:0', 'the port "0" is not a number from 1 to 65535 (such as tcp://192.168.1.10:1883)'],
  ['tcp://', 'the address names no host (such as tcp://192.168.1.10:1883)'],
  ['tcp://h/path', 'the address has a path (only ws and wss have one)'],
] as const) {
  test(`refuses the address ${written}`, () => {
    assert.deepEqual(messages(mistakesIn(config().replace('tcp://127.0.0.1:1883', written))), [
      expected,
    ])
  })
}

for (const [what, parts, expected] of [
  [
    'two client ids that are the same',
    { sub: ', clientId: c', pub: ', clientId: c' },
    'the client id "c" is used in line 5 too, at the same broker: the two would throw each other out (give each connection an id of its own, or leave clientId out)',
  ],
  ['a func that is not there', { rule: 'funcs: [mm]' }, 'no func is called "mm" (did you mean m?)'],
  [
    'a func that is named twice',
    { rule: 'funcs: [m, m]' },
    'the func "m" is named twice (keep one)',
  ],
  ['a group in both places', { sub: ', group: "a/b"' }, 'a group has no /, + or # in its name'],
  [
    'a password without a user',
    { mqtt: ', password: x' },
    'a password needs a user name (add username)',
  ],
  [
    'tls without encryption',
    { mqtt: ', tls: { caFile: x }' },
    'tls has no effect on an address that is not encrypted (begin the address with mqtts:// or wss://)',
  ],
  [
    'a secret that cannot be read',
    { mqtt: ', username: x, passwordFile: none' },
    `${join(folder, 'none')} cannot be read: ENOENT (check the path and who may read it)`,
  ],
  [
    'an open host without a token',
    { rest: 'web: { host: 0.0.0.0 }' },
    'web.host "0.0.0.0" can be reached by others, so it needs a token (add tokenFile, or listen on 127.0.0.1)',
  ],
  [
    'express',
    { rest: 'web: { framework: express }' },
    'framework express comes in a later version (write fastify, or leave it out)',
  ],
  [
    'a bad digest',
    { func: 'modelMd5: abc' },
    'modelMd5 "abc" is no MD5 (24 characters of base64, or 32 hexadecimal digits)',
  ],
  [
    'an address that cannot be fetched',
    { func: 'modelAddress: ftp://h/m.zip' },
    'modelAddress has the protocol ftp, which is not supported (give an http or https address, or a path)',
  ],
  [
    'a condition that does not compile',
    { func: 'when: "telemetry.a >"' },
    'the condition is not a valid condition: Unexpected token: EOF',
  ],
] as const) {
  test(`refuses ${what}`, () => {
    assert.deepEqual(messages(mistakesIn(config(parts))), [expected])
  })
}

test('points into a condition', () => {
  assert.deepEqual(mistakesIn(config({ func: 'when: "telemetri.a > 1 "' })), [
    'c.yaml:9:12: the condition is not a valid condition: Unknown variable: telemetri',
  ])
})

for (const [topic, expected] of [
  ['a/#/b', 'the topic may have # only alone at its end: plant/#'],
  ['a/b#', 'the topic may have # only alone at its end: plant/#'],
  ['a/b+', 'the topic may have + only alone between slashes: plant/+/telemetry'],
  ['$share//a', 'the topic needs the name of a group after $share/'],
  ['$share/g', 'the topic needs a topic filter after $share/g/'],
  [`a${'b'.repeat(70_000)}`, 'the topic has 70001 bytes, more than 65535'],
] as const) {
  test(`refuses to subscribe to ${topic.slice(0, 20)}`, () => {
    assert.deepEqual(messages(mistakesIn(config().replace('in/+', `"${topic}"`))), [expected])
  })
}

test('refuses to publish to a wildcard', () => {
  assert.deepEqual(messages(mistakesIn(config().replace('topic: out', 'topic: out/+'))), [
    'the topic has the wildcard +, which results cannot go to',
  ])
})

test('refuses a template that asks for a device where there is none', () => {
  const content = config().replace('topic: out', 'topic: "out/${device}"')
  assert.deepEqual(messages(mistakesIn(content)), [
    'the topic asks for ${device}, but the func "m" names no devices (add devices to the func, or use ${topic[N]})',
  ])
})

test('tells of a broker that is not there, but not of one that is faulty', () => {
  const content = config().replace('name: plant, topic: in', 'name: plan, topic: in')
  assert.deepEqual(messages(mistakesIn(content)), [
    'no broker is called "plan" (did you mean plant?)',
  ])
  const faulty = config().replace('tcp://127.0.0.1:1883', 'tcpp://h')
  assert.deepEqual(messages(mistakesIn(faulty)), [
    'the protocol "tcpp" is not known (did you mean tcp://?)',
  ])
})

test('tells of names that are there twice, naming both lines', () => {
  const content = `
mqtts: [{ name: b, broker: tcp://h }, { name: b, broker: tcp://h }]
rules:
  - { name: rule-2, sub: { name: b, topic: x }, pub: { name: b, topic: y } }
  - { sub: { name: b, topic: x }, pub: { name: b, topic: y } }
funcs: [{ modelName: m }, { modelName: m }]
`
  assert.deepEqual(mistakesIn(content), [
    'c.yaml:2:47: a second broker is called "b"; the first is in line 2 (give it another name)',
    'c.yaml:5:5: a second rule is called "rule-2"; the first is in line 4 (give it another name)',
    'c.yaml:6:40: a second func is called "m"; the first is in line 6 (give this one a name of its own: name: …)',
  ])
})

test('never repeats a secret', () => {
  const content = config({ mqtt: ', password: s3cret, passwordFile: x' }).replace(
    'tcp://',
    'tcpp://me:s3cret@',
  )
  const all = [...mistakesIn(content), ...warningsIn(content)].join('\n')
  assert.ok(all.length > 0)
  assert.ok(!all.includes('s3cret'), all)
})

for (const [env, expected] of [
  [{}, { workers: 1, download: 'missing', folder: join(folder, 'models') }],
  [{ MAX_EDGE_NUM: '4' }, { workers: 4, download: 'missing', folder: join(folder, 'models') }],
  [{ DOWNLOAD_MODEL: 'True' }, { workers: 1, download: 'always', folder: join(folder, 'models') }],
  [{ DOWNLOAD_MODEL: 'False' }, { workers: 1, download: 'never', folder: join(folder, 'models') }],
  [
    { PYBOOT_HOME: '/opt/pyboot' },
    { workers: 1, download: 'missing', folder: '/opt/pyboot/modules/gridsum/science' },
  ],
  [{ PYBOOT_PROFILE: 'prod' }, { workers: 1, download: 'missing', folder: join(folder, 'models') }],
] as const) {
  test(`follows the environment ${JSON.stringify(env)}`, () => {
    const settings = settingsOf(config(), env)
    const { models } = settings
    assert.deepEqual(
      { workers: only(settings).workers, download: models.download, folder: models.folder },
      expected,
    )
    assert.equal(settings.web.port, 5888)
  })
}

test('puts the file before the environment', () => {
  const env = { MAX_EDGE_NUM: '4', DOWNLOAD_MODEL: 'True', PYBOOT_HOME: '/x' }
  const settings = settingsOf(
    config({ func: 'workers: 0', rest: 'models: { folder: f, download: never }' }),
    env,
  )
  assert.equal(only(settings).workers, 0)
  assert.deepEqual([settings.models.folder, settings.models.download], [join(folder, 'f'), 'never'])
})

test('refuses an environment that makes no sense', () => {
  assert.deepEqual(mistakesIn(config(), { MAX_EDGE_NUM: 'many', DOWNLOAD_MODEL: 'perhaps' }), [
    'environment: MAX_EDGE_NUM must be a whole number from 1 to 256, not "many"',
    'environment: DOWNLOAD_MODEL must be True or False, not "perhaps"',
  ])
})

test('warns of what is likely not meant', () => {
  assert.deepEqual(
    messages(
      warningsIn(
        config({ sub: '', func: 'workers: 1' })
          .replace('topic: out', 'topic: t')
          .replace('in/+', 't'),
      ),
    ),
    ['results go to the topic that events come from: each one is an event again'],
  )
  assert.deepEqual(
    messages(
      warningsIn(
        twoFuncs('  - { sub: { name: b, topic: x }, pub: { name: b, topic: y }, funcs: [n, m] }'),
      ),
    ),
    ['no rule uses the func "m2"'],
  )
  assert.deepEqual(
    messages(
      warningsIn(config({ mqtt: ', tls: { insecure: true }' }).replace('tcp://', 'mqtts://')),
    ),
    ['the certificate of the broker is not checked'],
  )
})

test('reads what a runner may hold, and warns where nobody can keep it to that', () => {
  assert.equal(only(settingsOf(config({ func: 'memory: 256MiB' }))).memoryBytesMax, 256 * 1024 ** 2)
  assert.equal('memoryBytesMax' in only(settingsOf(config())), false)
  assert.deepEqual(messages(mistakesIn(config({ func: 'memory: 1MiB' }))), [
    'memory must be at least 16MiB (a bare number is bytes), not "1MiB"',
  ])
  assert.match(
    messages(warningsIn(config({ func: 'workers: 0\n    memory: 64MiB' }))).join(),
    /memory has no effect.*workers: 0/,
  )
})
