import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { memory } from '@tensorflow/tfjs-core'
import { openTfjsModel } from '../../../../src/runtime/tensorflow/tfjs-model.ts'
import type { Tensor } from '../../../../src/runtime/tensors/tensor.ts'

const root = join(import.meta.dirname, '../../../..')
const batches = 10_000

function floats(shape: readonly number[]): Tensor {
  const count = shape.reduce((product, size) => product * size, 1)
  return { dtype: 'float32', shape, data: Float32Array.from({ length: count }, (_, i) => i % 7) }
}

test('holds no more after ten thousand batches than after one, and nothing when it is closed', async () => {
  const file = join(root, 'examples/models/tfjs/model.json')
  await (await openTfjsModel(file)).close() // now there is a backend that can be asked
  const before = memory().numTensors
  const model = await openTfjsModel(file)
  const feeds = new Map([['features', floats([3, 4])]])
  const [output] = (await model.run(feeds, ['wear'])).values()
  const held = memory()
  for (let batch = 0; batch < batches; batch++) await model.run(feeds, ['wear'])
  assert.deepEqual(memory(), held)
  assert.deepEqual(output?.shape, [3, 1])
  await model.close()
  assert.equal(memory().numTensors, before)
})

test('gives back what a run with a loop, and a run that throws, left behind', async () => {
  const folder = join(root, 'test/fixtures/models/tensorflow/tfjs-loop')
  const model = await openTfjsModel(join(folder, 'model.json'))
  const feeds = new Map([['start', floats([5])]])
  const wrong = new Map([['start', floats([5, 2])]])
  await model.run(feeds, ['rounds'])
  const held = memory().numTensors
  for (let batch = 0; batch < 300; batch++) {
    await model.run(feeds, ['rounds', 'rest'])
    await assert.rejects(model.run(wrong, ['rounds']))
  }
  assert.equal(memory().numTensors, held)
  await model.close()
})
