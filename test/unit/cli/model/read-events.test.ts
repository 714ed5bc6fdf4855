import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readEvents } from '../../../../src/cli/model/read-events.ts'

const read = (text: string): readonly string[] => readEvents(Buffer.from(text), 'day.ndjson')

test('takes a document, an array of events, or an event in each line', () => {
  assert.deepEqual(read(' {\n"a": 1}\n'), ['{\n"a": 1}'])
  assert.deepEqual(read('[{"a":1},\n{"a":2}]'), ['{"a":1}', '{"a":2}'])
  assert.deepEqual(read('{"a":1}\n\n{"a":2}\r\n'), ['{"a":1}', '{"a":2}'])
  assert.deepEqual(read('[1]\n[2]\n'), ['[1]', '[2]'])
  assert.deepEqual(read('[[1,2]]'), ['[1,2]'])
  assert.deepEqual(read('[]'), [])
})

test('keeps all digits of an integer', () => {
  assert.deepEqual(read('[{"id":9007199254740993}]'), ['{"id":9007199254740993}'])
})

test('names the line that is no JSON', () => {
  assert.throws(() => read('{"a":1}\n{"a":\n'), { code: 'CLI_USAGE', message: /in line 2: / })
  assert.throws(() => read(' \n'), { message: /day\.ndjson is empty/ })
  assert.throws(() => readEvents(Buffer.of(0xff), 'x'), { message: 'x is not UTF-8' })
})
