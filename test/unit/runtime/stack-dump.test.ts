import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { EdgebootError } from '../../../src/core/errors.ts'
import { parsePythonStacks, stackCharsMax, withStack } from '../../../src/runtime/stack-dump.ts'

const worker = '/opt/edgeboot/python/edgeboot_worker.py'
const folder = '/models/told'
const parse = (text: string) => parsePythonStacks(text, folder, worker)

const answering = `Current thread 0x00007f4a3c7fe740 (most recent call first):
  File "/usr/lib/python3.11/re/__init__.py", line 166 in match
  File "/models/told/part.py", line 12 in match_all
  File "/models/told/index.py", line 3 in handler
  File "${worker}", line 500 in _call
  File "${worker}", line 700 in main
`
const helper = `Thread 0x00007f4a3b1ff6c0 (most recent call first):
  File "/models/told/index.py", line 40 in beat
  File "/usr/lib/python3.11/threading.py", line 975 in run
`

describe('stacks of Python', () => {
  test('name the innermost line in the files of the model', () => {
    assert.equal(parse(answering).where, '/models/told/part.py:12')
  })

  test('name the thread that answers events before those that the model started', () => {
    assert.equal(parse(`${helper}\n${answering}`).where, '/models/told/part.py:12')
  })

  test('name another thread when the answering one is outside of the model', () => {
    const outside = `Thread 0x01 (most recent call first):\n  File "${worker}", line 700 in main\n`
    assert.equal(parse(`${outside}\n${helper}`).where, '/models/told/index.py:40')
  })

  test('take no package that is installed in the folder for the model', () => {
    const text =
      'Current thread 0x01 (most recent call first):\n' +
      '  File "/models/told/.venv/lib/python3.11/site-packages/numpy/core.py", line 9 in dot\n' +
      '  File "/models/told/index.py", line 5 in handler\n'
    assert.equal(parse(text).where, '/models/told/index.py:5')
  })

  test('take no folder that only begins like that of the model', () => {
    const text = '  File "/models/told-2/index.py", line 5 in handler\n'
    assert.equal(parse(text).where, undefined)
  })

  test('are read where a path is not ASCII', () => {
    const text = '  File "/models/\\u9608\\u503c\\xe9\\U0001f600/index.py", line 5 in handler\n'
    const where = parsePythonStacks(text, '/models/阈值é😀', worker).where
    assert.equal(where, '/models/阈值é😀/index.py:5')
  })

  test('say that there are none when nothing came', () => {
    assert.deepEqual(parse('\n'), { remark: 'no stack could be had of it' })
  })

  test('are no more than text when they are garbage', () => {
    const garbage = Buffer.from(Array.from({ length: 512 }, (_, i) => i % 256)).toString('latin1')
    assert.deepEqual(parse(garbage), { text: garbage, remark: 'it was in no file of its own' })
    assert.equal(parse(`  File "\\Uffffffff", line 1 in x`).where, undefined)
  })
})

describe('an error with a stack', () => {
  const late = new EdgebootError('RUNNER_DEADLINE', 'too late', { details: { runner: 1 } })

  test('keeps its code and its details, and says where', () => {
    const error = withStack(late, { text: 'a stack', where: 'index.py:3' })
    assert.equal(error.code, 'RUNNER_DEADLINE')
    assert.equal(error.message, 'too late; it was at index.py:3')
    assert.deepEqual(error.details, { runner: 1, where: 'index.py:3', stack: 'a stack' })
    assert.equal(error.fix, late.fix)
  })

  test('says what is known instead', () => {
    const error = withStack(late, { remark: 'it waits' })
    assert.equal(error.message, 'too late; it waits')
    assert.deepEqual(error.details, { runner: 1 })
  })

  test('is bounded', () => {
    const error = withStack(late, { text: 'x'.repeat(2 * stackCharsMax) })
    assert.equal(String(error.details['stack']).length, stackCharsMax)
  })
})
