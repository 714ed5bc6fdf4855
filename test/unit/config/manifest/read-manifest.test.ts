import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { readManifest } from '../../../../src/config/manifest/read-manifest.ts'
import { EdgebootError } from '../../../../src/core/errors.ts'
import type { ModelManifest } from '../../../../src/models/model-manifest.ts'
import { Scratch } from '../../../support/scratch.ts'

async function read(text: string | Buffer): Promise<ModelManifest> {
  await using scratch = await Scratch.make()
  return await readManifest(await scratch.write('model.yaml', text))
}

/** The mistakes of a manifest, as `line:column: what is wrong`. */
async function mistakes(text: string | Buffer): Promise<string[]> {
  const error: unknown = await read(text).catch((thrown: unknown) => thrown)
  assert.ok(error instanceof EdgebootError, `accepted: ${String(text)}`)
  assert.equal(error.code, 'MODEL_MANIFEST_INVALID')
  const [first = '', ...lines] = error.message.split('\n')
  assert.match(first, /model\.yaml has \d+ mistakes?:$/)
  return lines.map((line) => line.replace(/^ {2}.*model\.yaml:(?=\d| )/, '').trim())
}

const complete = `
name: pump-anomaly
version: 1.4.0
runtime: onnx
format: onnx
entry: model.onnx
inputs:
  - name: features
    path: [telemetry.temperature, 'telemetry["flow rate"]', 'telemetry.spectrum[3]']
    dtype: float32
    shape: [3]
    missing: { fill: 0 }
  - { name: unit }
outputs:
  - { name: label, path: result.label, dtype: int64, shape: [] }
  - { name: probabilities }
batch: { size: 32, delay: 5ms }
timeout: 2s
memory: 512MiB
params: { limit: 80, nested: { a: [1, null] } }
env: { OMP_NUM_THREADS: 1 }
tests: tests/*.json
`

test('reads a complete manifest', async () => {
  const { file, places, ...manifest } = await read(complete)
  assert.match(file, /\/model\.yaml$/)
  assert.deepEqual(manifest, {
    name: 'pump-anomaly',
    version: '1.4.0',
    runtime: 'onnx',
    format: 'onnx',
    entry: 'model.onnx',
    args: [],
    inputs: [
      {
        name: 'features',
        paths: [
          ['telemetry', 'temperature'],
          ['telemetry', 'flow rate'],
          ['telemetry', 'spectrum', 3],
        ],
        dtype: 'float32',
        shape: [3],
        missing: { kind: 'fill', value: 0 },
      },
      { name: 'unit', paths: [['unit']], missing: { kind: 'reject' } },
    ],
    outputs: [
      { name: 'label', path: ['result', 'label'], dtype: 'int64', shape: [] },
      { name: 'probabilities', path: ['probabilities'] },
    ],
    batch: { size: 32, delayMs: 5 },
    timeoutMs: 2000,
    memoryBytesMax: 512 * 1024 ** 2,
    params: { limit: 80, nested: { a: [1, null] } },
    env: { OMP_NUM_THREADS: '1' },
    tests: ['tests/*.json'],
  })
  assert.equal(places?.['inputs[0].shape'], '11:12')
  assert.equal(places?.['entry'], '6:8')
})

test('leaves out what is not said', async () => {
  const { file, places, ...manifest } = await read('version: 1.0.0-rc.1+build.5')
  assert.ok(file !== '' && places !== undefined)
  assert.deepEqual(manifest, {
    version: '1.0.0-rc.1+build.5',
    args: [],
    inputs: [],
    outputs: [],
    params: {},
    env: {},
  })
})

test('tells all mistakes at once, with line, column and the nearest key', async () => {
  const text = `verison: 1.0.0
runtime: onxx
entry: ../model.onnx
inputs:
  - name: a
    path: telemetry..x
    dtpye: float32
  - name: a
    missing: nan
    dtype: int64
batch: { size: 0 }
timeout: soon`
  assert.deepEqual(await mistakes(text), [
    '1:1: unknown key "verison" (did you mean version?)',
    '2:10: runtime must be one of python, javascript, onnx, tensorflow, wasm, exec, not "onxx" (did you mean onnx?)',
    '3:8: entry "../model.onnx" leads out of the package (a path relative to the package)',
    '6:21: the path "telemetry..x" cannot be read from ".x" on (such as telemetry.temperature, telemetry["flow rate"] or telemetry.values[3])',
    '7:5: unknown key "dtpye" (did you mean dtype?)',
    '8:11: the name "a" is here for the second time; the first is inputs[0]',
    '9:14: missing: nan needs one of the float types, and dtype is int64',
    '11:16: size must be at least 1, not 0',
    '12:10: timeout must be a duration of at most 24 days, such as 10s, 500ms or 2m, not "soon"',
  ])
})

test('refuses what contradicts itself', async () => {
  const cases: Readonly<Record<string, RegExp>> = {
    'runtime: onnx\nformat: keras':
      /^2:9: the runtime onnx takes no format keras \(it takes onnx\)/,
    'runtime: python\nentry: net.onnx':
      /^2:8: entry "net\.onnx" contradicts runtime: python: by its name it is for the runtime onnx/,
    'format: estimator\nentry: index.py': /^2:8: entry "index\.py" contradicts format: estimator/,
    'runtime: exec': /^1:1: a program needs entry/,
    'args: [a]': /^1:1: args are for runtime: exec alone/,
    'inputs: [{ name: a, path: [x, y], shape: [3] }]':
      /^1:42: shape has room for 3 values, but path names 2/,
    'inputs: [{ name: a, dtype: int8, missing: { fill: 128 } }]': /goes from -128 to 127/,
    'inputs: [{ name: a, dtype: uint8, missing: { fill: 1.5 } }]': /takes whole numbers/,
    'inputs: [{ name: a, dtype: string, missing: { fill: 1 } }]': /takes text/,
    'inputs: [{ name: a, dtype: bool, missing: { fill: 1 } }]': /takes true or false/,
    'inputs: [{ name: a, missing: sometimes }]':
      /missing must be reject, skip, nan or \{ fill: VALUE \}/,
    'inputs: [{ name: a, shape: [4096, 4096] }]': /shape has 16777216 elements/,
    'inputs: [{ name: a, shape: [-1, 3] }]': /must be at least 1, not -1/,
    'inputs: [{ path: a }]': /name is missing/,
    'inputs: [{ name: a, path: [] }]': /path must be a path|must have a path/,
    'outputs: [{ name: a, path: x }, { name: b, path: x.y }]':
      /^1:50: the outputs "a" and "b" go to the same place/,
    'outputs: [{ name: a, path: x.y }, { name: b, path: x }]': /go to the same place/,
    'outputs: [{ name: a, path: x }, { name: b, path: x }]': /go to the same place/,
    'outputs: [{ name: a, path: "x[0]" }]': /goes under keys, not into a list/,
    'outputs: [{ name: a, path: constructor.prototype.x }]': /constructor cannot be a key/,
    'inputs: [{ name: a, path: __proto__.x }]': /has __proto__/,
    'version: v1.2': /"v1\.2" is no semantic version \(write 1\.2\.0\)/,
    'version: 1.4': /"1\.4" is no semantic version \(write 1\.4\.0\)/,
    'version: 01.2.3': /\(write 1\.2\.3\)/,
    'version: next': /three numbers/,
    'name: a/b': /^1:7: name "a\/b" has a path separator/,
    'entry: /etc/passwd': /is an absolute path/,
    'entry: c:\\x.onnx': /is an absolute path/,
    'python: ../../bin/python': /leads out of the package/,
    'tests: [tests/*.json, "*/x.json"]': /^1:23: \* may stand in the last part/,
    'env: { LD_PRELOAD: x.so }': /^1:8: a model must not set LD_PRELOAD/,
    'env: { NODE_OPTIONS: --require=./x.js }': /must not set NODE_OPTIONS/,
    'env: { OPENSSL_CONF: engines.cnf }': /must not set OPENSSL_CONF/,
    'env: { PYTHONWARNINGS: "all:0:antigravity.x:0:0" }': /must not set PYTHONWARNINGS/,
    'env: { BROWSER: ./x }': /must not set BROWSER/,
    'env: { HOME: . }': /must not set HOME/,
    'env: { GCONV_PATH: . }': /must not set GCONV_PATH/,
    'env: { "a b": c }': /"a b" is no name of a variable/,
    'timeout: ${SECRET}': /timeout must be a duration/,
    '- a': /must be a map at its top, not a list/,
    '': /the file is empty \(start with version and entry\)/,
    'entry: [': /not valid YAML/,
    'inputs: [{ name: a, path: [x, y.z[3]] }]': /put what has \[ \] in it in quotes/,
  }
  for (const [text, message] of Object.entries(cases)) {
    assert.match((await mistakes(text)).join('\n'), message, text)
  }
})

test('goes on after entry names that only a program may have', async () => {
  assert.equal((await read('runtime: exec\nentry: run.py\nargs: [-v]')).args[0], '-v')
})

test('takes variables as they stand', async () => {
  assert.deepEqual((await read('params: { a: "${HOME}" }')).params, { a: '${HOME}' })
})

test('knows a file that belongs to something else', async () => {
  for (const [text, foreign] of [
    ['nc: 80\nbackbone: []', true],
    ['name: x\nbackbone: []', false],
  ] as const) {
    const error: unknown = await read(text).catch((thrown: unknown) => thrown)
    assert.ok(error instanceof EdgebootError)
    assert.equal(error.details['foreign'], foreign)
  }
})

test('bounds the file, its values, and what aliases make of them', async () => {
  const large = `params: { a: "${'x'.repeat(256 * 1024)}" }`
  assert.match((await mistakes(large)).join(), /the file is \d+ bytes, more than 262144/)
  const many = `params: { a: [${'1,'.repeat(20_000)}] }`
  assert.match((await mistakes(many)).join(), /more than 20000 values/)
  const aliased = `params: { a: &a "${'x'.repeat(200_000)}", b: [${'*a,'.repeat(50)}] }`
  assert.match((await mistakes(aliased)).join(), /more than 1048576 characters/)
})

test('refuses what is not text', async () => {
  assert.match((await mistakes(Buffer.from([0xff, 0xfe, 0x41]))).join(), /UTF-16/)
  assert.match((await mistakes(Buffer.from([0xc3, 0x28]))).join(), /not in UTF-8/)
  assert.match((await mistakes(Buffer.from('a: \0'))).join(), /binary/)
})

test('says that a file is not there', async () => {
  await assert.rejects(readManifest('/nowhere/model.yaml'), {
    code: 'MODEL_MANIFEST_INVALID',
    message: /cannot be read: ENOENT/,
  })
})

const words = fc.constantFrom(
  ...'name version inputs outputs path missing fill env tests batch'.split(' '),
  ...'{|}|[|]|: |, |\n|  |- |&a |*a|<<|"|1|null|!!binary '.split('|'),
)

test('throws nothing but its own error, whatever is in the file', async () => {
  const byWords = fc.array(words, { maxLength: 40 }).map((parts) => parts.join(''))
  const byValues = fc
    .dictionary(
      fc.constantFrom('name', 'version', 'inputs', 'outputs', 'params', 'env', 'tests', 'entry'),
      fc.jsonValue({ maxDepth: 4 }),
    )
    .map((value) => JSON.stringify(value))
  const spoiled = fc
    .tuple(fc.nat(complete.length), words)
    .map(([at, part]) => complete.slice(0, at) + part + complete.slice(at))
  await using scratch = await Scratch.make()
  await fc.assert(
    fc.asyncProperty(fc.oneof(byWords, byValues, spoiled), async (text) => {
      const file = await scratch.write('model.yaml', text)
      try {
        await readManifest(file)
      } catch (thrown) {
        assert.ok(thrown instanceof EdgebootError, `${String(thrown)} for ${text}`)
        assert.equal(thrown.code, 'MODEL_MANIFEST_INVALID')
      }
    }),
    { numRuns: 500 },
  )
})
