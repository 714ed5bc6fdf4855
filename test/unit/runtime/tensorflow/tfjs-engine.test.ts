import assert from 'node:assert/strict'
import { registerHooks } from 'node:module'
import { test } from 'node:test'
import { ModelLoadError } from '../../../../src/runtime/model-module.ts'
import { loadTfjs } from '../../../../src/runtime/tensorflow/tfjs-engine.ts'

test('says what to install where TensorFlow.js is not', async () => {
  const hooks = registerHooks({
    resolve(specifier, context, nextResolve) {
      // As Node answers where no node_modules has it.
      const isTheirs = specifier.startsWith('@tensorflow/')
      return nextResolve(isTheirs ? `${specifier}-not-installed` : specifier, context)
    },
  })
  try {
    await assert.rejects(loadTfjs('/models/wear/model.json'), (thrown) => {
      assert.ok(thrown instanceof ModelLoadError)
      assert.equal(thrown.failure.kind, 'engine')
      assert.match(thrown.message, /^\/models\/wear\/model\.json needs TensorFlow\.js/)
      assert.match(thrown.message, /npm install @tensorflow\/tfjs-core@4\.22\.0/)
      return true
    })
  } finally {
    hooks.deregister()
  }
})
