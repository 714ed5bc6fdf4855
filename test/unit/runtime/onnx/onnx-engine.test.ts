import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ModelLoadError } from '../../../../src/runtime/model-module.ts'
import { loadOnnxEngine } from '../../../../src/runtime/onnx/onnx-engine.ts'

const build = () => ({
  InferenceSession: {},
  env: { versions: { common: '1.30.0' }, wasm: {} as { numThreads?: number } },
})

test('takes the WebAssembly build, with one thread, where the native one cannot be loaded', async () => {
  const wasm = build()
  const engine = await loadOnnxEngine((name) => {
    if (name === 'onnxruntime-node') return Promise.reject(new Error('no such library'))
    return Promise.resolve({ default: wasm })
  })
  assert.equal(engine.name, 'onnxruntime 1.30.0 (WebAssembly)')
  assert.equal(engine.opensFiles, false)
  assert.equal(wasm.env.wasm.numThreads, 1)
})

test('does not look for the WebAssembly build where the native one is', async () => {
  const asked: string[] = []
  const engine = await loadOnnxEngine((name) => {
    asked.push(name)
    return Promise.resolve(build())
  })
  assert.deepEqual(asked, ['onnxruntime-node'])
  assert.equal(engine.name, 'onnxruntime 1.30.0')
})

test('says shortly of a build that it is not installed', async () => {
  const none = loadOnnxEngine((name) => {
    const text = `Error [ERR_MODULE_NOT_FOUND]: Cannot find package '${name}' imported from /a/b.js`
    return Promise.reject(text)
  })
  const reason = /\(onnxruntime-node is not installed; onnxruntime-web is not installed\)$/
  await assert.rejects(none, reason)
})

test('says how to install one when there is none, and why', async () => {
  const none = loadOnnxEngine((name) => Promise.reject(new Error(`cannot find ${name}`)))
  await assert.rejects(none, (error) => {
    assert.ok(error instanceof ModelLoadError)
    assert.equal(error.failure.kind, 'engine')
    assert.match(error.message, /npm install .*onnxruntime-node@1\.30\.0/)
    assert.match(error.message, /cannot find onnxruntime-node; .*cannot find onnxruntime-web/)
    return true
  })
})
