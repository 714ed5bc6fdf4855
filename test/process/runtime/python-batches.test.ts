import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { needsPython, pythonInterpreters } from '../../support/python-interpreters.ts'
import { needsModule } from '../../support/requirements.ts'
import { published, RunningModel, withModelFolder } from '../../support/running-model.ts'

const runners = join(import.meta.dirname, '..', '..', 'fixtures', 'runners')
const folder = join(runners, 'python', 'handles-batches')

for (const { path, version } of pythonInterpreters()) {
  describe(`handle_batch on Python ${version} (${path})`, () => {
    const running = new RunningModel({ runtime: 'python', entry: 'index.py', folder, python: path })
    before(async () => void (await running.start()))
    after(() => running.stop())
    answersAsPromised(running)
  })
}

/** Gives the model three events and tells their outcomes: results as JSON, errors as `type: text`. */
async function outcomesOf(
  running: RunningModel,
  action: string,
  numbers: readonly (number | null)[] = [1, 2, 3],
): Promise<readonly string[]> {
  const { outcomes } = await running.infer(numbers.map((n) => ({ do: action, n })))
  return outcomes.map((outcome) => {
    if (outcome.kind === 'empty') return 'empty'
    if (outcome.kind === 'value') return published(outcome)
    return `${outcome.error.type}: ${outcome.error.message}`
  })
}

/** How many events each call had, in calls since the last time this was asked. */
async function callsSince(running: RunningModel, before: number): Promise<readonly number[]> {
  const [answer = ''] = await outcomesOf(running, 'calls', [0])
  return (JSON.parse(answer) as number[]).slice(before, -1)
}

function answersAsPromised(running: RunningModel): void {
  test('gets events and contexts of one batch in one call, and wins over handler', async () => {
    const contexts = ['a', 'b', 'c'].map((topic) => ({ topic }))
    const { outcomes } = await running.infer(
      contexts.map(() => ({ do: 'shapes' })),
      contexts,
    )
    assert.deepEqual(outcomes.map(published), ['[3, 3, "a"]', '[3, 3, "b"]', '[3, 3, "c"]'])
  })

  test('answers a batch of one', async () => {
    assert.deepEqual(await outcomesOf(running, 'list', [7]), ['7'])
  })

  for (const sequence of ['list', 'tuple', 'generator', 'array']) {
    test(`may return its results as ${sequence}`, async () => {
      assert.deepEqual(await outcomesOf(running, sequence, [1, 2, null]), ['1', '2', 'empty'])
    })
  }

  test('may return any other iterator', async () => {
    assert.deepEqual(await outcomesOf(running, 'map'), ['"1"', '"2"', '"3"'])
  })

  for (const [action, got] of [
    ['too-few', '2 results for 3 events'],
    ['too-many', '4 results for 3 events'],
    ['endless', 'at least 4 results for 3 events'],
    ['nothing', 'a NoneType; expected a list of 3 results, one per event'],
    ['dict', 'a dict; expected a list of 3 results, one per event'],
    ['set', 'a set; expected a list of 3 results, one per event'],
    ['text', 'a str; expected a list of 3 results, one per event'],
    ['bytes', 'a bytes; expected a list of 3 results, one per event'],
    ['number', 'a int; expected a list of 3 results, one per event'],
    ['scalar-array', 'a Array; expected a list of 3 results, one per event'],
  ] as const) {
    test(`fails every event of the batch when what it returns is no result per event: ${action}`, async () => {
      const expected = `WrongResultCount: handle_batch returned ${got}`
      assert.deepEqual(await outcomesOf(running, action), [expected, expected, expected])
    })
  }

  test('is called anew for each event of a batch that raised, so that one alone fails', async () => {
    assert.deepEqual(await outcomesOf(running, 'poison', [1, null, 3]), [
      '1',
      'ValueError: no number',
      '1',
    ])
  })

  test('that yields its results may raise while it does', async () => {
    const [first, second = '', third] = await outcomesOf(running, 'late-poison', [1, 0, 1])
    assert.deepEqual([first, third], ['1', '1'])
    assert.match(second, /^ZeroDivisionError: /)
  })

  test('is not called again for a batch of one that raised, nor after a wrong count', async () => {
    const calls = JSON.parse((await outcomesOf(running, 'calls', [0]))[0] ?? '') as number[]
    await outcomesOf(running, 'poison', [null])
    await outcomesOf(running, 'too-few')
    assert.deepEqual(await callsSince(running, calls.length), [1, 3])
  })

  test('that calls sys.exit has failed, not ended', async () => {
    const error = 'SystemExit: enough'
    assert.deepEqual(await outcomesOf(running, 'exit'), [error, error, error])
  })

  test('fails one event alone when its result cannot be JSON', async () => {
    const [first, second = '', third] = await outcomesOf(running, 'unencodable')
    assert.deepEqual([first, third], ['1', '3'])
    assert.match(second, /^ValueError: /)
  })
}

describe('a Python model with handle_batch', { skip: needsPython }, () => {
  const withModel = (
    text: string,
    use: (running: RunningModel) => Promise<void>,
    python?: string,
  ): Promise<void> =>
    withModelFolder({ 'index.py': text }, async (modelFolder) => {
      const model = { runtime: 'python', entry: 'index.py', folder: modelFolder } as const
      const running = new RunningModel(python === undefined ? model : { ...model, python })
      await running.start()
      try {
        await use(running)
      } finally {
        await running.stop()
      }
    })

  for (const [title, text] of [
    ['needs no handler beside it', 'def handle_batch(events, contexts): return events'],
    ['may leave the contexts out', 'def handle_batch(events): return events'],
    ['may be asynchronous', 'async def handle_batch(events, contexts): return events'],
  ] as const) {
    test(title, async () => {
      await withModel(text, async (running) => {
        const { outcomes } = await running.infer([1, 2])
        assert.deepEqual(outcomes.map(published), ['1', '2'])
      })
    })
  }

  test('names the file and line of the exception of one event', async () => {
    const text = 'def handle_batch(events, contexts):\n    return [1 / event for event in events]\n'
    await withModel(text, async (running) => {
      const { outcomes } = await running.infer([1, 0])
      assert.ok(outcomes[1]?.kind === 'error')
      assert.match(outcomes[1].error.where ?? '', /index\.py:2$/)
      assert.doesNotMatch(outcomes[1].error.traceback ?? '', /edgeboot_worker/)
    })
  })

  test('sends what it has of a batch that raised while the rest is tried one by one', async () => {
    const text = [
      'import time',
      'def handle_batch(events, contexts):',
      '    if len(events) > 1: raise ValueError("together")',
      '    time.sleep(0.02)',
      '    return events',
    ].join('\n')
    await withModel(text, async (running) => {
      assert.deepEqual((await running.infer([1, 2, 3])).pieces, [1, 1, 1])
    })
  })

  test('that asks for more than events and contexts is refused when it is loaded', async () => {
    const text = 'def handle_batch(events, contexts, size): return events'
    await assert.rejects(
      withModel(text, async () => undefined),
      /handle_batch\(events, contexts, size\) in .*index\.py cannot be called with \(events, contexts\)/,
    )
  })

  test('that takes nothing is refused: it could not know how many results to return', async () => {
    const text = 'def handle_batch(): return []'
    await assert.rejects(
      withModel(text, async () => undefined),
      /handle_batch\(\) in .* cannot be called with \(events, contexts\)/,
    )
  })

  const debian = '/usr/bin/python3'
  const skip = needsModule(debian, 'numpy', 'apt-get install python3-numpy')
  test('may return the rows of a numpy array', { skip }, async () => {
    const text = [
      'import numpy',
      'def handle_batch(events, contexts):',
      '    return numpy.array([event["v"] for event in events], dtype=numpy.float32) * 2',
    ].join('\n')
    const use = async (running: RunningModel): Promise<void> => {
      const { outcomes } = await running.infer([{ v: [1, 2] }, { v: [3, 4] }])
      assert.deepEqual(outcomes.map(published), ['[2.0, 4.0]', '[6.0, 8.0]'])
    }
    await withModel(text, use, debian)
  })
})
