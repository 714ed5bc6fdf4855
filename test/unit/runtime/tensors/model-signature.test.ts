import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mismatch } from '../../../../src/runtime/tensors/model-signature.ts'

const manifest = {
  file: '/m/model.yaml',
  places: { inputs: '3:1', 'inputs[0].name': '4:5', 'inputs[0].dtype': '5:12' },
}
const model = { inputs: [{ name: 'x', dtype: 'float32', shape: [null, 4] }], outputs: [] } as const

function said(path: string, of?: string): { message: string; where?: string } {
  const field = of === undefined ? { path } : { path, of }
  return mismatch(manifest, field, 'is wrong', model).failure
}

test('names the field with its line and column, and what the model takes', () => {
  const { message, where } = said('inputs[0].dtype', ' of "x"')
  assert.equal(
    message,
    'inputs[0].dtype of "x" in /m/model.yaml:5:12 is wrong. The model takes "x" float32[?, 4] and gives nothing',
  )
  assert.equal(where, '/m/model.yaml:5:12')
})

test('a field that is left out is where its input is, and a list where it begins', () => {
  assert.equal(said('inputs[0].shape').where, '/m/model.yaml:4:5')
  assert.equal(said('inputs').where, '/m/model.yaml:3:1')
})

test('without places the file is named', () => {
  assert.equal(said('outputs').where, '/m/model.yaml')
  const bare = mismatch({ file: '/m/model.yaml' }, { path: 'inputs' }, 'is wrong', model)
  assert.equal(bare.failure.where, '/m/model.yaml')
})
