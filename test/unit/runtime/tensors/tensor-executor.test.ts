import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ProgressMark } from '../../../../src/runtime/progress-mark.ts'
import type { Tensor } from '../../../../src/runtime/tensors/tensor.ts'
import {
  ask,
  EchoModel,
  executorOptions,
  info,
  input,
  manifest,
  open,
} from '../../../support/tensor-bench.ts'
import { createTensorExecutor } from '../../../../src/runtime/tensors/tensor-executor.ts'

const vector = info('x', 'float32', [null, 2])

describe('a batch', () => {
  test('is one run of all its events', async () => {
    const model = new EchoModel([vector])
    const executor = await open(model)
    const answers = await ask(executor, [{ x: [1, 2] }, { x: [3, 4] }])
    assert.deepEqual(answers, ['{"x":[1,2]}', '{"x":[3,4]}'])
    assert.equal(model.runs.length, 1)
    assert.deepEqual(model.runs[0]?.get('x')?.shape, [2, 2])
  })

  test('is run without the events that are not valid, which hurt no neighbour', async () => {
    const model = new EchoModel([vector])
    const executor = await open(model)
    const answers = await ask(executor, [{ x: [1, 2] }, { x: [1] }, {}, { x: [3, 4] }])
    assert.deepEqual(answers, [
      '{"x":[1,2]}',
      '!InvalidInput: input "x": x is an array of 1 where 2 are wanted (float32)',
      '!MissingInput: input "x": x is missing',
      '{"x":[3,4]}',
    ])
    assert.equal(model.runs.length, 1)
  })

  test('of nothing valid is no run', async () => {
    const model = new EchoModel([vector])
    assert.equal((await ask(await open(model), [1, null, []])).length, 3)
    assert.equal(model.runs.length, 0)
  })

  test('is filled up for a model with room for exactly four events', async () => {
    const model = new EchoModel([info('x', 'int32', [4, 1])])
    const events = [1, 2, 3, 4, 5].map((x) => ({ x }))
    const answers = await ask(await open(model), events)
    assert.deepEqual(
      answers,
      [1, 2, 3, 4, 5].map((x) => `{"x":${x}}`),
    )
    const given = model.runs.map((feeds) => [...(feeds.get('x')?.data ?? [])])
    assert.deepEqual(given, [
      [1, 2, 3, 4],
      [5, 5, 5, 5],
    ])
  })

  test('is run event by event for a model that has no dimension for it', async () => {
    const model = new EchoModel([info('x', 'float32', [2])])
    const executor = await open(model, manifest([input('x', { shape: [2] })]))
    assert.deepEqual(await ask(executor, [{ x: [1, 2] }, { x: [3, 4] }]), [
      '{"x":[1,2]}',
      '{"x":[3,4]}',
    ])
    assert.deepEqual(
      model.runs.map((feeds) => feeds.get('x')?.shape),
      [[2], [2]],
    )
  })

  test('is run event by event where each has a shape of its own', async () => {
    const model = new EchoModel([info('x', 'float32', [null, null])])
    const answers = await ask(await open(model), [{ x: [1] }, { x: [1, 2, 3] }, { x: [[1]] }])
    assert.deepEqual(answers.slice(0, 2), ['{"x":1}', '{"x":[1,2,3]}'])
    assert.match(answers[2] ?? '', /^!InvalidInput/)
    assert.deepEqual(model.runs[1]?.get('x')?.shape, [1, 3])
  })

  test('is run event by event once an output is of all events together', async () => {
    const sum = (feeds: ReadonlyMap<string, Tensor>): ReadonlyMap<string, Tensor> => {
      const values = [...(feeds.get('x')?.data ?? [])].map(Number)
      const total = values.reduce((one, other) => one + other, 0)
      return new Map([['s', { dtype: 'float64', shape: [], data: Float64Array.of(total) }]])
    }
    const outputs = [{ name: 's', dtype: 'float64' as const }]
    const model = new EchoModel([vector], { outputs, answer: sum })
    const executor = await open(model)
    const events = [{ x: [1, 2] }, { x: [3, 4] }]
    assert.deepEqual(await ask(executor, events), ['{"s":3}', '{"s":7}'])
    assert.deepEqual(await ask(executor, events), ['{"s":3}', '{"s":7}'])
    assert.equal(model.runs.length, 3 + 2)
  })

  test('of which one event makes the run throw fails in that event alone', async () => {
    const answer = (feeds: ReadonlyMap<string, Tensor>): ReadonlyMap<string, Tensor> => {
      const values: readonly unknown[] = [...(feeds.get('x')?.data ?? [])]
      if (values.includes(13)) throw new Error('unlucky')
      return feeds
    }
    const executor = await open(new EchoModel([info('x', 'float32', [null])], { answer }))
    const answers = await ask(executor, [{ x: 1 }, { x: 13 }, { x: 'a' }, { x: 2 }])
    assert.deepEqual(answers, [
      '{"x":1}',
      '!InferenceError: unlucky',
      '!InvalidInput: input "x": x is "a", not a number (float32)',
      '{"x":2}',
    ])
  })

  test('of which a run throws marks the event that it asks for alone', async () => {
    const mark = new ProgressMark()
    const seen: (number | undefined)[] = []
    const answer = (feeds: ReadonlyMap<string, Tensor>): ReadonlyMap<string, Tensor> => {
      seen.push(mark.read()?.index)
      if (feeds.get('x')?.shape[0] !== 1) throw new Error('too many')
      return feeds
    }
    mark.enter(1)
    const executor = await open(new EchoModel([vector], { answer }))
    await ask(executor, [{ x: [1, 2] }, { x: [3, 4] }], mark)
    assert.deepEqual(seen, [undefined, 0, 1])
  })

  test('is several runs where one would hold too much', async () => {
    const large = info('x', 'uint8', [null, 3 * 1024 * 1024])
    const model = new EchoModel([large, info('y', 'int8', [null])])
    const fill = input('x', { missing: { kind: 'fill', value: 7 } })
    const outputs = [{ name: 'y', path: ['y'] }]
    const executor = await open(model, manifest([fill, input('y')], outputs))
    assert.deepEqual(await ask(executor, [{ y: 1 }, { y: 2 }]), ['{"y":1}', '{"y":2}'])
    assert.equal(model.runs.length, 2)
  })
})

describe('inputs without a manifest', () => {
  test('are looked up by name, in the event and then under telemetry', async () => {
    const model = new EchoModel([info('a', 'int32', [null]), info('b.c', 'int32', [null, 1])])
    const answers = await ask(await open(model), [
      { a: 1, 'b.c': 2 },
      { telemetry: { a: 3, 'b.c': [4] } },
      { a: 5, telemetry: { a: 6, 'b.c': 7 } },
    ])
    assert.deepEqual(answers, ['{"a":1,"b.c":2}', '{"a":3,"b.c":4}', '{"a":5,"b.c":7}'])
  })

  test('are not looked up in what objects inherit', async () => {
    const model = new EchoModel([info('constructor', 'string', [null])])
    assert.match((await ask(await open(model), [{}]))[0] ?? '', /^!MissingInput/)
  })
})

describe('missing values', () => {
  const events = [{ x: [1, null] }, { x: null }, {}, '{"x":[1e999,2]}', { x: [3, 4] }]
  const given = async (missing: Parameters<typeof input>[1]): Promise<string[]> =>
    await ask(await open(new EchoModel([vector]), manifest([input('x', missing)])), events)

  test('are errors that name input and path', async () => {
    assert.deepEqual(await given({}), [
      '!MissingInput: input "x": x (element 1) is null',
      '!MissingInput: input "x": x is null',
      '!MissingInput: input "x": x is missing',
      '!MissingInput: input "x": x (element 0) is infinite',
      '{"x":[3,4]}',
    ])
  })

  test('are nothing to publish where the manifest says skip', async () => {
    const answers = await given({ missing: { kind: 'skip' } })
    assert.deepEqual(answers, ['-', '-', '-', '-', '{"x":[3,4]}'])
  })

  test('are filled', async () => {
    const answers = await given({ missing: { kind: 'fill', value: -1 } })
    assert.deepEqual(answers, [
      '{"x":[1,-1]}',
      '{"x":[-1,-1]}',
      '{"x":[-1,-1]}',
      '{"x":[-1,2]}',
      '{"x":[3,4]}',
    ])
  })

  test('are NaN for the model, which an output may not be', async () => {
    const model = new EchoModel([vector])
    const missing = { kind: 'nan' } as const
    const executor = await open(model, manifest([input('x', { missing })]))
    assert.deepEqual(await ask(executor, [{ x: [1, null] }, { x: [1, 2] }]), [
      '!InvalidOutput: output "x" is NaN, which JSON cannot hold',
      '{"x":[1,2]}',
    ])
    assert.deepEqual(model.runs[0]?.get('x')?.data, Float32Array.of(1, Number.NaN, 1, 2))
  })

  test('are told for each path of a vector', async () => {
    const paths = [
      ['t', 'a'],
      ['t', 'list', 1],
    ]
    const executor = await open(new EchoModel([vector]), manifest([input('x', { paths })]))
    const answers = await ask(executor, [{ t: { a: 1, list: [0, 2] } }, { t: { a: 1, list: [0] } }])
    assert.deepEqual(answers, ['{"x":[1,2]}', '!MissingInput: input "x": t.list[1] is missing'])
  })
})

test('a result above the limit is an error', async () => {
  const options = executorOptions(undefined, 20)
  const executor = await createTensorExecutor(new EchoModel([info('x', 'string', [null])]), options)
  assert.deepEqual(await ask(executor, [{ x: 'a' }, { x: 'a'.repeat(20) }]), [
    '{"x":"a"}',
    '!InvalidOutput: a result of 28 bytes; at most 20 are published',
  ])
})

test('closing gives the model back', async () => {
  const model = new EchoModel([vector])
  await (await open(model)).close()
  assert.equal(model.closed, 1)
})

test('refuses a model that claims to take more than any event can hold, and closes it', async () => {
  const model = new EchoModel([info('x', 'float32', [null, 2 ** 31])])
  await assert.rejects(open(model), /takes more than 4194304 elements at once/)
  assert.equal(model.closed, 1)
})

describe('an event that says its own shape', () => {
  // Ten numbers a level, and room for ten to the power of twelve.
  const deep = (levels: number): unknown =>
    Array.from({ length: 10 }, (_, at) => (at === 0 && levels > 1 ? deep(levels - 1) : 0))

  test('is refused where it claims more elements than a run may have', async () => {
    const model = new EchoModel([{ name: 'x', dtype: 'float64' }])
    const answers = await ask(await open(model), [{ x: deep(12) }, { x: [1, 2] }])
    assert.equal(
      answers[0],
      `!InvalidInput: input "x": x is an array of shape [${Array(12).fill(10).join(', ')}], more than 4194304 elements (float64)`,
    )
    assert.equal(answers[1], '{"x":[1,2]}')
  })

  test('is refused where its arrays are not of one length', async () => {
    const model = new EchoModel([{ name: 'x', dtype: 'float64' }])
    const answers = await ask(await open(model), [{ x: deep(3) }, { x: [1, 2] }])
    assert.match(String(answers[0]), /^!InvalidInput/)
    assert.equal(answers[1], '{"x":[1,2]}')
  })
})
