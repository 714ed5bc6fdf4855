import assert from 'node:assert/strict'
import { join } from 'node:path'
import test from 'node:test'
import { loadSettings } from '../../../src/config/load.ts'
import { compilePredicate } from '../../../src/config/predicate.ts'
import { fixtures, folder, mistakesIn, settingsOf, warningsIn } from './config-files.ts'

const frame = (funcs: string): string => `
mqtts: [{ name: b, broker: tcp://h }]
rules: [{ sub: { name: b, topic: x }, pub: { name: b, topic: y } }]
funcs:
${funcs}
`

function devicesOf(funcs: string): unknown {
  return settingsOf(frame(funcs)).pipelines[0]?.devices.map(({ name, attributes }) => [
    name,
    ...attributes.map((attribute) => attribute.expression),
  ])
}

test('reads v0: module, function, workers, and a broker named after the edge', () => {
  const { settings } = loadSettings(join(fixtures, 'v0.yaml'), { env: {}, cwd: folder })
  const [pipeline] = settings.pipelines
  assert.equal(pipeline?.name, 'sub_process_telm_temperature_telm_temperature_0')
  assert.deepEqual(pipeline.model, {
    name: 'telm_temperature',
    module: { name: 'industry.telemetry', function: 'telm_temperature' },
  })
  assert.equal(pipeline.source.topic, '/gridsum/test/telm/in/m1')
  assert.equal(pipeline.sink.topic, '/gridsum/test/telm/out/m1')
  assert.equal(pipeline.workers, 1)
  assert.deepEqual(pipeline.devices, [])
})

const edges = `
edge:
  - { name: a, instance: 3, edge_mode: pyboot.modules.gridsum.science.x.y.f, pre_broker: h1, pre_port: 1, pre_topic: i, post_broker: h2, post_port: 2, post_topic: o, post_qos: 0 }
  - { name: b, edge_mode: z.f, pre_broker: h1, pre_topic: i, post_broker: h1, post_topic: o }
`

test('reads several edges, each with its own func, brokers on both sides and default ports', () => {
  const settings = settingsOf(edges, { MAX_EDGE_NUM: '8' })
  assert.deepEqual(
    settings.pipelines.map(({ name, model, workers, source, sink }) => [
      name,
      model.module,
      workers,
      source.broker.url,
      sink.broker.url,
    ]),
    [
      ['sub_process_a_f_0', { name: 'x.y', function: 'f' }, 3, 'mqtt://h1:1', 'mqtt://h2:2'],
      ['sub_process_b_z.f_0', { name: 'z', function: 'f' }, 8, 'mqtt://h1:1883', 'mqtt://h1:1883'],
    ],
  )
})

test('lists the mistakes of an edge', () => {
  const mistakes = mistakesIn(`
edge:
  - name: a
    edge_mod: f
    edge_mode: f
    pre_broker: h
    pre_topic: i
    post_broker: h
  - 5
`)
  assert.deepEqual(mistakes, [
    'c.yaml:3:5: post_topic is missing here',
    'c.yaml:4:5: unknown key "edge_mod" (did you mean edge_mode?)',
    'c.yaml:9:5: an entry of edge is a map (give it name, edge_mode, pre_… and post_… keys)',
  ])
  assert.deepEqual(mistakesIn(edges.replace('z.f', 'f')), [
    'c.yaml:4:27: edge_mode must be a Python module and a function in it, not "f" (such as pyboot.modules.gridsum.science.industry.telemetry.telm_temperature)',
  ])
})

test('names an edge that is there twice once', () => {
  assert.deepEqual(mistakesIn(edges.replace('name: b', 'name: a')), [
    'c.yaml:4:13: a second broker is called "a"; the first is in line 3 (give it another name)',
  ])
})

test('reads v1 in either spelling, and takes an empty pointName for any', () => {
  for (const func of [
    '  - { modelName: m, deviceName: d, pointName: p }',
    '  - { model_name: m, device_name: d, point_name: p }',
  ]) {
    assert.deepEqual(devicesOf(func), [
      ['d', 'event.deviceInfo.deviceName == "d"', '"p" in event.telemetry'],
    ])
  }
  assert.deepEqual(devicesOf('  - { modelName: m, deviceName: d, pointName: "" }'), [
    ['d', 'event.deviceInfo.deviceName == "d"'],
  ])
  assert.deepEqual(devicesOf('  - { modelName: m, deviceName: d, pointName: }'), [
    ['d', 'event.deviceInfo.deviceName == "d"'],
  ])
})

test('takes a numeric device name as text', () => {
  assert.deepEqual(devicesOf('  - { modelName: m, deviceName: 0123 }'), [
    ['0123', 'event.deviceInfo.deviceName == "0123"'],
  ])
})

test('reads v2 with its usual and with other expressions', () => {
  assert.deepEqual(
    devicesOf(`
  - modelName: m
    devices:
    - deviceName: d
      deviceParseExpression: == data_to_dict['deviceInfo']['deviceName']
      pointName: p
      pointParseExpression: in data_to_dict["telemetry"]
    - deviceName: e
      deviceParseExpression: '!= data_to_dict["id"]'
      pointName: ''
      pointParseExpression: in data_to_dict['telemetry']
`),
    [
      ['d', 'event.deviceInfo.deviceName == "d"', '"p" in event.telemetry'],
      ['e', '!(event.id == "e")'],
    ],
  )
})

test('reads v3: all attributes must hold, and deviceName beside them is a name alone', () => {
  const [pipeline] = settingsOf(
    frame(`
  - modelName: m
    devices:
    - deviceName: label
      deviceAttr:
      - { attrName: deviceName, attrValue: d, attrExpression: "== data_to_dict['deviceInfo']['deviceName']" }
      - { attrName: limit, attrValue: x, attrExpression: "and data_to_dict['telemetry']['t'] > 5" }
      - { attrName: kind, attrValue: k, attrExpression: "not in data_to_dict['kinds']" }
`),
  ).pipelines
  assert.deepEqual(pipeline?.devices, [
    {
      name: 'label',
      attributes: [
        {
          name: 'deviceName',
          value: 'd',
          expression: 'event.deviceInfo.deviceName == "d"',
          written: [
            {
              name: 'deviceName',
              text: "'d' == data_to_dict['deviceInfo']['deviceName']",
              expression: 'event.deviceInfo.deviceName == "d"',
            },
          ],
        },
        {
          name: 'when',
          value: '',
          expression: 'pyLess(5, event.telemetry.t) && !("k" in event.kinds)',
          written: [
            {
              name: 'limit',
              text: "'x' and data_to_dict['telemetry']['t'] > 5",
              expression: 'pyLess(5, event.telemetry.t)',
            },
            {
              name: 'kind',
              text: "'k' not in data_to_dict['kinds']",
              expression: '!("k" in event.kinds)',
            },
          ],
        },
      ],
    },
  ])
  const holds = compilePredicate(pipeline.devices[0]?.attributes[1]?.expression ?? '')
  const ok = (t: unknown, kinds: unknown): boolean =>
    holds({ event: { telemetry: { t }, kinds }, device: '', topic: '' }).ok
  assert.deepEqual([ok(6, []), ok(5, []), ok(6, ['k']), ok('6', [])], [true, false, false, false])
})

test('points at the token of an expression that it does not support', () => {
  assert.deepEqual(
    mistakesIn(
      frame(`
  - modelName: m
    devices:
    - deviceAttr:
      - attrValue: d
        attrExpression: == data_to_dict.get('x')
      - attrValue: d
        attrExpressionn: x
`),
    ),
    [
      "c.yaml:10:40: the expression asks for the attribute get, which the message has not: write ['…'] for a key; calls are not supported (write the condition in CEL, as `when` of the device)",
      "c.yaml:11:9: attrExpression is missing here (such as: == data_to_dict['deviceInfo']['deviceName'])",
      'c.yaml:12:9: unknown key "attrExpressionn" (an attribute takes attrName, attrValue and attrExpression)',
    ],
  )
})

test('tells of a key in both spellings, and of devices in both places', () => {
  assert.deepEqual(mistakesIn(frame('  - modelName: m\n    model_name: m')), [
    'c.yaml:6:5: model_name is the same key as the one in line 5 (keep one of them)',
  ])
  assert.deepEqual(mistakesIn(frame('  - modelName: m\n    deviceName: d\n    devices: []')), [
    'c.yaml:6:5: deviceName and pointName stand beside devices (move them into an entry of devices)',
  ])
})

test('lets funcs of a legacy file share a model', () => {
  const settings = settingsOf(
    frame('  - { modelName: m, deviceName: a }\n  - { modelName: m, deviceName: b }'),
  )
  assert.deepEqual(
    settings.pipelines.map(({ name }) => name),
    ['sub_process_b_m_0', 'sub_process_b_m_1'],
  )
})

test('leaves names that belong to the user as they are', () => {
  const [pipeline] = settingsOf(
    frame('  - { modelName: m, params: { my_key: { a_b: 1 } }, env: { MY_ENV: x } }'),
  ).pipelines
  assert.deepEqual([pipeline?.params, pipeline?.env], [{ my_key: { a_b: 1 } }, { MY_ENV: 'x' }])
})

test('says that expose is ignored', () => {
  const { notes } = loadSettings(join(fixtures, 'v2.yaml'), { env: {}, cwd: folder })
  assert.match(notes[0]?.message ?? '', /^expose is ignored/)
  assert.deepEqual(warningsIn(frame('  - modelName: m')), [])
})
