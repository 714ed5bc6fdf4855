import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { copyFile, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { EdgebootError } from '../../../src/core/errors.ts'
import { readManifest } from '../../../src/config/manifest/read-manifest.ts'
import { pressFolder, pressManifest, pressModel } from '../../support/press-model.ts'
import { published, RunningModel, withModelFolder } from '../../support/running-model.ts'
import type { ModelUnderTest } from '../../support/running-model.ts'
import { input, manifest } from '../../support/tensor-bench.ts'

const fixtures = join(import.meta.dirname, '..', '..', 'fixtures', 'models', 'onnx')

function modelOf(name: string, more: Partial<ModelUnderTest> = {}): ModelUnderTest {
  return { runtime: 'onnx', format: 'onnx', folder: fixtures, entry: `${name}.onnx`, ...more }
}

/** The results of a batch, parsed, or the error of an event. */
async function answers(model: ModelUnderTest, events: readonly unknown[]): Promise<unknown[]> {
  const running = new RunningModel(model)
  await running.start()
  const { outcomes, lost } = await running.infer(events)
  await running.stop()
  assert.equal(lost, undefined)
  return outcomes.map((outcome) =>
    outcome.kind === 'error'
      ? `${outcome.error.type}: ${outcome.error.message}`
      : (JSON.parse(published(outcome)) as unknown),
  )
}

async function refusal(model: ModelUnderTest): Promise<EdgebootError> {
  const running = new RunningModel(model)
  try {
    await running.start()
  } catch (thrown) {
    assert.ok(thrown instanceof EdgebootError)
    return thrown
  }
  await running.stop()
  throw new Error('it was loaded')
}

describe('the operators of scikit-learn', () => {
  interface Learned {
    readonly events: readonly unknown[]
    readonly predicted: readonly (number | string)[]
    readonly chances?: readonly Readonly<Record<string, number>>[]
  }
  const learned = JSON.parse(readFileSync(join(fixtures, 'answers.json'), 'utf8')) as Record<
    string,
    Learned
  >
  const close = (actual: unknown, expected: number | string, tolerance: number): void => {
    if (typeof expected === 'string' || typeof actual !== 'number') {
      assert.equal(String(actual), String(expected))
    } else assert.ok(Math.abs(actual - expected) <= tolerance, `${actual} for ${expected}`)
  }
  for (const [name, { events, predicted, chances }] of Object.entries(learned)) {
    test(`give what Python gives: ${name}`, async () => {
      const results = (await answers(modelOf(name), events)) as Record<string, unknown>[]
      for (const [at, result] of results.entries()) {
        const [label] = Object.values(result)
        close(label, predicted[at] ?? '', 1e-4)
        if (chances === undefined) continue
        const given = result['output_probability'] ?? result['probabilities']
        assert.ok(typeof given === 'object' && given !== null)
        assert.deepEqual(Object.keys(given), Object.keys(chances[at] ?? {}))
        for (const [key, chance] of Object.entries(chances[at] ?? {})) {
          close((given as Record<string, unknown>)[key], chance, 1e-5)
        }
      }
      assert.equal(results.length, predicted.length)
    })
  }
})

describe('an ONNX model', () => {
  test('takes and gives every type of element, exactly', async () => {
    const running = new RunningModel(modelOf('every-type'))
    await running.start()
    const values = {
      bool: 'true',
      int8: '-128',
      int16: '-32768',
      int32: '-2147483648',
      int64: '-9223372036854775808',
      uint8: '255',
      uint16: '65535',
      uint32: '4294967295',
      uint64: '18446744073709551615',
      float16: '0.5',
      float32: '0.25',
      float64: '0.1',
      string: '"température 设备"',
    }
    const text = (end: string): string =>
      `{${Object.entries(values)
        .map(([type, value]) => `"${type}_${end}":${value}`)
        .join()}}`
    const { outcomes } = await running.infer([Buffer.from(text('in')), Buffer.from(text('in'))])
    await running.stop()
    assert.deepEqual(outcomes.map(published), [text('out'), text('out')])
  })

  test('with room for exactly four events is asked as often as it takes', async () => {
    const events = Array.from({ length: 6 }, (_, at) => ({ x: [at, -at] }))
    const expected = events.map(({ x }) => ({ y: x.map((value) => value + 0) }))
    assert.deepEqual(await answers(modelOf('fixed-batch'), events), expected)
  })

  test('takes matrices, and vectors of any length', async () => {
    const x = [
      [1, 2, 3],
      [4, 5, 6],
    ]
    assert.deepEqual(await answers(modelOf('matrix'), [{ x }, { x: [[1]] }]), [
      { y: x },
      'InvalidInput: input "x": x is an array of 1 where 2 are wanted (int32)',
    ])
    const lengths = [{ x: [1] }, { x: [1, 2, 3] }]
    assert.deepEqual(await answers(modelOf('any-length'), lengths), [{ y: 1 }, { y: 6 }])
  })

  test('takes an input that has no place for a batch', async () => {
    const events = [
      { x: 2, gain: 3 },
      { x: 5, gain: 7 },
    ]
    assert.deepEqual(await answers(modelOf('scalar-input'), events), [{ y: 6 }, { y: 35 }])
  })

  test('that gives no number for an event fails in that event alone', async () => {
    const results = await answers(modelOf('log'), [{ x: 1 }, { x: -1 }, { x: 0 }])
    assert.deepEqual(results, [
      { y: 0 },
      'InvalidOutput: output "y" is NaN, which JSON cannot hold',
      'InvalidOutput: output "y" is -Infinity, which JSON cannot hold',
    ])
  })

  test('that cannot run a batch for one event of it fails in that event alone', async () => {
    const [first, second, third] = await answers(modelOf('look-up'), [
      { x: 1 },
      { x: 99 },
      { x: 9 },
    ])
    assert.deepEqual([first, third], [{ y: 10 }, { y: 90 }])
    assert.match(String(second), /^InferenceError: .*out of/s)
  })

  test('leaves out an output that is a list, and says so', async () => {
    const running = new RunningModel(modelOf('list-beside-tensor'))
    await running.start()
    const { outcomes } = await running.infer([{ x: 5 }])
    await running.stop()
    assert.equal(published(outcomes[0]), '{"y":5}')
    const line = running.lines.find(({ level }) => level === 'warn')
    assert.deepEqual(line?.fields['outputs'], ['list'])
  })

  test('runs with the threads that params.onnx asks for', async () => {
    const params = { onnx: { intraOpThreads: 2, interOpThreads: 2 } }
    assert.deepEqual(await answers(modelOf('log', { params }), [{ x: 1 }]), [{ y: 0 }])
    const error = await refusal(modelOf('log', { params: { onnx: { intraOpThreads: 0 } } }))
    assert.equal(error.code, 'MODEL_MANIFEST_MISMATCH')
    assert.match(error.message, /params\.onnx\.intraOpThreads is 0/)
  })

  test('ends with its host, also in the midst of a batch', async () => {
    const running = new RunningModel(modelOf('log'))
    const { pid } = await running.start()
    assert.ok(pid !== undefined)
    running.runner.kill(new EdgebootError('RUNNER_DEADLINE', 'took too long'))
    assert.equal((await running.exited).code, 'RUNNER_DEADLINE')
    assert.throws(() => process.kill(pid, 0))
  })
})

describe('a model file that cannot be loaded is refused with its name and the reason', () => {
  const cases: Record<string, RegExp> = {
    'unknown-operator': /Levitate/,
    'opset-from-the-future': /opset 999|Opset 999/i,
    'weights-elsewhere': /weights\.bin/,
    'claims-four-terabytes': /4398046511104/,
    'list-alone': /gives nothing/,
  }
  for (const [name, reason] of Object.entries(cases)) {
    test(name, async () => {
      const error = await refusal(modelOf(name))
      assert.equal(error.code, 'MODEL_FILE_INVALID')
      assert.match(error.message, reason)
      assert.match(error.message, new RegExp(`${name}\\.onnx`))
    })
  }

  const bytes: Record<string, (model: Buffer) => Buffer> = {
    empty: () => Buffer.alloc(0),
    text: () => Buffer.from('not a model at all'),
    truncated: (model) => model.subarray(0, model.length / 2),
    'with a field of two gigabytes': (model) =>
      Buffer.concat([Buffer.from([0x3a, 0xff, 0xff, 0xff, 0xff, 0x07]), model]),
  }
  for (const [title, corrupt] of Object.entries(bytes)) {
    test(title, async () => {
      const model = await readFile(join(pressFolder, 'model.onnx'))
      await withModelFolder({ 'model.onnx': '' }, async (folder) => {
        await writeFile(join(folder, 'model.onnx'), corrupt(model))
        const error = await refusal({ ...pressModel, folder })
        assert.equal(error.code, 'MODEL_FILE_INVALID')
        assert.match(error.message, /model\.onnx/)
      })
    })
  }
})

describe('a manifest that contradicts the model is refused, naming the field', () => {
  const cases = {
    'inputs[0].name': manifest([input('z')]),
    'inputs[0].dtype': manifest([input('x', { dtype: 'int64' })]),
    'inputs[0].shape': manifest([input('x', { shape: [2, 2] })]),
    'inputs[0].path': manifest([input('x', { paths: [['a'], ['b'], ['c'], ['d']] })]),
    'outputs[0].name': manifest([], [{ name: 'z', path: ['z'] }]),
    'outputs[0].dtype': manifest([], [{ name: 'y', path: ['y'], dtype: 'bool' }]),
    'outputs[0].shape': manifest([], [{ name: 'y', path: ['y'], shape: [6] }]),
  }
  for (const [field, contradicting] of Object.entries(cases)) {
    test(field, async () => {
      const error = await refusal(modelOf('matrix', { manifest: contradicting }))
      assert.equal(error.code, 'MODEL_MANIFEST_MISMATCH')
      assert.ok(error.message.includes(field), error.message)
      assert.match(error.message, /The model takes "x" int32\[\?, 2, 3\] and gives "y"/)
      assert.equal(error.details.where, '/models/m/model.yaml')
    })
  }
})

describe('the example', () => {
  const running = new RunningModel(pressModel)
  before(async () => void (await running.start()))
  after(() => running.stop())

  test('has a manifest that says what the tests say', async () => {
    const read = await readManifest(join(pressFolder, 'model.yaml'))
    assert.deepEqual(read.inputs, pressManifest.inputs)
    assert.deepEqual(read.outputs, pressManifest.outputs)
  })

  test('answers its own samples', async () => {
    const text = await readFile(join(pressFolder, 'tests', 'samples.json'), 'utf8')
    const samples = JSON.parse(text) as { event: unknown; expect: { verdict: string } }[]
    const { outcomes } = await running.infer(samples.map(({ event }) => event))
    const verdicts = outcomes.map((outcome) => {
      return (JSON.parse(published(outcome)) as { verdict: string }).verdict
    })
    assert.deepEqual(
      verdicts,
      samples.map(({ expect }) => expect.verdict),
    )
    assert.ok(samples.length >= 5)
  })

  test('is looked up by names without a manifest', async () => {
    await withModelFolder({ 'model.onnx': '' }, async (folder) => {
      await copyFile(join(pressFolder, 'model.onnx'), join(folder, 'model.onnx'))
      const event = { temperature: 60, vibration: 1, pressure: 180, load: 0.5 }
      const whole = { telemetry: { ...event, rpm: 1450, mode: 'press', oil: 'mineral' } }
      const results = await answers(modelOf('model', { folder }), [whole, { telemetry: event }])
      assert.deepEqual(Object.keys(results[0] as object), ['output_label', 'output_probability'])
      assert.equal(results[1], 'MissingInput: input "rpm": rpm is missing')
    })
  })
})

test('every ONNX file of the tests is asked for in one', () => {
  const text = readFileSync(import.meta.filename, 'utf8')
  const answered = readFileSync(join(fixtures, 'answers.json'), 'utf8')
  for (const file of readdirSync(fixtures)) {
    const name = file.replace('.onnx', '')
    if (file.endsWith('.onnx')) assert.ok(text.includes(name) || answered.includes(name), file)
  }
})
