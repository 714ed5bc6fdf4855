import assert from 'node:assert/strict'
import test from 'node:test'
import { displayWidth, withoutColours } from '../../../src/cli/display-width.ts'
import { explanationText } from '../../../src/cli/explanation-text.ts'
import { deviceCondition } from '../../../src/config/cel-text.ts'
import { explainPipeline } from '../../../src/host/explain-pipeline.ts'
import type { PipelineExplanation } from '../../../src/host/explanation.ts'
import { pipelineSettings } from '../../support/pipeline-settings.ts'

const plain = { now: 0, columns: Infinity, colours: false, listsLast: false }

function explanation(devices: number, event: unknown = {}): PipelineExplanation {
  const names = Array.from({ length: devices }, (_, i) => `水泵-${i}`)
  const settings = pipelineSettings({
    devices: names.map((name) => ({
      name,
      attributes: [{ name: 'deviceName', value: name, expression: deviceCondition(name) }],
    })),
  })
  const payload = Buffer.from(JSON.stringify(event))
  return explainPipeline(settings, { topic: 'in/a', payload, retain: false })
}

function textOf(pipelines: readonly PipelineExplanation[], options = plain): string {
  return explanationText({ from: 'here', pipelines }, options)
}

test('shows five entries that do not fit, and says how many there are besides', () => {
  const text = textOf([explanation(100)])
  assert.equal(text.match(/✘ device/g)?.length, 5)
  assert.match(text, /95 more entries do not fit/)
})

test('shows the entry that fits, and not why the others do not', () => {
  const text = textOf([explanation(3, { deviceInfo: { deviceName: '水泵-1' } })])
  assert.match(text, /✔ device {4}水泵-1: deviceName "水泵-1"\n/)
  assert.doesNotMatch(text, /✘/)
  assert.match(text, /2 more entries do not fit/)
})

test('names ten pipelines that a topic is not for, and counts the rest', () => {
  const settings = pipelineSettings()
  const elsewhere = explainPipeline(settings, { topic: 'out/a', retain: false })
  const text = textOf(Array.from({ length: 12 }, () => elsewhere))
  assert.equal(text.match(/level 1 is out, not in/g)?.length, 10)
  assert.match(text, /and 2 more/)
})

test('breaks lines at the width of the terminal, wide characters counted as two', () => {
  const text = textOf([explanation(100)], { ...plain, columns: 60, colours: true })
  assert.ok(text.includes('\u001b[31m✘\u001b[0m device'))
  for (const line of text.split('\n')) {
    assert.ok(displayWidth(withoutColours(line)) <= 60, line)
  }
})

test('lets nothing that is shown steer the terminal', () => {
  const one = explanation(1, { deviceInfo: { deviceName: '\u001b[2J\n\u202e' } })
  const hostile = { ...one, rule: 'a\u001b[2J', steps: [{ ...one.steps[0]!, text: 'a\nb\u0007' }] }
  const text = textOf([one, hostile])
  assert.doesNotMatch(text.replaceAll('\n', ''), /[\p{Cc}\p{Cf}]/u)
})

test('says what a pipeline that is not READY does with what it takes', () => {
  const running = {
    state: 'BROKEN',
    since: 0,
    reason: 'no module named numpy',
    received: 3,
    published: 0,
    spooled: 2,
    dropped: { model: 2 },
    deadLettered: 2,
    trail: { remembered: 0, byEnding: {}, last: [], reasons: {} },
  } as const
  const settings = pipelineSettings()
  const question = { payload: Buffer.from('{}'), topic: 'in/a', retain: false }
  const one = { ...explainPipeline(settings, question, running), running }
  const text = textOf([one])
  assert.match(text, /BROKEN \(no module named numpy\), 3 received, 0 published, 2 on the disk/)
  assert.match(text, /✘ next {6}the pipeline is BROKEN: no module named numpy/)
  assert.match(text, /→ dropped: broken, the pipeline is BROKEN/)
  assert.match(text, /last of this topic: none among the last 0 events/)
  assert.match(text, /drops of all topics: 2 model; 2 kept: edgeboot dlq list/)
})
