import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { realpath } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { EdgebootError } from '../../../src/core/errors.ts'
import type {
  ManifestInput,
  ManifestOutput,
  ModelManifest,
} from '../../../src/models/model-manifest.ts'
import { needsModule } from '../../support/requirements.ts'
import { RunningModel } from '../../support/running-model.ts'
import { Scratch } from '../../support/scratch.ts'

const debian = '/usr/bin/python3'
const needsSklearn = needsModule(debian, 'sklearn, joblib', 'apt-get install python3-sklearn')
const maker = join(import.meta.dirname, '../../fixtures/models/estimators/make_estimators.py')

type Inputs = Record<string, Omit<Partial<ManifestInput>, 'name'> & { path?: string }>

function manifestOf(inputs: Inputs, outputs: readonly ManifestOutput[] = []): ModelManifest {
  return {
    file: '/package/model.yaml',
    inputs: Object.entries(inputs).map(([name, { path = name, ...rest }]) => ({
      name,
      paths: [[path]],
      missing: { kind: 'reject' },
      ...rest,
    })),
    outputs,
    args: [],
    params: {},
    env: {},
  }
}

const twoColumns = manifestOf({ a: {}, b: {} })

describe('an estimator of scikit-learn without code', { skip: needsSklearn }, () => {
  let scratch: Scratch
  let folder = ''
  before(async () => {
    scratch = await Scratch.make()
    folder = await realpath(scratch.folder)
    const made = spawnSync(debian, [maker, folder], { encoding: 'utf8' })
    assert.equal(made.status, 0, made.stderr)
  })
  after(() => scratch[Symbol.asyncDispose]())

  function running(entry: string, manifest: ModelManifest | undefined, python = debian) {
    return new RunningModel({
      runtime: 'python',
      format: 'estimator',
      folder,
      entry,
      python,
      ...(manifest === undefined ? {} : { manifest }),
    })
  }

  /** Results as JSON, errors as `type: text`. */
  async function answers(entry: string, manifest: ModelManifest | undefined, events: unknown[]) {
    const model = running(entry, manifest)
    await model.start()
    try {
      const { outcomes } = await model.infer(events)
      return outcomes.map((outcome) => {
        if (outcome.kind === 'empty') return 'empty'
        if (outcome.kind === 'error') return `${outcome.error.type}: ${outcome.error.message}`
        return JSON.parse(Buffer.from(outcome.payload).toString()) as unknown
      })
    } finally {
      await model.stop()
    }
  }

  async function failure(entry: string, manifest?: ModelManifest, python?: string) {
    const model = running(entry, manifest, python)
    const error = await model.start().then(
      () => assert.fail(`${entry} was loaded`),
      (thrown: unknown) => thrown as EdgebootError,
    )
    await model.stop()
    return error
  }

  test('answers each event of a batch, from a joblib file and from a pickle', async () => {
    const events = [
      { a: 0, b: 0 },
      { a: 1, b: 2 },
      { a: 1.5, b: -1 },
    ]
    for (const entry of ['linear.joblib', 'linear.pkl']) {
      const got = (await answers(entry, twoColumns, events)) as { predict: number }[]
      assert.deepEqual(
        got.map(({ predict }) => Math.round(predict * 1e9) / 1e9),
        [1, 9, 1],
      )
    }
  })

  test('takes one input with several paths, or one array, as all of its columns', async () => {
    const paths = manifestOf({ row: { paths: [['a'], ['deep', 1]] } })
    const array = manifestOf({ row: {} })
    const events = [{ a: 1, deep: [0, 2], row: [1, 2] }]
    const [byPaths] = await answers('linear.joblib', paths, events)
    const [byArray] = await answers('linear.joblib', array, events)
    const [byColumns] = await answers('linear.joblib', twoColumns, [{ a: 1, b: 2 }])
    assert.deepEqual([byPaths, byArray], [byColumns, byColumns])
  })

  test('gives the class and the probability of each class where it has both', async () => {
    const [integers, booleans] = await Promise.all(
      ['integers.joblib', 'booleans.joblib'].map((entry) =>
        answers(entry, twoColumns, [{ a: 2, b: 2 }]),
      ),
    )
    const [byInteger] = integers as { predict: number; predict_proba: Record<string, number> }[]
    assert.equal(byInteger?.predict, 1)
    assert.deepEqual(Object.keys(byInteger.predict_proba), ['0', '1'])
    const [byBoolean] = booleans as { predict: boolean; predict_proba: object }[]
    assert.equal(byBoolean?.predict, true)
    assert.deepEqual(Object.keys(byBoolean.predict_proba), ['false', 'true'])
  })

  test('puts outputs where the manifest says', async () => {
    const outputs = [
      { name: 'decision_function', path: ['score', 'value'] },
      { name: 'predict', path: ['score', 'class'] },
    ]
    const manifest = manifestOf({ a: {}, b: {} }, outputs)
    const [got] = await answers('integers.joblib', manifest, [{ a: 2, b: 2 }])
    const { score } = got as { score: { value: number; class: number } }
    assert.ok(score.value > 0)
    assert.equal(score.class, 1)
  })

  test('transforms, where it predicts nothing', async () => {
    const [got] = await answers('scaler.joblib', twoColumns, [{ a: 1, b: 1 }])
    const { transform } = got as { transform: number[] }
    assert.deepEqual(
      transform.map((value) => Math.round(value * 1e9) + 0),
      [0, 0],
    )
  })

  test('serves outlier detectors and clusters', async () => {
    const outputs = [
      { name: 'predict', path: ['verdict'] },
      { name: 'score_samples', path: ['score'] },
    ]
    const [seen] = await answers('outliers.joblib', manifestOf({ a: {}, b: {} }, outputs), [
      { a: 50, b: 50 },
    ])
    assert.equal((seen as { verdict: number }).verdict, -1)
    assert.equal(typeof (seen as { score: number }).score, 'number')
    const [cluster] = await answers('clusters.joblib', twoColumns, [{ a: 2, b: 3 }])
    assert.ok([0, 1].includes((cluster as { predict: number }).predict))
  })

  test('lists the probabilities of each output of several', async () => {
    const [got] = await answers('two-outputs.joblib', twoColumns, [{ a: 2, b: 3 }])
    const { predict, predict_proba: chances } = got as {
      predict: number[]
      predict_proba: object[]
    }
    assert.deepEqual(predict, [1, 1])
    assert.deepEqual(
      chances.map((one) => Object.keys(one)),
      [
        ['0', '1'],
        ['0', '1'],
      ],
    )
  })

  test('takes numbers and texts side by side', async () => {
    const manifest = manifestOf({ load: {}, state: { dtype: 'string' } })
    const got = await answers('mixed.joblib', manifest, [
      { load: 2, state: 'off' },
      { load: 2, state: 7 },
      { load: 'much', state: 'on' },
    ])
    assert.equal(typeof (got[0] as { predict: number }).predict, 'number')
    assert.deepEqual(got.slice(1), [
      'InvalidInput: input "state": state is number, not a text (string)',
      'InvalidInput: input "load": load is "much", not a number (float64)',
    ])
  })

  test('gives a vectorizer of texts the texts', async () => {
    const [got] = await answers('texts.joblib', manifestOf({ note: { dtype: 'string' } }), [
      { note: 'pump hot' },
    ])
    assert.equal((got as { predict: string }).predict, 'bad')
  })

  test('binds columns by the names that it was fitted with, in whatever order they are listed', async () => {
    const named = manifestOf({ temperature: {}, humidity: {} })
    const event = { humidity: 1, temperature: 2 }
    const [byManifest] = await answers('named.joblib', named, [event])
    const [byName] = await answers('named.joblib', undefined, [event])
    const [inTelemetry] = await answers('named.joblib', undefined, [{ telemetry: event }])
    const [plain] = await answers('linear.joblib', twoColumns, [{ a: 1, b: 2 }])
    assert.deepEqual([byManifest, byName, inTelemetry], [plain, plain, plain])
  })

  test('refuses or replaces what is missing by the policy of the input, and spares the neighbours', async () => {
    const policies = {
      reject: { kind: 'reject' },
      skip: { kind: 'skip' },
      fill: { kind: 'fill', value: 2 },
    } as const
    const events = [{ a: 1, b: 2 }, { a: 1 }, { a: 1, b: null }, { a: 1, b: 2 }]
    const [good] = await answers('linear.joblib', twoColumns, [events[0]])
    const got = async (missing: ManifestInput['missing']) =>
      await answers('linear.joblib', manifestOf({ a: {}, b: { missing } }), events)
    assert.deepEqual(await got(policies.reject), [
      good,
      'MissingInput: input "b": b is missing',
      'MissingInput: input "b": b is null',
      good,
    ])
    assert.deepEqual(await got(policies.skip), [good, 'empty', 'empty', good])
    assert.deepEqual(await got(policies.fill), [good, good, good, good])
  })

  test('fails only the events with NaN where the estimator itself refuses it', async () => {
    const manifest = manifestOf({ a: {}, b: { missing: { kind: 'nan' } } })
    const got = await answers('linear.joblib', manifest, [{ a: 1, b: 2 }, { a: 1 }, { a: 1, b: 2 }])
    assert.match(String(got[1]), /^ValueError: Input X contains NaN/)
    assert.deepEqual(got[0], got[2])
    assert.equal(typeof (got[0] as { predict: number }).predict, 'number')
  })

  test('says which field of the manifest contradicts it', async () => {
    const outputs = [{ name: 'predict_proba', path: ['p'] }]
    const cases: [string, ModelManifest | undefined, RegExp][] = [
      [
        'linear.joblib',
        manifestOf({ a: {}, b: {}, c: {} }),
        /inputs in .*model\.yaml has 3 columns, but the LinearRegression was fitted with 2 \(n_features_in_\)/,
      ],
      [
        'linear.joblib',
        manifestOf({ a: { shape: [3] } }),
        /inputs\[0\]\.shape in .* has 3 columns/,
      ],
      [
        'linear.joblib',
        manifestOf({ a: {}, b: {} }, outputs),
        /outputs\[0\]\.name in .* is "predict_proba", which a LinearRegression does not have; it has predict$/,
      ],
      [
        'named.joblib',
        manifestOf({ temperature: {}, humidty: {} }),
        /inputs\[1\]\.name in .* is "humidty", which .* was not fitted with \(feature_names_in_: humidity, temperature\)/,
      ],
      [
        'linear.joblib',
        undefined,
        /inputs in .* names nothing, and the LinearRegression knows its 2 features by number alone/,
      ],
      [
        'linear.joblib',
        manifestOf({ a: {}, b: { dtype: 'int32', missing: { kind: 'nan' } } }),
        /inputs\[1\]\.missing in .* of "b" is nan, which the type int32 cannot hold/,
      ],
    ]
    for (const [entry, manifest, text] of cases) {
      const error = await failure(entry, manifest)
      assert.equal(error.code, 'MODEL_MANIFEST_MISMATCH')
      assert.match(error.message, text)
    }
  })

  test('says where in the manifest that is', async () => {
    const places = { inputs: '3:1', 'inputs[0].name': '4:5', 'inputs[0].shape': '5:12' }
    const shaped = { ...manifestOf({ a: { shape: [3] } }), places }
    const exact = await failure('linear.joblib', shaped)
    assert.match(exact.message, /inputs\[0\]\.shape in \S+model\.yaml:5:12 has 3 columns/)
    assert.match(String(exact.details.where), /model\.yaml:5:12$/)
    const list = await failure('linear.joblib', { ...manifestOf({ a: {}, b: {}, c: {} }), places })
    assert.match(list.message, /inputs in \S+model\.yaml:3:1 has 3 columns/)
    const nan = manifestOf({ a: { dtype: 'int32', missing: { kind: 'nan' } }, b: {} })
    const leftOut = await failure('linear.joblib', { ...nan, places })
    assert.match(leftOut.message, /inputs\[0\]\.missing in \S+model\.yaml:4:5 of "a" is nan/)
  })

  for (const entry of [
    'truncated.pkl',
    'truncated.joblib',
    'truncated-compressed.joblib',
    'corrupt.joblib',
    'empty.joblib',
    'a-dict.joblib',
    'absent.joblib',
  ]) {
    test(`refuses a file that holds no estimator: ${entry}`, async () => {
      const error = await failure(entry, twoColumns)
      assert.equal(error.code, 'MODEL_FILE_INVALID', error.message)
      assert.ok(error.message.includes(entry), error.message)
    })
  }

  test('warns with both versions when another scikit-learn wrote the file', async () => {
    const model = running('older.pkl', twoColumns)
    await model.start()
    await model.stop()
    const line = model.lines.find(({ event }) => event === 'model.estimator-version')
    assert.equal(line?.level, 'warn')
    assert.equal(line.fields['writtenWith'], '0.9.7')
    assert.equal(line.fields['estimator'], 'LinearRegression')
    assert.match(String(line.fields['installed']), /^\d+\.\d+\.\d+$/)
  })

  test('says which part of scikit-learn is not there, and which version wrote the file', async () => {
    for (const [entry, what] of [
      ['renamed.pkl', /LinearRegressioX.*; scikit-learn 0\.9\.7 wrote it, here is \d/],
      ['moved.pkl', /sklearn\.linear_model\._gone.*scikit-learn \d\S+ wrote it/],
    ] as const) {
      const error = await failure(entry, twoColumns)
      assert.equal(error.code, 'MODEL_IMPORT_FAILED')
      assert.match(error.message, what)
    }
  })

  test('finds modules of the package that the file needs, and names one that is nowhere', async () => {
    const [got] = await answers('own-module.joblib', twoColumns, [{ a: 1, b: 1 }])
    assert.equal(Math.round((got as { predict: number }).predict), 5)
    const error = await failure('needs-own.pkl', twoColumns)
    assert.equal(error.code, 'MODEL_IMPORT_FAILED')
    assert.match(error.message, /needs the module plant_own/)
  })

  test('explains a class that was defined in the script that wrote the file', async () => {
    const error = await failure('own-main.joblib', twoColumns)
    assert.equal(error.code, 'MODEL_IMPORT_FAILED')
    assert.match(error.message, /DefinedInTheScript was defined in the script that wrote the file/)
  })

  test('asks for pandas where columns are picked by name', async () => {
    if (spawnSync(debian, ['-c', 'import pandas']).status === 0) return
    const error = await failure('picks-by-name.joblib', manifestOf({ humidity: {} }))
    assert.equal(error.code, 'RUNNER_ENGINE_MISSING')
    assert.match(error.message, /takes pandas.*-m pip install 'pandas'/)
  })

  test('names the interpreter and how to install scikit-learn where it is not', async () => {
    const bare = spawnSync('sh', ['-c', 'command -v python3'], { encoding: 'utf8' }).stdout.trim()
    if (spawnSync(bare, ['-c', 'import sklearn']).status === 0) return
    const error = await failure('linear.pkl', twoColumns, bare)
    assert.equal(error.code, 'RUNNER_ENGINE_MISSING')
    assert.match(error.message, /needs sklearn.*\(\/.*python.*-m pip install 'scikit-learn==\d/)
    const compressed = await failure('squeezed.joblib', twoColumns, bare)
    assert.equal(compressed.code, 'RUNNER_ENGINE_MISSING')
    assert.match(compressed.message, /was compressed by joblib, which Python .* does not have/)
  })
})
