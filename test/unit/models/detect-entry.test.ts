import assert from 'node:assert/strict'
import { mkdir } from 'node:fs/promises'
import { test } from 'node:test'
import { readManifest } from '../../../src/config/manifest/read-manifest.ts'
import { EdgebootError } from '../../../src/core/errors.ts'
import { detectEntry } from '../../../src/models/detect-entry.ts'
import { Scratch } from '../../support/scratch.ts'
import { wasmModule } from '../../support/wasm-bytes.ts'

const detect = (scratch: Scratch) => detectEntry(scratch.folder, 'thr', readManifest)

async function noEntry(files: readonly string[]): Promise<EdgebootError> {
  await using scratch = await Scratch.make()
  for (const file of files) await scratch.write(file)
  const error: unknown = await detect(scratch).catch((thrown: unknown) => thrown)
  assert.ok(error instanceof EdgebootError)
  assert.equal(error.code, 'MODEL_NO_ENTRY')
  assert.equal(error.details.where, scratch.folder)
  return error
}

test('prefers Python, then TypeScript, then JavaScript', async () => {
  await using scratch = await Scratch.make()
  const order = ['index.js', 'index.mjs', 'index.mts', 'index.ts', 'index.py']
  for (const file of order) {
    const entryFile = await scratch.write(file)
    const runtime = file === 'index.py' ? 'python' : 'javascript'
    const found = await detect(scratch)
    assert.deepEqual(found, { runtime, format: 'module', folder: scratch.folder, entryFile })
  }
})

test('does not take a folder for an entry', async () => {
  await using scratch = await Scratch.make()
  await mkdir(scratch.path('index.py'))
  const entryFile = await scratch.write('index.js')
  assert.equal((await detect(scratch)).entryFile, entryFile)
})

test('says what was looked for and what is there', async () => {
  const error = await noEntry(['main.py', 'data/x.csv'])
  assert.match(
    error.message,
    /'thr'.*looked for index.py, index.ts, index.mts, index.mjs, index.js/,
  )
  assert.match(error.message, /the folder has data\/, main.py$/)
})

test('shows only the first names of a large folder', async () => {
  const error = await noEntry(Array.from({ length: 11 }, (_, index) => `f${index + 10}`))
  assert.match(error.message, /f10, f11, f12, f13, f14, f15, f16, f17 and 3 more$/)
})

test('says that a folder is empty', async () => {
  assert.match((await noEntry([])).message, /the folder is empty$/)
})

test('finds the one model file of a folder without a manifest', async () => {
  const kinds = {
    'net.onnx': ['onnx', 'onnx'],
    'saved_model.pb': ['tensorflow', 'saved-model'],
    'net.keras': ['tensorflow', 'keras'],
    'net.tflite': ['tensorflow', 'tflite'],
    'filter.wasm': ['wasm', 'wasm'],
  } as const
  for (const [file, [runtime, format]] of Object.entries(kinds)) {
    await using scratch = await Scratch.make()
    const entryFile = await scratch.write(file)
    assert.deepEqual(await detect(scratch), { runtime, format, folder: scratch.folder, entryFile })
  }
})

test('prefers code to a model file that lies beside it', async () => {
  await using scratch = await Scratch.make()
  await scratch.write('net.onnx')
  const entryFile = await scratch.write('index.py')
  assert.equal((await detect(scratch)).entryFile, entryFile)
})

test('asks for a manifest when two files of a kind are there', async () => {
  await using scratch = await Scratch.make()
  await scratch.write('a.onnx')
  await scratch.write('b.onnx')
  await assert.rejects(detect(scratch), {
    code: 'MODEL_ENTRY_AMBIGUOUS',
    message: /any of a\.onnx, b\.onnx$/,
    fix: /model\.yaml.*entry: a\.onnx/,
  })
})

test('leaves out what macOS puts beside a file', async () => {
  await using scratch = await Scratch.make()
  await scratch.write('._a.onnx')
  const entryFile = await scratch.write('a.onnx')
  assert.equal((await detect(scratch)).entryFile, entryFile)
})

test('takes a model.json for TensorFlow.js only if it is a graph model', async () => {
  await using scratch = await Scratch.make()
  const file = await scratch.write('model.json', '{"format":"graph-model"}')
  assert.equal((await detect(scratch)).format, 'tfjs')
  await scratch.write('model.json', '{"modelTopology":{"node":[]}}')
  assert.equal((await detect(scratch)).entryFile, file)
  await scratch.write('model.json', '{"modelTopology":{"model_config":{}}}')
  await assert.rejects(detect(scratch), {
    code: 'MODEL_NO_ENTRY',
    message: /layers model/,
    fix: /tensorflowjs_converter/,
  })
  for (const other of ['{"learner":{}}', '[1]', '{', 'null']) {
    await scratch.write('model.json', other)
    await assert.rejects(detect(scratch), { code: 'MODEL_NO_ENTRY', message: /looked for/ }, other)
  }
})

test('tells a plug-in for Extism from another WebAssembly module', async () => {
  await using scratch = await Scratch.make()
  const formats = new Map([
    [wasmModule([]), 'wasm'],
    [wasmModule([['wasi_snapshot_preview1', 'fd_write']]), 'wasm'],
    [wasmModule([['extism:host/env', 'input_length']]), 'extism'],
    [
      wasmModule([
        ['env', 'memory'],
        ['env', 'extism_alloc'],
      ]),
      'extism',
    ],
    [wasmModule([['extism:host/env', 'input_length']]).subarray(0, 20), 'wasm'],
    [Buffer.from('no module'), 'wasm'],
  ])
  for (const [bytes, format] of formats) {
    await scratch.write('filter.wasm', bytes)
    assert.equal((await detect(scratch)).format, format)
  }
})

test('does not load a bare pickle without a manifest, and shows one', async () => {
  for (const file of ['model.joblib', 'model.pkl', 'model.pickle']) {
    const error = await noEntry([file])
    assert.match(error.message, /loaded by running whatever code is in it/)
    assert.match(error.fix, new RegExp(`format: estimator\n    entry: ${file}`))
  }
})

test('finds the estimator that a manifest leaves open', async () => {
  await using scratch = await Scratch.make()
  await scratch.write('model.yaml', 'version: 1.0.0')
  const entryFile = await scratch.write('model.joblib')
  const found = await detect(scratch)
  assert.deepEqual([found.runtime, found.format], ['python', 'estimator'])
  assert.equal(found.entryFile, entryFile)
  assert.equal(found.manifest?.version, '1.0.0')
})

test('takes what a manifest names, and derives its kind', async () => {
  const kinds: Readonly<Record<string, readonly [string, string]>> = {
    'src/main.py': ['python', 'module'],
    'main.mjs': ['javascript', 'module'],
    'nets/b.onnx': ['onnx', 'onnx'],
    'tree.pickle': ['python', 'estimator'],
    'old.h5': ['tensorflow', 'keras'],
    'x.wasm': ['wasm', 'wasm'],
  }
  for (const [entry, kind] of Object.entries(kinds)) {
    await using scratch = await Scratch.make()
    const entryFile = await scratch.write(entry)
    await scratch.write('index.py')
    await scratch.write('model.yml', `entry: ${entry}`)
    const found = await detect(scratch)
    assert.deepEqual([found.runtime, found.format, found.entryFile], [...kind, entryFile])
  }
})

test('looks into the folder that an entry names', async () => {
  await using scratch = await Scratch.make()
  const entryFile = await scratch.write('exported/saved_model.pb')
  await scratch.write('model.yaml', 'entry: exported')
  const found = await detect(scratch)
  assert.deepEqual([found.format, found.entryFile], ['saved-model', entryFile])
})

test('runs any file that a manifest calls a program', async () => {
  await using scratch = await Scratch.make()
  const entryFile = await scratch.write('run.py')
  await scratch.write('model.yaml', 'runtime: exec\nentry: run.py')
  const found = await detect(scratch)
  assert.deepEqual([found.runtime, found.format, found.entryFile], ['exec', 'program', entryFile])
})

test('says where a manifest names what is not there, or does not tell what it is', async () => {
  const cases = {
    'version: 1.0.0\nentry: none.onnx':
      /model\.yaml:2:8: there is no file "none\.onnx" in the package/,
    'entry: data.bin': /1:8: the name data\.bin does not tell what it is: add runtime, one of/,
    'runtime: tensorflow\nentry: data.bin': /add format, one of saved-model, keras, tfjs, tflite/,
    'entry: empty': /1:8: empty is a folder without saved_model\.pb/,
    'entry: x.json': /1:8: x\.json is no model of TensorFlow\.js/,
  }
  for (const [manifest, message] of Object.entries(cases)) {
    await using scratch = await Scratch.make()
    await scratch.write('data.bin')
    await scratch.write('x.json', '{}')
    await mkdir(scratch.path('empty'))
    await scratch.write('model.yaml', manifest)
    await assert.rejects(detect(scratch), { code: 'MODEL_MANIFEST_INVALID', message }, manifest)
  }
})

test('looks only for what the manifest allows', async () => {
  await using scratch = await Scratch.make()
  await scratch.write('index.py')
  await scratch.write('model.yaml', 'runtime: onnx')
  const entryFile = await scratch.write('net.onnx')
  assert.equal((await detect(scratch)).entryFile, entryFile)
})

test('leaves a model.yaml alone that belongs to the code beside it', async () => {
  await using scratch = await Scratch.make()
  await scratch.write('model.yaml', 'nc: 80\nbackbone: [[-1, 1]]')
  await assert.rejects(detect(scratch), { code: 'MODEL_MANIFEST_INVALID' })
  const entryFile = await scratch.write('index.py')
  assert.deepEqual(await detect(scratch), {
    runtime: 'python',
    format: 'module',
    folder: scratch.folder,
    entryFile,
  })
  await scratch.write('model.yaml', 'verison: 1.0.0\nname: m')
  await assert.rejects(detect(scratch), { message: /did you mean version/ })
})
