import type { DType } from '../../../../src/core/dtype.ts'
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ask, EchoModel, info, open } from '../../../support/tensor-bench.ts'

/** What becomes of JSON texts as the only element of a tensor of a type. */
async function given(dtype: DType, texts: readonly string[]): Promise<string[]> {
  const executor = await open(new EchoModel([info('x', dtype, [null])]))
  const answers = await ask(
    executor,
    texts.map((text) => `{"x":${text}}`),
  )
  return answers.map((answer) => answer.replace('{"x":', '').replace(/\}$/, ''))
}

const integers: Record<string, { fit: string[]; beyond: string[] }> = {
  int8: { fit: ['-128', '127'], beyond: ['-129', '128'] },
  int16: { fit: ['-32768', '32767'], beyond: ['-32769', '32768'] },
  int32: { fit: ['-2147483648', '2147483647'], beyond: ['-2147483649', '2147483648'] },
  uint8: { fit: ['0', '255'], beyond: ['-1', '256'] },
  uint16: { fit: ['0', '65535'], beyond: ['-1', '65536'] },
  uint32: { fit: ['0', '4294967295'], beyond: ['-1', '4294967296'] },
  int64: {
    fit: ['-9223372036854775808', '9007199254740993', '9223372036854775807'],
    beyond: ['-9223372036854775809', '9223372036854775808'],
  },
  uint64: { fit: ['0', '18446744073709551615'], beyond: ['-1', '18446744073709551616'] },
}

describe('integers', () => {
  for (const [dtype, { fit, beyond }] of Object.entries(integers)) {
    test(`${dtype}: all of its range, exactly, and nothing beyond it`, async () => {
      assert.deepEqual(await given(dtype as DType, fit), fit)
      for (const answer of await given(dtype as DType, beyond)) {
        assert.match(answer, /^!InvalidInput: input "x": x is -?\d+, out of range/)
      }
    })

    test(`${dtype}: no fraction, no text, no boolean`, async () => {
      const [fraction, ...others] = await given(dtype as DType, ['1.5', '"1"', 'true', '{}'])
      assert.match(fraction ?? '', /^!InvalidInput: input "x": x is 1\.5, which is not an integer/)
      for (const answer of others) assert.match(answer, /^!InvalidInput: .*, not a number/)
    })
  }
})

describe('floats', () => {
  for (const [dtype, fits, beyond] of [
    ['float16', '65504', '65520'],
    ['float32', '3.4028234663852886e+38', '3.5e38'],
  ] as const) {
    test(`${dtype}: nothing that would become infinite`, async () => {
      const [largest, tooLarge] = await given(dtype, [fits, beyond])
      assert.equal(largest, fits)
      assert.match(tooLarge ?? '', /out of range \(float/)
    })
  }

  test('float64 keeps every digit', async () => {
    assert.deepEqual(await given('float64', ['0.1', '1e-320']), ['0.1', '1e-320'])
  })
})

test('booleans are true and false, 1 and 0', async () => {
  const answers = await given('bool', ['true', 'false', '1', '0', '2', '"true"'])
  assert.deepEqual(answers.slice(0, 4), ['true', 'false', 'true', 'false'])
  assert.match(answers[4] ?? '', /out of range/)
  assert.match(answers[5] ?? '', /not a boolean/)
})

test('texts are texts alone', async () => {
  const [text, number] = await given('string', ['"设备 \\"1\\""', '1'])
  assert.equal(text, '"设备 \\"1\\""')
  assert.match(number ?? '', /is number, not a text/)
})
