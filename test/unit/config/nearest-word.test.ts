import assert from 'node:assert/strict'
import test from 'node:test'
import { nearestWord } from '../../../src/config/nearest-word.ts'

const words = ['modelName', 'modelAddress', 'modelMd5', 'devices', 'when', 'topic', 'qos']

for (const [typed, meant] of [
  ['modelNmae', 'modelName'],
  ['model_name', 'modelName'],
  ['ModelName', 'modelName'],
  ['modelAdress', 'modelAddress'],
  ['device', 'devices'],
  ['topci', 'topic'],
  ['qso', 'qos'],
  ['wen', 'when'],
] as const) {
  test(`takes ${typed} for ${meant}`, () => assert.equal(nearestWord(typed, words), meant))
}

test('suggests nothing for a word that is far from all', () => {
  assert.equal(nearestWord('frobnicate', words), undefined)
  assert.equal(nearestWord('x', words), undefined)
})

test('is not slow for a long word', () => {
  assert.equal(nearestWord('x'.repeat(1_000_000), words), undefined)
})
