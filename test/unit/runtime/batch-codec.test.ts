import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { EdgebootError } from '../../../src/core/errors.ts'
import {
  decodeInfer,
  decodeResult,
  encodeInfer,
  encodeResult,
} from '../../../src/runtime/batch-codec.ts'
import type { InferOutcome, ModelError } from '../../../src/runtime/runner.ts'

const bytes = fc.uint8Array({ maxLength: 200 })
const u32 = fc.integer({ min: 0, max: 0xffffffff })
const modelError: fc.Arbitrary<ModelError> = fc.record(
  { type: fc.string(), message: fc.string(), where: fc.string(), traceback: fc.string() },
  { requiredKeys: ['type', 'message'], noNullPrototype: true },
)
const outcome: fc.Arbitrary<InferOutcome> = fc.oneof(
  fc.constant({ kind: 'empty' } as const),
  bytes.map((payload) => ({ kind: 'value', payload }) as const),
  modelError.map((error) => ({ kind: 'error', error }) as const),
)

describe('infer bodies', () => {
  test('hold the items that were put in', () => {
    const items = fc.array(fc.record({ event: bytes, context: bytes }))
    fc.assert(
      fc.property(u32, items, (batchId, items) => {
        const decoded = decodeInfer(encodeInfer(batchId, items))
        assert.equal(decoded.batchId, batchId)
        const plain = decoded.items.map((item) => [[...item.context], [...item.event]])
        assert.deepEqual(
          plain,
          items.map((item) => [[...item.context], [...item.event]]),
        )
      }),
    )
  })

  test('can be transferred: their buffer holds nothing else', () => {
    const body = encodeInfer(7, [{ event: Buffer.from('1'), context: Buffer.from('{}') }])
    assert.equal(body.byteOffset, 0)
    assert.equal(body.buffer.byteLength, body.length)
    structuredClone(body.buffer, { transfer: [body.buffer as ArrayBuffer] })
    assert.equal(body.buffer.byteLength, 0)
  })

  test('leave room for a header when asked', () => {
    const items = [{ event: Buffer.from('1'), context: Buffer.from('{}') }]
    const plain = encodeInfer(7, items)
    const framed = encodeInfer(7, items, { roomForHeader: true })
    assert.ok(framed.subarray(5).equals(plain))
  })
})

describe('result bodies', () => {
  test('hold the outcomes that were put in', () => {
    fc.assert(
      fc.property(u32, u32, fc.array(outcome), (batchId, first, outcomes) => {
        const decoded = decodeResult(encodeResult({ batchId, first, outcomes }))
        assert.deepEqual(plain(decoded), plain({ batchId, first, outcomes }))
      }),
    )
  })

  test('hand payloads over as views, not as copies', () => {
    const payload = Buffer.from('{"limit":80}')
    const body = encodeResult({ batchId: 1, first: 0, outcomes: [{ kind: 'value', payload }] })
    const decoded = decodeResult(body).outcomes[0]
    assert.ok(decoded?.kind === 'value')
    assert.equal(decoded.payload.buffer, body.buffer)
  })

  for (const [title, body] of [
    ['nothing', []],
    ['a count without items', [0, 0, 0, 1, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]],
    ['an item beyond the end', [0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 9]],
    ['bytes of no item', [0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 7]],
    ['an unknown status', [0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 3, 0, 0, 0, 0]],
    ['an empty item with bytes', [0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 9]],
    ['an error that is no JSON', [0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 1, 9]],
  ] as const) {
    test(`refuse ${title}`, () => {
      assert.throws(() => decodeResult(Uint8Array.from(body)), { code: 'RUNNER_PROTOCOL' })
    })
  }

  test('never throw anything but RUNNER_PROTOCOL, whatever comes', () => {
    const garbage = fc.oneof(
      fc.uint8Array({ maxLength: 80 }),
      // A plausible header makes the checks behind it work.
      fc
        .tuple(fc.integer({ min: 0, max: 5 }), fc.uint8Array({ maxLength: 60 }))
        .map(([count, rest]) => Uint8Array.from([0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, count, ...rest])),
    )
    fc.assert(
      fc.property(garbage, fc.constantFrom(decodeResult, decodeInfer), (body, decode) => {
        try {
          decode(body)
        } catch (error) {
          assert.ok(error instanceof EdgebootError)
          assert.equal(error.code, 'RUNNER_PROTOCOL')
        }
      }),
    )
  })
})

function plain(piece: ReturnType<typeof decodeResult>): unknown {
  const outcomes = piece.outcomes.map((outcome) =>
    outcome.kind === 'value' ? [...outcome.payload] : outcome,
  )
  return { ...piece, outcomes }
}
