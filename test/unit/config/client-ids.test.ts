import assert from 'node:assert/strict'
import { join } from 'node:path'
import test from 'node:test'
import { inspectConfig, loadSettings, type LoadOptions } from '../../../src/config/load.ts'
import { describeFinding } from '../../../src/config/finding.ts'
import { folder, settingsOf, writeConfig } from './config-files.ts'

/** A rule with an id for each connection, from a broker of one QoS to one of another. */
function withIds(qos: { from: number; to: number }, funcs: string): string {
  return `
mqtts:
  - { name: a, broker: tcp://h1, qos: ${qos.from} }
  - { name: b, broker: tcp://h2, qos: ${qos.to} }
rules:
  - { name: r, sub: { name: a, topic: x, clientId: c }, pub: { name: b, topic: y, clientId: d }, funcs: [${funcs}] }
funcs: [{ modelName: m }, { modelName: n }]
`
}

function idsOf(content: string, options: Partial<LoadOptions> = {}): string[][] {
  const file = join(folder, writeConfig(content))
  const { settings } = loadSettings(file, { env: {}, cwd: folder, ...options })
  return settings.pipelines.map(({ source, sink }) => [source.clientId, sink.clientId])
}

test('keeps a configured client id as it is with QoS 0 and one func', () => {
  assert.deepEqual(idsOf(withIds({ from: 0, to: 0 }, 'm')), [['c', 'd']])
  assert.deepEqual(idsOf(withIds({ from: 0, to: 1 }, 'm')), [['c', 'd']])
})

for (const to of [0, 1]) {
  test(`does not change the client id of a func when others come or go, from QoS 1 to ${to}`, () => {
    const alone = idsOf(withIds({ from: 1, to }, 'm'))
    assert.deepEqual(alone, [['c-m', 'd-m']])
    assert.deepEqual(idsOf(withIds({ from: 1, to }, 'm, n')), [...alone, ['c-n', 'd-n']])
    assert.deepEqual(idsOf(withIds({ from: 1, to }, 'n, m')), [['c-n', 'd-n'], ...alone])
  })
}

test('refuses client ids that the name of a func makes the same', () => {
  const content = `
mqtts: [{ name: a, broker: tcp://h, qos: 1 }]
rules:
  - { name: r, sub: { name: a, topic: x, clientId: c }, pub: { name: a, topic: y }, funcs: [m-n] }
  - { name: q, sub: { name: a, topic: x, clientId: c-m }, pub: { name: a, topic: y }, funcs: [n] }
funcs: [{ modelName: m-n }, { modelName: n }]
`
  const { findings } = inspectConfig(writeConfig(content), { env: {}, cwd: folder })
  assert.deepEqual(findings.map(describeFinding), [
    'c.yaml:5:52: the client id "c-m-n" is used in line 4 too, at the same broker: the two would throw each other out (give each connection an id of its own, or leave clientId out)',
  ])
})

/** Without ids, to a broker of QoS 0. */
const without = (qos: number): string => `
mqtts:
  - { name: a, broker: tcp://h1, qos: ${qos} }
  - { name: b, broker: tcp://h2 }
rules: [{ name: r, sub: { name: a, topic: x }, pub: { name: b, topic: y } }]
funcs: [{ modelName: m }]
`

test('makes the client ids of QoS 1 from the identity, whatever the host is called', () => {
  const asked: string[] = []
  const readIdentity = (stateFolder: string): string => {
    asked.push(stateFolder)
    return 'id-1'
  }
  const first = idsOf(without(1), { instance: 'container-1', readIdentity })
  const second = idsOf(without(1), { instance: 'container-2', readIdentity })
  assert.equal(first[0]?.[0], second[0]?.[0])
  assert.notEqual(first[0]?.[1], second[0]?.[1])
  assert.deepEqual(asked, Array(2).fill(join(folder, 'models/.edgeboot/state')))
  const other = idsOf(without(1), { instance: 'container-1', readIdentity: () => 'id-2' })
  assert.notEqual(other[0]?.[0], first[0]?.[0])
})

test('asks for no identity where no broker keeps a session under a made id', () => {
  const readIdentity = (): string => assert.fail('asked')
  idsOf(without(0), { readIdentity })
  idsOf(withIds({ from: 1, to: 1 }, 'm, n'), { readIdentity })
})

test('asks for the identity once', () => {
  let asked = 0
  const content = without(1).replace('tcp://h2 }', 'tcp://h2, qos: 1 }')
  idsOf(content, { readIdentity: () => `${++asked}` })
  assert.equal(asked, 1)
})

test('refuses to start with client ids that would change, once and in words', () => {
  const readIdentity = (): string => {
    throw new Error('/ro/identity cannot be written: EROFS')
  }
  const content = `${without(1)}stateFolder: /ro\n`.replace('tcp://h2 }', 'tcp://h2, qos: 1 }')
  const { findings } = inspectConfig(writeConfig(content), { env: {}, cwd: folder, readIdentity })
  assert.deepEqual(findings.map(describeFinding), [
    'c.yaml:7:14: the client ids of QoS 1 cannot be kept: /ro/identity cannot be written: EROFS (name a folder that edgeboot may write to as stateFolder)',
  ])
})

test('makes ids of at most 23 characters', () => {
  const [pipeline] = settingsOf(without(1)).pipelines
  assert.match(pipeline?.source.clientId ?? '', /^edgeboot-[\da-f]{10}-in$/)
})
