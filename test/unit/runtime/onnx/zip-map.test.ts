import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { fieldsOf, WireError } from '../../../../src/core/protobuf-wire.ts'
import { outlineOf } from '../../../../src/runtime/onnx/zip-map.ts'

const root = join(import.meta.dirname, '..', '..', '..', '..')
const fixtures = join(root, 'test', 'fixtures', 'models', 'onnx')
const press = readFileSync(join(root, 'examples', 'models', 'onnx', 'model.onnx'))

test('keeps the labels of a ZipMap, texts', () => {
  const { labels, rewritten } = outlineOf(press)
  assert.deepEqual([...labels], [['output_probability', ['leaking', 'sound', 'worn']]])
  assert.ok(rewritten !== undefined && !Buffer.from(rewritten).includes('ZipMap'))
})

test('keeps the labels of a ZipMap, integers', () => {
  const { labels } = outlineOf(readFileSync(join(fixtures, 'forest-classifier.onnx')))
  assert.deepEqual([...labels.values()], [[0n, 1n, 2n]])
})

test('finds nothing to change in what it has changed, nor in a model without ZipMap', () => {
  const { rewritten = press } = outlineOf(press)
  assert.equal(outlineOf(rewritten).rewritten, undefined)
  assert.equal(outlineOf(readFileSync(join(fixtures, 'svm-regressor.onnx'))).rewritten, undefined)
})

test('knows inputs that are declared without any dimension', () => {
  const { scalars } = outlineOf(readFileSync(join(fixtures, 'scalar-input.onnx')))
  assert.deepEqual([...scalars], ['gain'])
})

test('cuts any message into fields that are the whole of it, or says that it is none', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      try {
        assert.deepEqual(
          Buffer.concat([...fieldsOf(bytes)].map(({ whole }) => whole)),
          Buffer.from(bytes),
        )
      } catch (thrown) {
        if (!(thrown instanceof WireError)) throw thrown
      }
    }),
  )
})

test('reads a model with any bytes changed, or cut off anywhere, or says that it is none', () => {
  const change = fc.tuple(fc.nat(press.length - 1), fc.integer({ min: 0, max: 255 }))
  fc.assert(
    fc.property(fc.array(change, { maxLength: 8 }), fc.nat(press.length), (changes, length) => {
      const bytes = Buffer.from(press.subarray(0, length))
      for (const [at, value] of changes) if (at < length) bytes[at] = value
      try {
        const { rewritten } = outlineOf(bytes)
        assert.ok(rewritten === undefined || rewritten.length < bytes.length + 1_000)
      } catch (thrown) {
        if (!(thrown instanceof WireError)) throw thrown
      }
    }),
    { numRuns: 200 },
  )
})
