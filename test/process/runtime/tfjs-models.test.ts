import assert from 'node:assert/strict'
import { cp, readFile, realpath, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { readManifest } from '../../../src/config/manifest/read-manifest.ts'
import type { EdgebootError } from '../../../src/core/errors.ts'
import type { ManifestInput, ModelManifest } from '../../../src/models/model-manifest.ts'
import { published, RunningModel } from '../../support/running-model.ts'
import { Scratch } from '../../support/scratch.ts'

const root = join(import.meta.dirname, '../../..')
const example = join(root, 'examples/models/tfjs')
const fixtures = join(root, 'test/fixtures/models/tensorflow')

const features: ManifestInput = {
  name: 'features',
  paths: ['vibration', 'temperature', 'speed', 'load'].map((point) => ['telemetry', point]),
  missing: { kind: 'reject' },
}

function manifestOf(inputs: readonly ManifestInput[]): ModelManifest {
  return { file: '/package/model.yaml', inputs, outputs: [], args: [], params: {}, env: {} }
}

function running(folder: string, inputs?: readonly ManifestInput[]): RunningModel {
  return new RunningModel({
    runtime: 'tensorflow',
    format: 'tfjs',
    folder,
    entry: 'model.json',
    ...(inputs === undefined ? {} : { manifest: manifestOf(inputs) }),
  })
}

async function using<T>(model: RunningModel, use: (model: RunningModel) => Promise<T>): Promise<T> {
  await model.start()
  try {
    return await use(model)
  } finally {
    await model.stop()
  }
}

interface Answers {
  readonly feeds: Readonly<Record<string, readonly unknown[]>>
  readonly answers: Readonly<Record<string, readonly unknown[]>>
}

/** One object for each event, of a column for each name. */
function rows(columns: Answers['feeds']): Record<string, unknown>[] {
  const [first = []] = Object.values(columns)
  return first.map((_, at) =>
    Object.fromEntries(Object.entries(columns).map(([name, values]) => [name, values[at]])),
  )
}

async function answersOf(name: string): Promise<Answers> {
  return JSON.parse(await readFile(join(fixtures, name, 'answers.json'), 'utf8')) as Answers
}

describe('a graph model of TensorFlow.js', () => {
  test('answers what TensorFlow answered, for a batch of any size, and prints nothing', async () => {
    const text = await readFile(join(example, 'tests/samples.json'), 'utf8')
    const samples = JSON.parse(text) as { event: unknown; expect: { wear: number } }[]
    const { inputs } = await readManifest(join(example, 'model.yaml'))
    await using(running(example, inputs), async (model) => {
      for (const size of [samples.length, 1, 3]) {
        const some = samples.slice(0, size)
        const { outcomes } = await model.infer(some.map(({ event }) => event))
        for (const [at, outcome] of outcomes.entries()) {
          const { wear } = JSON.parse(published(outcome)) as { wear: number }
          const expected = some[at]?.expect.wear ?? Number.NaN
          assert.ok(Math.abs(wear - expected) < 1e-5, `${wear} where TensorFlow says ${expected}`)
        }
      }
      assert.deepEqual(model.lines, [])
    })
  })

  test('names its engine and takes inputs by name without a manifest', async () => {
    const model = running(example)
    const { engine } = await model.start()
    assert.equal(engine, 'TensorFlow.js 4.22.0')
    const { outcomes } = await model.infer([{ features: [1, 50, 3000, 0.5] }])
    assert.match(published(outcomes[0]), /^\{"wear":-?\d/)
    await model.stop()
  })

  test('lets NaN through to the answer, which then is an error of its event alone', async () => {
    const inputs = [{ ...features, missing: { kind: 'nan' } }] as const
    await using(running(example, inputs), async (model) => {
      const whole = { vibration: 2, temperature: 50, speed: 3000, load: 0.5 }
      const events = [whole, { ...whole, load: null }, whole].map((telemetry) => ({ telemetry }))
      const { outcomes } = await model.infer(events)
      assert.deepEqual(
        outcomes.map(({ kind }) => kind),
        ['value', 'error', 'value'],
      )
      assert.match(JSON.stringify(outcomes[1]), /output \\"wear\\" is NaN/)
    })
  })

  test('takes integers, booleans, texts and arrays, and gives them back', async () => {
    const { feeds, answers } = await answersOf('tfjs-types')
    await using(running(join(fixtures, 'tfjs-types')), async (model) => {
      const { outcomes } = await model.infer(rows(feeds))
      assert.deepEqual(
        outcomes.map((outcome) => JSON.parse(published(outcome)) as unknown),
        rows(answers),
      )
    })
  })

  test('runs loops', async () => {
    const { feeds, answers } = await answersOf('tfjs-loop')
    await using(running(join(fixtures, 'tfjs-loop')), async (model) => {
      const { outcomes } = await model.infer(rows(feeds))
      assert.deepEqual(
        outcomes.map((outcome) => JSON.parse(published(outcome)) as unknown),
        rows(answers),
      )
      assert.deepEqual(model.lines, [])
    })
  })
})

describe('a model of TensorFlow.js that cannot be loaded', () => {
  /** The error of a copy of the example of which one file is changed. */
  async function failure(
    file: string,
    change: (data: Buffer) => Buffer | string,
    inputs?: readonly ManifestInput[],
  ): Promise<EdgebootError> {
    await using scratch = await Scratch.make()
    const folder = join(await realpath(scratch.folder), 'told')
    await cp(example, folder, { recursive: true })
    await writeFile(join(folder, file), change(await readFile(join(folder, file))))
    return await failureOf(folder, inputs)
  }

  async function failureOf(
    folder: string,
    inputs?: readonly ManifestInput[],
  ): Promise<EdgebootError> {
    const model = running(folder, inputs)
    const error = await model.start().then(
      () => assert.fail('it was loaded'),
      (thrown: unknown) => thrown as EdgebootError,
    )
    await model.stop()
    return error
  }

  const shard = 'group1-shard1of1.bin'
  const change = (from: string, to: string) => (data: Buffer) =>
    data.toString().replaceAll(from, to)
  const cases: readonly [string, () => Promise<EdgebootError>, RegExp][] = [
    [
      'cut weights',
      () => failure(shard, (data) => data.subarray(0, 100)),
      /100 bytes where.*cut short/,
    ],
    [
      'weights of another model',
      () => failure(shard, (data) => Buffer.concat([data, data])),
      /another model/,
    ],
    [
      'no weights',
      () => failure('model.json', change(shard, 'gone.bin')),
      /gone\.bin.*cannot be read/,
    ],
    [
      'weights outside',
      () => failure('model.json', change(shard, '../../etc/passwd')),
      /outside of the package/,
    ],
    [
      'a cut model.json',
      () => failure('model.json', (data) => data.subarray(0, 900)),
      /not JSON \(900 characters\)/,
    ],
    ['another JSON', () => failure('model.json', () => '{"a": 1}'), /no modelTopology/],
    ['a list', () => failure('model.json', () => '[]'), /no JSON object/],
    [
      'layers',
      () => failure('model.json', change('graph-model', 'layers-model')),
      /tfjs_layers_model/,
    ],
    [
      'an unknown op',
      () => failure('model.json', change('"Sub"', '"Cholesky"')),
      /not run by TensorFlow\.js.*Cholesky/,
    ],
    [
      'an unknown type',
      () => failure('model.json', change('"dtype": "float32"', '"dtype": "int4"')),
      /type int4/,
    ],
  ]
  for (const [what, fail, expected] of cases) {
    test(`says what is wrong: ${what}`, async () => {
      const error = await fail()
      assert.equal(error.code, 'MODEL_FILE_INVALID')
      assert.match(error.message, expected)
    })
  }

  test('names the field of a manifest that does not fit', async () => {
    const named = await failureOf(example, [{ ...features, name: 'values' }])
    assert.equal(named.code, 'MODEL_MANIFEST_MISMATCH')
    assert.match(named.message, /inputs\[0\]\.name.*"values".*"features" float32\[\?, 4\]/)
    const shaped = await failureOf(example, [{ ...features, paths: features.paths.slice(1) }])
    assert.equal(shaped.code, 'MODEL_MANIFEST_MISMATCH')
  })
})
