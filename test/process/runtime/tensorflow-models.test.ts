import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cp, readFile, realpath, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { readManifest } from '../../../src/config/manifest/read-manifest.ts'
import type { EdgebootError } from '../../../src/core/errors.ts'
import type { ManifestInput, ManifestOutput } from '../../../src/models/model-manifest.ts'
import type { ModelFormat } from '../../../src/models/model-package.ts'
import { pythonInterpreters } from '../../support/python-interpreters.ts'
import { extra, needs } from '../../support/requirements.ts'
import { published, RunningModel } from '../../support/running-model.ts'
import { Scratch } from '../../support/scratch.ts'

const root = join(import.meta.dirname, '../../..')
const fixtures = join(root, 'test/fixtures/models/tensorflow/tflite')
const debian = '/usr/bin/python3'
const tensorflow = extra('EDGEBOOT_TEST_TENSORFLOW', 'npm run test:extra')

/** The examples: the same network in each format. */
const examples: readonly { format: ModelFormat; entry: string; needs: string }[] = [
  { format: 'saved-model', entry: 'saved_model.pb', needs: 'tensorflow' },
  { format: 'keras', entry: 'model.keras', needs: 'tensorflow' },
  { format: 'tflite', entry: 'model.tflite', needs: 'ai-edge-litert' },
]

const features: ManifestInput = {
  name: 'features',
  paths: ['vibration', 'temperature', 'speed', 'load'].map((point) => ['telemetry', point]),
  missing: { kind: 'reject' },
}

interface Asked {
  readonly format: ModelFormat
  readonly entry: string
  readonly folder?: string
  readonly python?: string
  readonly inputs?: readonly ManifestInput[]
  readonly outputs?: readonly ManifestOutput[]
}

function running(asked: Asked): RunningModel {
  const { format, entry, inputs = [], outputs = [] } = asked
  const file = '/package/model.yaml'
  return new RunningModel({
    runtime: 'tensorflow',
    format,
    entry,
    folder: asked.folder ?? join(root, 'examples/models', format),
    python: asked.python ?? tensorflow.path,
    manifest: { file, inputs, outputs, args: [], params: {}, env: {} },
    startMs: 120_000,
  })
}

async function failure(asked: Asked): Promise<EdgebootError> {
  const model = running(asked)
  const error = await model.start().then(
    () => assert.fail('it was loaded'),
    (thrown: unknown) => thrown as EdgebootError,
  )
  await model.stop()
  return error
}

/** Results as JSON, errors as `type: text`. */
async function answers(asked: Asked, events: readonly unknown[]): Promise<unknown[]> {
  const model = running(asked)
  await model.start()
  try {
    const { outcomes } = await model.infer(events)
    return outcomes.map((outcome) => {
      if (outcome.kind === 'error') return `${outcome.error.type}: ${outcome.error.message}`
      return outcome.kind === 'empty' ? 'empty' : (JSON.parse(published(outcome)) as unknown)
    })
  } finally {
    await model.stop()
  }
}

describe('a model of TensorFlow where there is no TensorFlow', () => {
  const skip = needs(debian, 'apt-get install python3')
  for (const { format, entry, needs } of examples) {
    test(`says which interpreter lacks what: ${format}`, { skip }, async () => {
      const error = await failure({ format, entry, python: debian })
      assert.equal(error.code, 'RUNNER_ENGINE_MISSING')
      assert.match(error.message, new RegExp(`${entry} needs (${needs}|tensorflow)`))
      assert.match(error.message, /Python 3[\d.]+ \(\/usr\/bin\/python3\) does not have/)
      assert.match(
        error.message,
        new RegExp(`${debian} -m pip install ${needs}.*requirements\\.txt`),
      )
    })
  }
})

describe('a model of TensorFlow', { skip: tensorflow.skip }, () => {
  for (const { format, entry } of examples) {
    test(`answers what TensorFlow answered, in batches of any size: ${format}`, async () => {
      const file = join(root, 'examples/models', format, 'tests/samples.json')
      const samples = JSON.parse(await readFile(file, 'utf8')) as {
        event: unknown
        expect: { wear: number }
      }[]
      const manifest = join(root, 'examples/models', format, 'model.yaml')
      const { inputs, outputs } = await readManifest(manifest)
      for (const size of [samples.length, 1]) {
        const some = samples.slice(0, size)
        const asked = { format, entry, inputs, outputs }
        const events = some.map(({ event }) => event)
        const got = (await answers(asked, events)) as { wear: number }[]
        for (const [at, { wear }] of got.entries()) {
          const expected = some[at]?.expect.wear ?? Number.NaN
          assert.ok(Math.abs(wear - expected) < 1e-6, `${wear} where TensorFlow says ${expected}`)
        }
      }
    })

    test(`takes inputs by name, and refuses one event for its missing point: ${format}`, async () => {
      const got = await answers({ format, entry }, [
        { features: [1, 50, 3000, 0.5] },
        { features: [1, 50, 3000] },
        { telemetry: { features: [1, 50, 3000, 0.5] } },
        {},
      ])
      assert.deepEqual(got[0], got[2])
      assert.match(String(got[1]), /^InvalidInput: input "features".*array of 3 where 4 are wanted/)
      assert.match(String(got[3]), /^MissingInput: input "features"/)
    })

    test(`holds the manifest against the model: ${format}`, async () => {
      const three = { ...features, paths: features.paths.slice(1) }
      const cases: readonly [Partial<Asked>, RegExp][] = [
        [
          { inputs: [{ ...features, name: 'x' }] },
          /inputs\[0\]\.name.*"x".*"features" float32\[\?, 4\]/,
        ],
        [{ inputs: [three] }, /inputs\[0\]\.shape.*is \[3\], but the model takes/],
        [{ inputs: [{ ...features, dtype: 'int32' }] }, /inputs\[0\]\.dtype.*is int32, but/],
        [{ outputs: [{ name: 'y', path: ['y'] }] }, /outputs\[0\]\.name.*"y".*gives "wear"/],
        [{ outputs: [{ name: 'wear', path: ['y'], dtype: 'int8' }] }, /outputs\[0\]\.dtype/],
        [{ outputs: [{ name: 'wear', path: ['y'], shape: [3] }] }, /outputs\[0\]\.shape/],
      ]
      for (const [manifest, expected] of cases) {
        const error = await failure({ format, entry, inputs: [features], ...manifest })
        assert.equal(error.code, 'MODEL_MANIFEST_MISMATCH', error.message)
        assert.match(error.message, expected)
      }
    })

    test(`names a file that is cut short, or is none of its kind: ${format}`, async () => {
      await using scratch = await Scratch.make()
      const folder = join(await realpath(scratch.folder), 'told')
      await cp(join(root, 'examples/models', format), folder, { recursive: true })
      await truncate(join(folder, entry), 1200)
      const cut = await failure({ format, entry, folder })
      await writeFile(join(folder, entry), 'no model')
      const other = await failure({ format, entry, folder })
      for (const error of [cut, other]) {
        assert.equal(error.code, 'MODEL_FILE_INVALID', error.message)
        assert.ok(error.message.includes(join(folder, entry)), error.message)
      }
    })
  }

  test('says which weights of a SavedModel are not there', async () => {
    await using scratch = await Scratch.make()
    const folder = join(await realpath(scratch.folder), 'told')
    await cp(join(root, 'examples/models/saved-model'), folder, { recursive: true })
    await rm(join(folder, 'variables'), { recursive: true })
    const error = await failure({ format: 'saved-model', entry: 'saved_model.pb', folder })
    assert.equal(error.code, 'MODEL_FILE_INVALID')
    assert.match(error.message, /variables/)
  })

  describe('with more inputs than one', () => {
    let scratch: Scratch
    before(async () => {
      scratch = await Scratch.make()
      const maker = join(fixtures, '../make_models.py')
      const made = spawnSync(tensorflow.path, [maker, 'saved', scratch.folder], {
        encoding: 'utf8',
      })
      assert.equal(made.status, 0, made.stderr)
    })
    after(() => scratch[Symbol.asyncDispose]())

    function saved(name: string): Asked {
      return { format: 'saved-model', entry: 'saved_model.pb', folder: join(scratch.folder, name) }
    }

    for (const name of ['types', 'loop']) {
      test(`takes and gives every type, for each event its own: ${name}`, async () => {
        const text = await readFile(join(scratch.folder, name, 'answers.json'), 'utf8')
        const columns = JSON.parse(text) as Record<'feeds' | 'answers', Record<string, unknown[]>>
        const [count = 0] = Object.values(columns.feeds).map(({ length }) => length)
        const row = (of: Record<string, unknown[]>, at: number) =>
          Object.fromEntries(Object.entries(of).map(([key, values]) => [key, values[at]]))
        const rows = Array.from({ length: count }, (_, at) => at)
        const events = rows.map((at) => row(columns.feeds, at))
        const got = await answers(saved(name), events)
        assert.deepEqual(
          got,
          rows.map((at) => row(columns.answers, at)),
        )
      })
    }

    test('lets one event fail for what only it has', async () => {
      const inputs: readonly ManifestInput[] = [
        { name: 'start', paths: [['v']], missing: { kind: 'skip' } },
      ]
      const got = await answers({ ...saved('loop'), inputs }, [{ v: 4 }, {}, { v: 'x' }, { v: 1 }])
      assert.deepEqual(
        got.filter((_, at) => at !== 2),
        [{ rest: 0.5, rounds: 3 }, 'empty', { rest: 0.5, rounds: 1 }],
      )
      assert.match(String(got[2]), /^InvalidInput: input "start": v is "x", not a number/)
    })

    test('takes a fault of the values themselves for that of the one event that has it', async () => {
      const inputs: readonly ManifestInput[] = [
        { name: 'start', paths: [['v']], missing: { kind: 'nan' } },
      ]
      const got = await answers({ ...saved('loop'), inputs }, [{ v: 4 }, { v: null }])
      assert.deepEqual(got[0], { rest: 0.5, rounds: 3 })
      assert.match(String(got[1]), /^InvalidOutput: output "rest" has a number that is not finite/)
    })

    test('asks for the signature serving_default where there are several', async () => {
      const error = await failure(saved('signatures'))
      assert.equal(error.code, 'MODEL_FILE_INVALID')
      assert.match(error.message, /signatures first, second, and none of them is serving_default/)
    })

    test('gives the outputs of a Keras model with lists by the names of their layers', async () => {
      const asked: Asked = { format: 'keras', entry: 'lists.keras', folder: scratch.folder }
      const got = await answers(asked, [{ left: [1, 5], right: 3 }])
      assert.deepEqual(got, [{ total: [1, 5, 3], largest: 5 }])
    })
  })

  describe('of TensorFlow Lite', () => {
    const nan: ManifestInput = { name: 'window', paths: [['window']], missing: { kind: 'nan' } }

    async function fixture(): Promise<Record<string, number[][]> & { windows: number[][][] }> {
      const text = await readFile(join(fixtures, 'answers.json'), 'utf8')
      return JSON.parse(text) as Record<string, number[][]> & { windows: number[][][] }
    }

    for (const name of ['convolution', 'recurrent']) {
      test(`answers as its interpreter did: ${name}`, async () => {
        const expected = await fixture()
        const asked: Asked = { format: 'tflite', entry: `${name}.tflite`, folder: fixtures }
        const got = await answers(
          { ...asked, inputs: [nan] },
          expected.windows.map((window) => ({ window })),
        )
        const values = got.map((result) => [Object.values(result as object)[0] as number].flat())
        for (const [at, row] of values.entries()) {
          for (const [column, value] of row.entries()) {
            assert.ok(Math.abs(value - (expected[name]?.[at]?.[column] ?? Number.NaN)) < 1e-6)
          }
        }
      })
    }

    test('gives real numbers to a quantized model, and its integers to who asks for them', async () => {
      const expected = await fixture()
      const asked: Asked = { format: 'tflite', entry: 'quantized.tflite', folder: fixtures }
      const events = expected.windows.map((window) => ({ window }))
      const real = (await answers(
        { ...asked, inputs: [{ ...nan, missing: { kind: 'reject' } }] },
        events,
      )) as {
        classes: number[]
      }[]
      for (const [at, { classes }] of real.entries()) {
        const steps = classes.map((value) => Math.round(value * 256) - 128)
        assert.deepEqual(steps, expected['quantized']?.[at])
      }
      const raw: ManifestInput = { ...nan, dtype: 'int8', missing: { kind: 'reject' } }
      const bytes = expected['bytes']?.map((window) => ({ window })) ?? []
      assert.deepEqual(await answers({ ...asked, inputs: [raw] }, bytes), real)
    })
  })
})

describe('an input of integers that stand for real numbers', () => {
  for (const { path, version } of pythonInterpreters()) {
    test(`has no place for NaN, and says so when it is bound: Python ${version}`, () => {
      const code = [
        'import edgeboot_worker',
        'from edgeboot_tensorflow import BoundInput',
        'from edgeboot_tensorflow_files import Info',
        'said = {"name": "x", "paths": [["x"]], "missing": {"kind": "nan"}}',
        'try:',
        '    BoundInput({"folder": "/m"}, 0, said, Info("x", "int8", [None, 1], 0.5, 3))',
        'except edgeboot_worker.LoadFailure as failure:',
        '    print(failure.wire["kind"], failure.wire["message"])',
      ].join('\n')
      const asked = spawnSync(path, ['-B', '-c', code], {
        cwd: join(root, 'python'),
        encoding: 'utf8',
      })
      assert.match(
        asked.stdout,
        /^mismatch inputs\[0\]\.missing in \/m of "x" is nan, which the model cannot hold: .* int8/,
        asked.stderr,
      )
    })
  }
})
