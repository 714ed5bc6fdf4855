import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { topicFault } from '../../../src/core/mqtt-topic.ts'
import { compileTopicTemplate } from '../../../src/transport/render-topic.ts'

const values = { rule: 'threshold', model: 'limits' }
const render = (template: string, topic = 'plant/p-1/telemetry', device?: string) =>
  compileTopicTemplate(template, values)(topic, device)

test('leaves a plain topic as it is', () => {
  assert.equal(render('plant/alarm'), 'plant/alarm')
})

test('fills in rule, model, device, topic and its levels', () => {
  const template = '${rule}/${model}/${device}/${topic[1]}/${topic}'
  assert.equal(
    render(template, 'plant/p-1/telemetry', '水泵'),
    'threshold/limits/水泵/p-1/plant/p-1/telemetry',
  )
})

test('leaves what it does not know as it is written', () => {
  assert.equal(render('a/${other}/$x/${device[0]}'), 'a/${other}/$x/${device[0]}')
})

test('gives nothing without a device to name, or a level that is not there', () => {
  assert.equal(render('a/${device}'), undefined)
  assert.equal(render('a/${topic[7]}'), undefined)
})

test('does not let data widen a topic', () => {
  for (const device of ['+', '#', 'a/#', 'x\0', '\ud800']) {
    assert.equal(render('a/${device}', 'a', device), undefined)
  }
  assert.equal(render('${device}', 'a', ''), undefined)
  assert.equal(render('a/#'), undefined)
})

test('never gives a topic that MQTT forbids, and never throws', () => {
  const text = fc.oneof(fc.string(), fc.constantFrom('+', '#', '\0', '${topic}', '${topic[0]}'))
  fc.assert(
    fc.property(text, text, text, (template, topic, device) => {
      const rendered = render(`x${template}`, topic, device)
      assert.ok(rendered === undefined || topicFault(rendered) === undefined)
    }),
  )
})
