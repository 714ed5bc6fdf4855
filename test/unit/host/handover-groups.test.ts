import assert from 'node:assert/strict'
import test from 'node:test'
import type { PipelineSettings } from '../../../src/config/settings.ts'
import { handoverGroups, type HandoverParts } from '../../../src/host/handover-groups.ts'
import { pipelineSettings } from '../../support/pipeline-settings.ts'

/** A pipeline of this rule that has this client id at both ends, at one broker. */
function pipeline(rule: string, clientId: string): PipelineSettings {
  const { source, sink } = pipelineSettings()
  return pipelineSettings({
    rule,
    source: { ...source, clientId: `${clientId}-in` },
    sink: { ...sink, clientId: `${clientId}-out` },
  })
}

/** Rules of each group, those that leave or change first. */
function groups(parts: Partial<HandoverParts>): string[][] {
  const none = { running: [], removed: [], changed: [], added: [] }
  return handoverGroups({ ...none, ...parts }).map(({ removed, changed, added }) =>
    [...removed, ...changed, ...added].map(({ rule }) => rule),
  )
}

test('pipelines that keep their client ids change each by itself', () => {
  const running = [pipeline('a', '1'), pipeline('b', '2'), pipeline('c', '3')]
  const changed = [pipeline('a', '1'), pipeline('b', '2')]
  const added = [pipeline('d', '4')]
  assert.deepEqual(groups({ running, changed, added, removed: running.slice(2) }), [
    ['c'],
    ['a'],
    ['b'],
    ['d'],
  ])
})

test('a rule that is renamed waits for itself', () => {
  const running = [pipeline('old', '1')]
  assert.deepEqual(groups({ running, removed: running, added: [pipeline('new', '1')] }), [
    ['old', 'new'],
  ])
})

test('rules that exchange their client ids let go together', () => {
  const running = [pipeline('a', '1'), pipeline('b', '2'), pipeline('c', '3')]
  const changed = [pipeline('a', '2'), pipeline('b', '1'), pipeline('c', '3')]
  assert.deepEqual(groups({ running, changed }), [['a', 'b'], ['c']])
})

test('one client id at two brokers is two', () => {
  const running = [pipeline('a', '1')]
  const other = pipeline('b', '1')
  const elsewhere = { ...other.source.broker, url: 'mqtt://elsewhere:1883' }
  const added = [
    {
      ...other,
      source: { ...other.source, broker: elsewhere },
      sink: { ...other.sink, broker: elsewhere },
    },
  ]
  assert.deepEqual(groups({ running, removed: running, added }), [['a'], ['b']])
})
