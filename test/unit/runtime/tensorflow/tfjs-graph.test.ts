import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  isAsynchronous,
  splitFusedTanh,
  type TfjsNode,
} from '../../../../src/runtime/tensorflow/tfjs-graph.ts'

function fused(...ops: string[]): TfjsNode {
  const s = ops.map((op) => Buffer.from(op).toString('base64'))
  const attr = { T: { type: 'DT_FLOAT' }, fused_ops: { list: { s } } }
  return { name: 'dense', op: '_FusedMatMul', input: ['x', 'w', 'b'], attr }
}

test('gives a fused tanh a node of its own under the name of the whole', () => {
  const nodes = [fused('BiasAdd', 'Tanh')]
  splitFusedTanh(nodes)
  assert.deepEqual(nodes, [
    { ...fused('BiasAdd'), name: 'dense/before_tanh' },
    { name: 'dense', op: 'Tanh', input: ['dense/before_tanh'], attr: { T: { type: 'DT_FLOAT' } } },
  ])
})

test('leaves other layers as they are', () => {
  const nodes = [fused('BiasAdd', 'Relu'), { name: 't', op: 'Tanh', input: ['dense'] }]
  const before = structuredClone(nodes)
  splitFusedTanh(nodes)
  assert.deepEqual(nodes, before)
})

test('sees loops and branches', () => {
  assert.equal(isAsynchronous([fused('BiasAdd')]), false)
  assert.equal(isAsynchronous([fused('BiasAdd'), { name: 'm', op: 'Merge' }]), true)
})
