import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { parseFailed, parseLog, parseReady } from '../../../src/runtime/worker-messages.ts'
import { specOf } from '../../support/running-model.ts'

const spec = specOf({ runtime: 'python', folder: '/models/told', entry: 'index.py' })
const protocol = { code: 'RUNNER_PROTOCOL' }

describe('parseReady', () => {
  test('takes the name of the engine', () => {
    assert.deepEqual(parseReady({ engine: 'Python 3.11.2', pid: 'no' }), {
      engine: 'Python 3.11.2',
    })
  })

  test('a ready may say what the model takes, within bounds', () => {
    const ready = { engine: 'onnxruntime 1.30.0', signature: 'x'.repeat(10_000) }
    assert.equal(parseReady(ready).signature?.length, 4000)
    assert.deepEqual(parseReady({ engine: 'a', signature: 5 }), { engine: 'a' })
  })

  test('refuses one without an engine', () => {
    assert.throws(() => parseReady({ engine: 7 }), protocol)
  })
})

describe('parseFailed', () => {
  for (const [kind, code] of [
    ['no-handler', 'MODEL_NO_HANDLER'],
    ['syntax', 'MODEL_SYNTAX'],
    ['import', 'MODEL_IMPORT_FAILED'],
  ] as const) {
    test(`makes ${code} of ${kind}, with model and place`, () => {
      const error = parseFailed({ kind, message: 'it says why', where: '/m/index.py:3' }, spec)
      assert.equal(error.code, code)
      assert.match(error.message, /model "told" .* it says why/)
      assert.equal(error.details.where, '/m/index.py:3')
    })
  }

  test('names the entry file when no place is known', () => {
    const error = parseFailed({ kind: 'import', message: 'm' }, spec)
    assert.equal(error.details.where, '/models/told/index.py')
  })

  for (const kind of ['other', 'constructor', 1]) {
    test(`refuses the kind ${JSON.stringify(kind)}`, () => {
      assert.throws(() => parseFailed({ kind, message: 'm' }, spec), protocol)
    })
  }
})

describe('parseLog', () => {
  test('takes level, event and fields', () => {
    const message = { level: 'warn', event: 'model.drift', fields: { a: 1 } } as const
    assert.deepEqual(parseLog(message), message)
  })

  test("does not let a model write one of edgeboot's own events", () => {
    assert.equal(parseLog({ level: 'info', event: 'runner.ready', fields: {} }).event, 'model.log')
  })

  for (const wrong of [
    { level: 'fatal', event: 'model.log', fields: {} },
    { level: 'info', event: 1, fields: {} },
    { level: 'info', event: 'model.log', fields: null },
    {},
  ]) {
    test(`refuses ${JSON.stringify(wrong)}`, () => {
      assert.throws(() => parseLog(wrong), protocol)
    })
  }
})
