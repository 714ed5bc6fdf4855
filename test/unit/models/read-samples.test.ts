import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ModelManifest } from '../../../src/models/model-manifest.ts'
import { readSamples } from '../../../src/models/read-samples.ts'
import { Scratch } from '../../support/scratch.ts'

const manifest: ModelManifest = {
  file: '/m/model.yaml',
  args: [],
  inputs: [],
  outputs: [],
  params: {},
  env: {},
}

test('reads one sample or a list of them from each file, in the order of their names', async () => {
  await using scratch = await Scratch.make()
  await scratch.write('tests/b.json', '{"event":{"t":1},"expect":{"hot":true}}')
  await scratch.write(
    'tests/a.json',
    JSON.stringify([
      { name: 'frost', event: { t: -3 }, expect: null, context: { device: 'pump' } },
      { event: 'x', error: 'ValueError', tolerance: { relative: 0.1 } },
      { event: [] },
    ]),
  )
  const samples = await readSamples({ name: 'm', folder: scratch.folder })
  const tolerance = { absolute: 1e-6, relative: 1e-6 }
  assert.deepEqual(samples, [
    {
      label: 'tests/a.json[0] "frost"',
      event: '{"t":-3}',
      context: { device: 'pump' },
      expected: { kind: 'nothing' },
      tolerance,
    },
    {
      label: 'tests/a.json[1]',
      event: '"x"',
      context: {},
      expected: { kind: 'error', type: 'ValueError' },
      tolerance: { absolute: 1e-6, relative: 0.1 },
    },
    {
      label: 'tests/a.json[2]',
      event: '[]',
      context: {},
      expected: { kind: 'anything' },
      tolerance,
    },
    {
      label: 'tests/b.json',
      event: '{"t":1}',
      context: {},
      expected: { kind: 'result', value: { hot: true } },
      tolerance,
    },
  ])
})

test('keeps all digits of an event', async () => {
  await using scratch = await Scratch.make()
  await scratch.write('tests/a.json', '{"event":{"id":9007199254740993}}')
  const [sample] = await readSamples({ name: 'm', folder: scratch.folder })
  assert.equal(sample?.event, '{"id":9007199254740993}')
})

test('looks where the manifest says', async () => {
  await using scratch = await Scratch.make()
  await scratch.write('tests/a.json', 'never read')
  await scratch.write('golden/one.json', '{"event":1}')
  await scratch.write('golden/two.txt', '{"event":2}')
  const tests = ['golden/*.json']
  const samples = await readSamples({
    name: 'm',
    folder: scratch.folder,
    manifest: { ...manifest, tests },
  })
  assert.deepEqual(
    samples.map(({ label }) => label),
    ['golden/one.json'],
  )
})

test('a package without a manifest may have other files there', async () => {
  await using scratch = await Scratch.make()
  await scratch.write('tests/a.json', '{"anything":1}')
  await scratch.write('tests/b.json', 'not json')
  await scratch.write('tests/c.json', '{"event":1}')
  const samples = await readSamples({ name: 'm', folder: scratch.folder })
  assert.deepEqual(
    samples.map(({ label }) => label),
    ['tests/c.json'],
  )
})

test('no samples are no mistake', async () => {
  await using scratch = await Scratch.make()
  assert.deepEqual(await readSamples({ name: 'm', folder: scratch.folder, manifest }), [])
})

test('with a manifest, says what is wrong and where', async () => {
  const cases = [
    [
      '{"event":1,"expected":2}',
      /tests\/a\.json.*"expected" is not a key of a sample; they are name, event/,
    ],
    ['[{"event":1},{"expect":2}]', /tests\/a\.json\[1\]: it has no event/],
    ['[3]', /tests\/a\.json\[0\]: a sample is an object/],
    ['{"event":1,"expect":1,"error":"E"}', /expects a result and an error/],
    ['{"event":1,"error":5}', /error is the type/],
    ['{"event":1,"tolerance":{"abs":1}}', /its tolerance is/],
    ['{"event":1,"tolerance":{"absolute":-1}}', /its tolerance is/],
    ['{"event":1,"name":5}', /its name is not a text/],
    ['{"event":1,"context":[]}', /its context is not an object/],
    ['{"event":', /cannot be read: .*JSON/],
    [JSON.stringify(Array.from({ length: 1001 }, () => ({ event: 1 }))), /more than 1000 samples/],
  ] as const
  for (const [text, message] of cases) {
    await using scratch = await Scratch.make()
    await scratch.write('tests/a.json', text)
    await assert.rejects(readSamples({ name: 'm', folder: scratch.folder, manifest }), {
      code: 'MODEL_SAMPLES_INVALID',
      message,
    })
  }
})

test('a file that the manifest names must be there', async () => {
  await using scratch = await Scratch.make()
  const tests = ['tests/gone.json']
  await assert.rejects(
    readSamples({ name: 'm', folder: scratch.folder, manifest: { ...manifest, tests } }),
    { code: 'MODEL_SAMPLES_INVALID', message: /tests\/gone\.json.*no file is there/ },
  )
})

test('a pattern of nothing but stars is compared as fast as any other', async () => {
  await using scratch = await Scratch.make()
  const long = `${'a'.repeat(200)}.txt`
  await scratch.write(`tests/${long}`, '')
  await scratch.write('tests/banana.json', '{"event":1}')
  const tests = [`tests/${'*a'.repeat(40)}*b.json`, 'tests/b*n*n*.json', 'tests/*.*on']
  const found = (pattern: string): Promise<unknown> =>
    readSamples({ name: 'm', folder: scratch.folder, manifest: { ...manifest, tests: [pattern] } })
  await assert.rejects(found(tests[0] ?? ''), { code: 'MODEL_SAMPLES_INVALID' })
  for (const pattern of tests.slice(1)) {
    assert.equal(((await found(pattern)) as unknown[]).length, 1, pattern)
  }
  // Nothing that is at the start and at the end at once.
  await assert.rejects(found('tests/banana*banana.json'), { code: 'MODEL_SAMPLES_INVALID' })
})
