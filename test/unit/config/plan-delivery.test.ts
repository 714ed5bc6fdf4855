import assert from 'node:assert/strict'
import { basename, dirname, join } from 'node:path'
import test from 'node:test'
import { loadSettings } from '../../../src/config/load.ts'
import type { PipelineSettings, SpoolSettings } from '../../../src/config/settings.ts'
import {
  config,
  folder,
  load,
  mistakesIn,
  settingsOf,
  warningsIn,
  writeConfig,
} from './config-files.ts'

/** What a host is told of the only pipeline. */
function pipelineOf(parts: Parameters<typeof config>[0]): PipelineSettings {
  const [pipeline] = settingsOf(config(parts)).pipelines
  assert.ok(pipeline !== undefined)
  return pipeline
}

function spoolOf(parts: Parameters<typeof config>[0]): SpoolSettings {
  const { spool } = pipelineOf({ mqtt: ', qos: 1', ...parts }).sink
  assert.ok(spool !== undefined)
  return spool
}

const messages = (findings: readonly string[]): string[] =>
  findings.map((finding) => finding.replace(/^(?:\S+:\d+:\d+|environment): (?:warning: )?/, ''))

test('serves QoS 1 without a warning, keeping the session for 7 days and results on the disk', () => {
  const { settings, notes } = load(config({ mqtt: ', qos: 1' }))
  const [pipeline] = settings.pipelines
  assert.deepEqual(notes, [])
  assert.equal(pipeline?.source.qos, 1)
  assert.equal(pipeline.source.sessionExpirySeconds, 604_800)
  assert.equal(pipeline.source.window, 1000)
  assert.equal(pipeline.queue.whenFull, 'block')
  assert.equal(pipeline.sink.qos, 1)
  const { file, ...limits } = pipeline.sink.spool ?? {}
  assert.deepEqual(limits, { bytesMax: 268_435_456, whenFull: 'block' })
  assert.equal(dirname(file ?? ''), join(folder, 'models/.edgeboot/state/spool'))
})

test('serves QoS 2 as 1 and says why', () => {
  const content = config({ mqtt: ', qos: 2' })
  const [pipeline] = settingsOf(content).pipelines
  assert.deepEqual([pipeline?.source.qos, pipeline?.sink.qos], [1, 1])
  assert.deepEqual(warningsIn(content), [
    'c.yaml:2:57: warning: qos 2 is served as 1, at least once: exactly-once between two MQTT ends would not outlive a crash of either (repeats bear the same edgeboot-id; write 1 to be rid of this warning)',
  ])
})

test('lets brokers of one rule differ in QoS', () => {
  const content = (from: number, to: number): string => `
mqtts:
  - { name: a, broker: tcp://h1, qos: ${from} }
  - { name: b, broker: tcp://h2, qos: ${to} }
rules: [{ name: r, sub: { name: a, topic: x }, pub: { name: b, topic: y } }]
funcs: [{ modelName: m }]
`
  const delivery = (from: number, to: number): unknown[] => {
    const { settings, notes } = load(content(from, to))
    assert.deepEqual(notes, [])
    return settings.pipelines.map(({ source, sink }) => [
      source.qos,
      source.sessionExpirySeconds > 0,
      sink.qos,
      sink.spool !== undefined,
    ])
  }
  assert.deepEqual(delivery(1, 1), [[1, true, 1, true]])
  assert.deepEqual(delivery(1, 0), [[1, true, 0, false]])
  assert.deepEqual(delivery(0, 1), [[0, false, 1, true]])
  assert.deepEqual(delivery(0, 0), [[0, false, 0, false]])
})

for (const [size, window] of [
  [1, 1],
  [65_535, 65_535],
  [65_536, 65_535],
  [1_000_000, 65_535],
] as const) {
  test(`takes ${window} unacknowledged messages with a queue of ${size}`, () => {
    const { source, queue } = pipelineOf({ mqtt: ', qos: 1', rule: `queue: { size: ${size} }` })
    assert.deepEqual([source.window, queue.size], [window, size])
  })
}

for (const [written, seconds] of [
  ['7d', 604_800],
  ['90', 90],
  ['1ms', 1],
  ['1.2s', 2],
  ['4294967294', 4_294_967_294],
] as const) {
  test(`reads the sessionExpiry ${written} as ${seconds} seconds`, () => {
    const { source } = pipelineOf({ mqtt: `, qos: 1, sessionExpiry: ${written}` })
    assert.equal(source.sessionExpirySeconds, seconds)
  })
}

const notDuration = 'must be a duration of at most 136 years, such as 7d, 12h or 30m'
const notSpool = 'spool must be a map such as { maxBytes: 256MiB }, or false for none'

for (const [written, expected] of [
  [
    { mqtt: ', qos: 1, sessionExpiry: 0' },
    'sessionExpiry must be above 0 (write qos: 0 if the broker is to keep nothing), not 0',
  ],
  [
    { mqtt: ', qos: 1, sessionExpiry: 0.1ms' },
    'sessionExpiry must be above 0 (write qos: 0 if the broker is to keep nothing), not "0.1ms"',
  ],
  [{ mqtt: ', sessionExpiry: 4294967295' }, `sessionExpiry ${notDuration}, not 4294967295`],
  [{ mqtt: ', sessionExpiry: 200y' }, `sessionExpiry ${notDuration}, not "200y"`],
  [{ mqtt: ', sessionExpiry: -1' }, `sessionExpiry ${notDuration}, not -1`],
  [
    { mqtt: ', sessionExpiry: { days: 1 }' },
    'sessionExpiry must be a duration such as 7d, 12h or 30m, not a map',
  ],
  [{ mqtt: ', qos: 3' }, 'qos must be 0, 1 or 2, not 3'],
  [
    { rule: 'spool: { whenFull: drop-newest }' },
    'whenFull must be one of block, drop-oldest, not "drop-newest" (did you mean drop-oldest?)',
  ],
  [
    { rule: 'spool: { maxBytes: 256 }' },
    'maxBytes must be at least 1MiB (a bare number is bytes), not 256',
  ],
  [
    { rule: 'spool: { maxBytes: lots }' },
    'maxBytes must be a size such as 256MiB or 1GB, not "lots"',
  ],
  [
    { rule: 'spool: { maxAge: 0 }' },
    'maxAge must be above 0 (leave it out to keep results for ever), not 0',
  ],
  [{ rule: 'spool: { maxAge: old }' }, `maxAge ${notDuration}, not "old"`],
  [
    { rule: 'spool: { maxSize: 1GB }' },
    'unknown key "maxSize" (known here: maxBytes, maxAge, whenFull)',
  ],
  [{ rule: 'spool: 256MiB' }, `${notSpool}, not "256MiB"`],
  [{ rule: 'spool: [1]' }, `${notSpool}, not a list`],
  [{ rule: 'spool:' }, `${notSpool}, not empty`],
  [{ rest: 'stateFolder: ""' }, 'stateFolder must not be empty'],
  [{ rest: 'stateFolder: [a]' }, 'stateFolder must be text, not a list'],
] as const) {
  test(`refuses ${JSON.stringify(written)}`, () => {
    assert.deepEqual(messages(mistakesIn(config(written))), [expected])
  })
}

test('points at a mistake inside of the spool', () => {
  assert.deepEqual(mistakesIn(config({ rule: 'spool: { maxByte: 1GB, maxAge: x }' })), [
    'c.yaml:7:14: unknown key "maxByte" (did you mean maxBytes?)',
    `c.yaml:7:36: maxAge ${notDuration}, not "x"`,
  ])
})

for (const [parts, expected] of [
  [
    { rule: 'spool: { maxBytes: 1GB }' },
    'spool has no effect: the output broker "plant" has qos 0, so nothing tells whether a result arrived (set qos: 1 on plant, or leave spool out)',
  ],
  [
    { mqtt: ', sessionExpiry: 1d' },
    'sessionExpiry has no effect with qos 0: the broker keeps nothing',
  ],
  [
    { mqtt: ', qos: 1, sessionExpiry: 1d, protocol: 3.1.1' },
    'sessionExpiry has no effect with protocol 3.1.1: how long the broker keeps a session is set there',
  ],
  [
    { mqtt: ', qos: 1', rule: 'queue: { whenFull: drop-newest }' },
    'what drop-newest drops is lost in spite of qos 1: it is acknowledged and counted, not kept by the broker (block leaves it with the broker until there is room)',
  ],
] as const) {
  test(`warns of ${JSON.stringify(parts)}`, () => {
    assert.deepEqual(messages(warningsIn(config(parts))), [expected])
  })
}

for (const parts of [
  { rule: 'spool: false' },
  { mqtt: ', qos: 1', rule: 'spool: false' },
  { mqtt: ', qos: 1', rule: 'spool: { maxAge: 1d }' },
  { mqtt: ', qos: 1', rule: 'queue: { whenFull: block }' },
  { mqtt: ', qos: 1', sub: ', group: g' },
  { mqtt: ', qos: 1, protocol: 3.1.1', sub: ', group: g' },
  { rule: 'queue: { whenFull: drop-oldest }' },
]) {
  test(`has nothing to say of ${JSON.stringify(parts)}`, () => {
    assert.deepEqual(warningsIn(config(parts)), [])
  })
}

test('warns that the broker inside edgeboot forgets', () => {
  const content = config({ mqtt: ', qos: 1' }).replace('tcp://127.0.0.1:1883', 'embedded://')
  assert.deepEqual(messages(warningsIn(content)), [
    'the broker inside edgeboot keeps qos 1 messages in memory: they are gone when edgeboot stops (for trials only)',
  ])
})

test('warns of a rule that its broker knows by its place alone', () => {
  const content = config({ mqtt: ', qos: 1' }).replace('name: r\n    sub', 'sub')
  assert.deepEqual(messages(warningsIn(content)), [
    'the rule has neither a name nor sub.clientId, so the broker knows it by its place in this list: a rule put before it would take over its messages (add name)',
  ])
  assert.deepEqual(warningsIn(content.replace('in/+ }', 'in/+, clientId: c }')), [])
})

for (const off of ['false', 'no', 'off', '"${SPOOL:false}"']) {
  test(`has no spool with ${off}`, () => {
    assert.equal(pipelineOf({ mqtt: ', qos: 1', rule: `spool: ${off}` }).sink.spool, undefined)
  })
}

test('has the usual spool with true and with an empty map', () => {
  const usual = spoolOf({})
  assert.deepEqual(spoolOf({ rule: 'spool: true' }), usual)
  assert.deepEqual(spoolOf({ rule: 'spool: {}' }), usual)
})

test('accepts an age of the spool that no timer could wait for', () => {
  assert.equal(spoolOf({ rule: 'spool: { maxAge: 365d }' }).ageMsMax, 31_536_000_000)
})

test('names a file of its own for every rule, func and output broker', () => {
  const spools = (rules: string): string[] => {
    const { pipelines } = settingsOf(`
mqtts: [{ name: a, broker: tcp://h, qos: 1 }, { name: A, broker: tcp://i, qos: 1 }]
rules:
${rules}
funcs: [{ modelName: m }, { modelName: n }]
`)
    return pipelines.map(({ sink }) => basename(sink.spool?.file ?? ''))
  }
  const rule = (name: string, to: string): string =>
    `  - { name: ${name}, sub: { name: a, topic: x }, pub: { name: ${to}, topic: y } }`
  const names = ['r', 'R', '"r/../.."', '"r\\\\..\\\\.."', '泵', 'x'.repeat(300)]
  const all = spools([...names.map((name) => rule(name, 'a')), rule('q', 'A')].join('\n'))
  assert.equal(all.length, 14)
  assert.equal(new Set(all.map((name) => name.toLowerCase())).size, 14)
  for (const name of all) assert.match(name, /^[\w-]{1,40}\.[mn]\.[aA]\.[\da-f]{10}\.sqlite$/)
  assert.deepEqual(spools([rule('q', 'A'), rule('r', 'a')].join('\n')), [
    ...all.slice(-2),
    ...all.slice(0, 2),
  ])
})

test('keeps what outlives the process beside the models, wherever they are', () => {
  const { stateFolder, pipelines } = settingsOf(config({ rest: 'models: { folder: m }' }))
  assert.equal(stateFolder, join(folder, 'm/.edgeboot/state'))
  assert.equal(pipelines[0]?.source.recordsFolder, join(folder, 'm/.edgeboot/state/sessions'))
})

test('reads stateFolder relative to the file, with variables', () => {
  const file = writeConfig(config({ rest: 'stateFolder: ${STATE:s}/x' }))
  const stateFolder = (env: Record<string, string>): string =>
    loadSettings(join(folder, file), { env, cwd: '/' }).settings.stateFolder
  assert.equal(stateFolder({}), join(folder, 's/x'))
  assert.equal(stateFolder({ STATE: '/var/lib' }), '/var/lib/x')
})
