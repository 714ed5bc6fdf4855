import assert from 'node:assert/strict'
import { mkdir } from 'node:fs/promises'
import { test } from 'node:test'
import { EdgebootError } from '../../../src/core/errors.ts'
import { detectEntry, detectModule } from '../../../src/models/detect-entry.ts'
import { Scratch } from '../../support/scratch.ts'

async function noEntry(files: readonly string[]): Promise<EdgebootError> {
  await using scratch = await Scratch.make()
  for (const file of files) await scratch.write(file)
  const error: unknown = await detectEntry(scratch.folder, 'thr').catch((thrown: unknown) => thrown)
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
    const found = await detectEntry(scratch.folder, 'thr')
    assert.deepEqual(found, { runtime, format: 'module', folder: scratch.folder, entryFile })
  }
})

test('does not take a folder for an entry', async () => {
  await using scratch = await Scratch.make()
  await mkdir(scratch.path('index.py'))
  const entryFile = await scratch.write('index.js')
  assert.equal((await detectEntry(scratch.folder, 'thr')).entryFile, entryFile)
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

test('names the kinds of model that this version does not serve', async () => {
  const kinds = {
    'net.onnx': /ONNX model \(net.onnx\) is not served by this version yet/,
    'saved_model.pb': /SavedModel/,
    'net.tflite': /TensorFlow Lite model \(net.tflite\)/,
    'model.yaml': /manifest \(model.yaml\)/,
    'model.json': /TensorFlow.js/,
    'filter.wasm': /WebAssembly model \(filter.wasm\)/,
  }
  for (const [file, message] of Object.entries(kinds)) {
    const error = await noEntry([file])
    assert.match(error.message, message)
    assert.match(error.fix, /index.py/)
  }
})

const module = { name: 'industry.telemetry', function: 'telm_temperature' }

test("finds the module and the function of v0's edge_mode", async () => {
  for (const file of ['industry/telemetry.py', 'industry/telemetry/__init__.py']) {
    await using scratch = await Scratch.make()
    const entryFile = await scratch.write(file)
    const found = await detectModule([scratch.path('none'), scratch.folder], module, 'm')
    assert.deepEqual(found, {
      runtime: 'python',
      format: 'module',
      folder: scratch.folder,
      entryFile,
      functionName: 'telm_temperature',
    })
  }
})

test('says where a missing module was looked for', async () => {
  await using scratch = await Scratch.make()
  await scratch.write('industry.py')
  await assert.rejects(detectModule([scratch.folder], module, 'm'), {
    code: 'MODEL_NO_ENTRY',
    message: /industry\/telemetry.py and industry\/telemetry\/__init__.py.*has industry.py/,
  })
})

test('refuses a module name that is a path', async () => {
  for (const name of ['../evil', 'a..b', 'a/b', '', '.a', 'a b']) {
    const wanted = detectModule(['/'], { ...module, name }, 'm')
    await assert.rejects(wanted, { code: 'CONFIG_INVALID' }, name)
  }
})

test('accepts a module with a Chinese name', async () => {
  await using scratch = await Scratch.make()
  const entryFile = await scratch.write('行业/温度.py')
  const found = await detectModule([scratch.folder], { ...module, name: '行业.温度' }, 'm')
  assert.equal(found.entryFile, entryFile)
})
