import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import type { PipelineSettings } from '../../../src/config/settings.ts'
import { compileMatcher } from '../../../src/host/compile-matcher.ts'
import { explainMessage } from '../../../src/host/explain-message.ts'
import type { Explanation } from '../../../src/host/explanation.ts'
import { deviceCondition, pointCondition } from '../../../src/config/cel-text.ts'
import { matchEvent } from '../../../src/pipeline/match.ts'
import { pipelineSettings } from '../../support/pipeline-settings.ts'

interface Changes extends Partial<PipelineSettings> {
  readonly filter?: string
  readonly result?: string
  readonly retained?: boolean
}

function settings({ filter, result, retained, ...changes }: Changes = {}): PipelineSettings {
  const plain = pipelineSettings()
  return {
    ...plain,
    source: { ...plain.source, topic: filter ?? 'plant/+/telemetry', retained: retained ?? true },
    sink: { ...plain.sink, topic: result ?? 'plant/${device}/alarm' },
    ...changes,
  }
}

function device(name: string, point?: string): PipelineSettings['devices'][number] {
  const own = { name: 'deviceName', value: name, expression: deviceCondition(name) }
  if (point === undefined) return { name, attributes: [own] }
  const pointAttribute = { name: 'pointName', value: point, expression: pointCondition(point) }
  return { name, attributes: [own, pointAttribute] }
}

function ask(of: PipelineSettings, event: unknown, topic?: string, retain = false): Explanation {
  const payload = Buffer.from(typeof event === 'string' ? event : JSON.stringify(event))
  return explainMessage(of, { ...(topic === undefined ? {} : { topic }), payload, retain })
}

const topic = 'plant/pump-1/telemetry'
const lines = ({ steps }: Explanation): string[] =>
  steps.map(({ step, passed, text }) => `${passed ? '+' : '-'} ${step} ${text}`)

test('names the level of a topic at which a filter does not match', () => {
  const cases: readonly (readonly [string, string, RegExp])[] = [
    ['plant/+/telemetry', 'plant/a/status', /level 3 is status, not telemetry$/],
    ['plant/+/telemetry', 'plant/a', /the topic ends before level 3, telemetry$/],
    ['plant/+/telemetry', 'plant/a/telemetry/b', /the topic goes on after level 3$/],
    ['$share/g/plant/+', 'plant', /the topic ends before level 2, \+$/],
    ['+/a', '$SYS/a', /not for topics that begin with \$$/],
    ['#', '$SYS/a', /not for topics that begin with \$$/],
    ['plant//x', 'plant/a/x', /level 2 is a, not $/],
  ]
  for (const [filter, asked, pattern] of cases) {
    const { verdict, steps } = ask(settings({ filter }), {}, asked)
    assert.equal(verdict, 'elsewhere', `${filter} ${asked}`)
    assert.match(steps[0]?.text ?? '', pattern)
  }
})

test('says that another member of the group may get it', () => {
  const { steps } = ask(settings({ filter: '$share/g/plant/#' }), {}, topic)
  assert.match(steps[0]?.text ?? '', /matches \$share\/g\/plant\/#; any member of the group g/)
})

test('explains the topic alone when there is no message', () => {
  const { verdict, steps } = explainMessage(settings(), { topic, retain: false })
  assert.equal(verdict, 'subscribed')
  assert.equal(steps.length, 1)
})

test('makes up a topic for the filter when there is only a message, and says so', () => {
  const explanation = ask(settings({ filter: '$share/g/plant/+/#' }), {})
  assert.equal(explanation.topic, 'plant/any/any')
  assert.equal(explanation.isTopicMadeUp, true)
  assert.match(explanation.steps[0]?.text ?? '', /made up/)
})

test('stops at a retained message that the rule does not want', () => {
  const { verdict, reason } = ask(settings({ retained: false }), {}, topic, true)
  assert.deepEqual([verdict, reason], ['dropped', 'retained'])
  assert.equal(ask(settings({ retained: true }), {}, topic, true).verdict, 'taken')
})

test('says what is wrong with a payload that is no event', () => {
  const explanation = ask(settings(), '{"a":', topic)
  assert.deepEqual([explanation.verdict, explanation.reason], ['dropped', 'decode'])
  assert.equal(lines(explanation).at(-1), '- decode JSON cut short after 5 bytes (not-json)')
})

test('names the attribute of the device, with what is there and what is wanted', () => {
  const of = settings({ devices: [device('pump-1', 'temperature')] })
  const event = { deviceInfo: { deviceName: 'pump-1' }, telemetry: { temperatur: 1, pressure: 2 } }
  const explanation = ask(of, event, topic)
  assert.deepEqual([explanation.verdict, explanation.reason], ['dropped', 'device'])
  assert.deepEqual(explanation.steps.at(-1), {
    step: 'device',
    passed: false,
    device: 'pump-1',
    attribute: 'pointName',
    text: 'pump-1: pointName: telemetry has no temperature; it has: temperatur, pressure (did you mean temperatur?)',
    actual: 'temperatur, pressure',
    expected: '"temperature"',
  })
})

test('tells of the entry that came closest first', () => {
  const of = settings({ devices: [device('a', 't'), device('b', 't'), device('c', 't')] })
  const explanation = ask(of, { deviceInfo: { deviceName: 'b' }, telemetry: {} }, topic)
  assert.deepEqual(
    explanation.steps.flatMap((step) => step.device ?? []),
    ['b', 'a', 'c'],
  )
})

test('tells of a bounded number of entries', () => {
  const devices = Array.from({ length: 500 }, (_, i) => device(`pump-${i}`))
  const explanation = ask(settings({ devices }), { deviceInfo: { deviceName: 'x' } }, topic)
  assert.equal(explanation.steps.filter(({ step }) => step === 'device').length, 20)
  assert.equal(explanation.entriesLeftOut, 480)
})

test('asks when of each entry that fits, and says where the result goes', () => {
  const of = settings({
    devices: [device('pump-1'), { name: 'any', attributes: [] }],
    when: 'device == "any" && telemetry.t > 80',
  })
  const explanation = ask(of, { deviceInfo: { deviceName: 'pump-1' }, telemetry: { t: 81 } }, topic)
  assert.deepEqual([explanation.verdict, explanation.events], ['taken', 1])
  assert.deepEqual(lines(explanation).slice(2), [
    '+ device pump-1: deviceName "pump-1"',
    '- when pump-1: the device is "pump-1", not "any"',
    '+ device any: an entry without a condition fits every message',
    '+ when any: device == "any" && telemetry.t > 80 holds',
    `+ next in order with others of any, through ${of.model.name}; its result goes to plant/any/alarm at ${of.sink.broker.name}`,
  ])
})

test('a message that only when stops is counted under when', () => {
  const of = settings({ when: 'telemetry.t > 80' })
  const explanation = ask(of, { telemetry: { t: 8 } }, topic)
  assert.deepEqual([explanation.verdict, explanation.reason], ['dropped', 'when'])
})

test('shows the Python of the file, attribute by attribute', () => {
  const part = (name: string, text: string, expression: string) => ({ name, text, expression })
  const parts = [
    part('kind', "'k' in data_to_dict['kinds']", '"k" in event.kinds'),
    part('limit', "'x' and data_to_dict['t'] > 5", 'pyLess(5, event.t)'),
  ]
  const expression = parts.map((one) => one.expression).join(' && ')
  const attributes = [{ name: 'when', value: '', expression, written: parts }]
  const of = settings({ devices: [{ name: 'label', attributes }] })
  const step = ask(of, { kinds: ['k'], t: 4 }, topic).steps.at(-1)
  assert.equal(step?.condition, "'x' and data_to_dict['t'] > 5")
  assert.equal(step?.text, 'label: limit: t is 4, not > 5')
})

test('warns of a result topic that MQTT forbids', () => {
  const of = settings({ devices: [], result: 'plant/${topic[9]}' })
  const explanation = ask(of, {}, topic)
  assert.match(lines(explanation).at(-1) ?? '', /^- next .*dropped \(topic\)/)
})

test('says that a pipeline that is not READY takes it no further', () => {
  const question = { topic, payload: Buffer.from('{}'), retain: false }
  const of = settings({ devices: [], result: 'out', queue: { size: 1, whenFull: 'drop-oldest' } })
  const broken = explainMessage(of, question, { state: 'BROKEN', reason: 'no such module' })
  assert.deepEqual([broken.verdict, broken.reason], ['dropped', 'broken'])
  assert.equal(lines(broken).at(-1), '- next the pipeline is BROKEN: no such module')
  const waiting = explainMessage(of, question, { state: 'BACKOFF', reason: 'in 3 s' })
  assert.equal(waiting.verdict, 'taken')
})

test('agrees with what happens to real messages, on whatever message', () => {
  const devices = [device('a', 't'), device('b'), { name: 'any', attributes: [] }]
  const pipelines = [
    settings({ devices: devices.slice(0, 2) }),
    settings({ devices, when: 'device != "any" || telemetry.t > 1' }),
    settings({ devices: [], when: 'telemetry.t > 1' }),
    settings({ devices: [] }),
  ]
  const name = fc.constantFrom<unknown>('a', 'b', 'c', 1, null)
  const value = fc.oneof(
    name,
    fc.json({ maxDepth: 2 }).map((text) => JSON.parse(text) as unknown),
  )
  const event = fc.oneof(
    fc.record(
      {
        deviceInfo: fc.oneof(value, fc.record({ deviceName: name }, { requiredKeys: [] })),
        telemetry: fc.oneof(value, fc.record({ t: value }, { requiredKeys: [] })),
      },
      { requiredKeys: [] },
    ),
    value,
  )
  fc.assert(
    fc.property(fc.constantFrom(...pipelines), event, (of, asked) => {
      // Refused before anything is asked of it.
      fc.pre(!JSON.stringify(asked).includes('__proto__'))
      const { verdict, reason, events, steps } = ask(of, JSON.stringify(asked), topic)
      const plain = JSON.parse(JSON.stringify(asked)) as unknown
      const { matches, misses } = matchEvent(compileMatcher(of), plain, topic)
      assert.equal(events, matches.length)
      const dropped = misses.some(({ stage }) => stage === 'when') ? 'when' : 'device'
      assert.deepEqual(
        [verdict, reason],
        matches.length > 0 ? ['taken', undefined] : ['dropped', dropped],
      )
      // Every miss has its step, and the step the attribute.
      const failed = steps.filter(({ step, passed }) => !passed && step !== 'next')
      assert.deepEqual(
        new Set(failed.map((step) => `${step.step} ${step.device} ${step.attribute}`)),
        new Set(misses.map((miss) => `${miss.stage} ${miss.device} ${miss.attribute}`)),
      )
    }),
    { numRuns: 1000 },
  )
})

test('survives whatever bytes come', () => {
  const of = settings({ devices: [device('a', 't')], when: 'telemetry.t > 1' })
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 300 }),
      fc.string({ minLength: 1 }),
      (payload, asked) => {
        const text = JSON.stringify(explainMessage(of, { topic: asked, payload, retain: false }))
        assert.ok(text.length < 20_000)
      },
    ),
  )
})
