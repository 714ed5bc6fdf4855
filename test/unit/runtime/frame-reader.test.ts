import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { EdgebootError } from '../../../src/core/errors.ts'
import { encodeFrame, fromRunner } from '../../../src/runtime/frame.ts'
import { FrameReader } from '../../../src/runtime/frame-reader.ts'

interface Frame {
  readonly type: number
  readonly body: number[]
}

const types = Object.values(fromRunner)
const frames = fc.array(
  fc.record({ type: fc.constantFrom(...types), body: fc.uint8Array({ maxLength: 300 }) }),
  { maxLength: 12 },
)

/** What a reader makes of these chunks. */
function read(chunks: Iterable<Uint8Array>, reader = new FrameReader()): Frame[] {
  const found: Frame[] = []
  for (const chunk of chunks) {
    reader.push(chunk, (type, body) => void found.push({ type, body: [...body] }))
  }
  return found
}

function* cut(stream: Uint8Array, sizes: readonly number[]): Generator<Uint8Array> {
  let at = 0
  for (let i = 0; at < stream.length; i++) {
    const size = sizes[i % sizes.length] ?? 1
    yield stream.subarray(at, at + size)
    at += size
  }
}

describe('FrameReader', () => {
  test('finds the same frames however the stream is cut', () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 9 })
    fc.assert(
      fc.property(frames, sizes, (sent, sizes) => {
        const stream = Buffer.concat(sent.map(({ type, body }) => encodeFrame(type, body)))
        const expected = sent.map(({ type, body }) => ({ type, body: [...body] }))
        assert.deepEqual(read(cut(stream, sizes)), expected)
      }),
    )
  })

  test('finds frames that come one byte at a time', () => {
    const stream = Buffer.concat([
      encodeFrame(fromRunner.ready, Buffer.from('{}')),
      encodeFrame(fromRunner.log, new Uint8Array(0)),
      encodeFrame(fromRunner.result, Buffer.from('abc')),
    ])
    const reader = new FrameReader()
    const found = read(cut(stream, [1]), reader)
    assert.deepEqual(
      found.map(({ type, body }) => [type, Buffer.from(body).toString()]),
      [
        [fromRunner.ready, '{}'],
        [fromRunner.log, ''],
        [fromRunner.result, 'abc'],
      ],
    )
    assert.equal(reader.insideFrame, false)
  })

  test('hands over a body that lies whole in a chunk without copying it', () => {
    const chunk = encodeFrame(fromRunner.result, Buffer.alloc(1000))
    let body: Uint8Array | undefined
    new FrameReader().push(chunk, (_type, found) => (body = found))
    assert.equal(body?.buffer, chunk.buffer)
    assert.equal(body.byteOffset, chunk.byteOffset + 5)
  })

  for (const [title, sizes] of [
    ['in chunks of a socket', [65_536]],
    ['in tiny chunks', [7]],
  ] as const) {
    test(`puts a frame of 8 MiB together ${title}`, () => {
      const sent = Buffer.alloc(8 * 1024 * 1024, 'edgeboot')
      const reader = new FrameReader()
      const bodies: Uint8Array[] = []
      for (const chunk of cut(encodeFrame(fromRunner.result, sent), sizes)) {
        reader.push(chunk, (_type, body) => void bodies.push(body))
      }
      assert.equal(bodies.length, 1)
      assert.ok(sent.equals(bodies[0] ?? new Uint8Array(0)))
    })
  }

  test('refuses a length above the limit as soon as it is known', () => {
    const reader = new FrameReader({ frameBytesMax: 100 })
    assert.throws(() => read([Buffer.from([0, 0, 0, 101])], reader), { code: 'RUNNER_PROTOCOL' })
  })

  test('refuses a frame without a type', () => {
    assert.throws(() => read([Buffer.alloc(5)]), { code: 'RUNNER_PROTOCOL' })
  })

  test('refuses a type that this end does not take', () => {
    assert.throws(() => read([encodeFrame(2, Buffer.from('x'))]), /unknown type 2/)
  })

  test('hands over the frames before the one that it refuses', () => {
    const stream = Buffer.concat([encodeFrame(fromRunner.log, Buffer.from('x')), Buffer.alloc(5)])
    const found: number[] = []
    assert.throws(() => new FrameReader().push(stream, (type) => void found.push(type)))
    assert.deepEqual(found, [fromRunner.log])
  })

  test('never throws anything but RUNNER_PROTOCOL, whatever comes', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 64 }), { maxLength: 8 }), (chunks) => {
        try {
          read(chunks)
        } catch (error) {
          assert.ok(error instanceof EdgebootError)
          assert.equal(error.code, 'RUNNER_PROTOCOL')
        }
      }),
    )
  })

  test('allocates for what came, not for what was announced', () => {
    const announced = Buffer.from([3, 0, 0, 0, fromRunner.result, 1])
    const before = process.memoryUsage().arrayBuffers
    const readers = Array.from({ length: 8 }, () => new FrameReader())
    for (const reader of readers) read([announced], reader)
    const grown = process.memoryUsage().arrayBuffers - before
    assert.ok(grown < 8 * 1024 * 1024, `${grown} bytes for 8 frames of one byte`)
    assert.ok(readers.every((reader) => reader.insideFrame))
  })
})
