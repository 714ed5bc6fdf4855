import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { bytesField, numberField, WireError } from '../../../../src/core/protobuf-wire.ts'
import { inspectOnnx } from '../../../../src/models/inspect/inspect-onnx.ts'
import { onnxOutline } from '../../../../src/models/inspect/onnx-outline.ts'
import { root } from '../../../support/markdown.ts'

const example = readFileSync(join(root, 'examples/models/onnx/model.onnx'))
const message = (...fields: readonly Uint8Array[]): Buffer => Buffer.concat(fields)

/** A float32 input of the given dimensions. */
function input(name: string, ...dimensions: readonly Uint8Array[]): Buffer {
  const shape = message(...dimensions.map((dimension) => bytesField(1, dimension)))
  const tensor = message(numberField(1, 1), bytesField(2, shape))
  return bytesField(11, message(bytesField(1, name), bytesField(2, bytesField(1, tensor))))
}

function weights(name: string, file: string): Buffer {
  const entry = message(bytesField(1, 'location'), bytesField(2, file))
  return bytesField(5, message(bytesField(8, name), bytesField(13, entry), numberField(14, 1)))
}

test('names of free sizes are kept, and weights are no inputs', () => {
  const graph = message(
    input('x', bytesField(2, 'batch'), numberField(1, 4), Buffer.alloc(0)),
    input('w', numberField(1, 4)),
    weights('w', 'w.bin'),
    weights('v', 'w.bin'),
  )
  const { inputs, outputs, external } = onnxOutline(bytesField(7, graph))
  assert.deepEqual(inputs, ['"x" float32[batch, 4, ?]'])
  assert.deepEqual(outputs, [])
  assert.deepEqual([...external], [['w.bin', 2]])
})

test('weights outside of the package are a danger', async () => {
  for (const file of ['../../etc/shadow', '/etc/shadow', 'a/../../b', 'C:\\b']) {
    const model = bytesField(7, weights('w', file))
    const found = await inspectOnnx('m.onnx', stream(model), () => true)
    assert.deepEqual(
      found.filter(({ level }) => level === 'danger').map(({ text }) => text),
      [`a weight of it would be read from outside of the package: ${file}`],
    )
  }
})

test('any bytes are an outline or a WireError, whatever they are', () => {
  const mangled = fc
    .tuple(fc.nat(example.length - 1), fc.uint8Array({ minLength: 1, maxLength: 20 }), fc.boolean())
    .map(([at, bytes, isCut]) => {
      const copy = Buffer.from(example)
      copy.set(bytes.subarray(0, copy.length - at), at)
      return isCut ? copy.subarray(0, at) : copy
    })
  fc.assert(
    fc.property(fc.oneof(mangled, fc.uint8Array({ maxLength: 200 })), (bytes) => {
      try {
        onnxOutline(bytes)
      } catch (thrown) {
        assert.ok(thrown instanceof WireError, String(thrown))
      }
    }),
  )
})

test('a file of millions of tiny fields is given up early', () => {
  const tiny = Buffer.alloc(2_100_000, numberField(5, 1))
  assert.throws(() => onnxOutline(tiny), /more than 1000000 fields/)
})

async function* stream(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(bytes)
}
