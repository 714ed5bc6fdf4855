import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { LineSplitter } from '../../../src/runtime/line-splitter.ts'

function split(chunks: Iterable<Uint8Array>, charsMax = 100): string[] {
  const lines: string[] = []
  const splitter = new LineSplitter(charsMax)
  for (const chunk of chunks) splitter.push(chunk, (line) => void lines.push(line))
  splitter.end((line) => void lines.push(line))
  return lines
}

describe('LineSplitter', () => {
  test('finds the same lines however the bytes are cut', () => {
    const text = fc.array(fc.string({ unit: 'binary', maxLength: 20 }), { maxLength: 6 })
    fc.assert(
      fc.property(text, fc.integer({ min: 1, max: 9 }), (parts, size) => {
        const bytes = Buffer.from(parts.join('\n'))
        const chunks: Uint8Array[] = []
        for (let at = 0; at < bytes.length; at += size) chunks.push(bytes.subarray(at, at + size))
        assert.deepEqual(split(chunks), split([bytes]))
      }),
    )
  })

  test('keeps a character whole whose bytes come in two chunks', () => {
    const bytes = Buffer.from('设备\n')
    assert.deepEqual(split([bytes.subarray(0, 4), bytes.subarray(4)]), ['设备'])
  })

  test('ends a line at a carriage return too, and leaves blank lines out', () => {
    assert.deepEqual(split([Buffer.from('10%\r20%\r\n\n  \ndone')]), ['10%', '20%', 'done'])
  })

  test('cuts a long line and skips the rest of it', () => {
    const lines = split([Buffer.from(`${'x'.repeat(1000)}\nnext\n`)], 10)
    assert.deepEqual(lines, ['xxxxxxxxx…', 'next'])
  })

  test('hands over a line without end before it ends', () => {
    const lines: string[] = []
    const splitter = new LineSplitter(10)
    for (let i = 0; i < 1000; i++) splitter.push(Buffer.alloc(100, 'x'), (line) => lines.push(line))
    assert.deepEqual(lines, ['xxxxxxxxx…'])
  })

  test('makes something readable of bytes that are no UTF-8', () => {
    assert.deepEqual(split([Buffer.from([0x61, 0xff, 0x62, 0x0a])]), ['a\ufffdb'])
  })
})
