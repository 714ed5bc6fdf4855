import assert from 'node:assert/strict'
import { setImmediate } from 'node:timers/promises'
import { test } from 'node:test'
import fc from 'fast-check'
import type { ModelExecutor } from '../../../../src/runtime/model-executor.ts'
import { ProgressMark } from '../../../../src/runtime/progress-mark.ts'
import type { InferItem, InferOutcome } from '../../../../src/runtime/runner.ts'
import type { Tensor, TensorModel } from '../../../../src/runtime/tensors/tensor.ts'
import { info, open } from '../../../support/tensor-bench.ts'

/** Reads its feeds late, as a model in a thread of its own does. */
class LateModel implements TensorModel {
  readonly engine = 'late 1'
  readonly inputs
  readonly outputs
  readonly #fails: number

  /** @param batch - Events of one run. @param fails - A run with this number in it throws. */
  constructor(batch: number | null, fails: number) {
    this.inputs = [info('x', 'int32', [batch, 1])]
    this.outputs = this.inputs
    this.#fails = fails
  }

  async run(feeds: ReadonlyMap<string, Tensor>): Promise<ReadonlyMap<string, Tensor>> {
    await setImmediate()
    await setImmediate()
    const x = feeds.get('x') ?? assert.fail('no x')
    if ([...x.data].some((value) => Number(value) === this.#fails))
      throw new Error('no such number')
    return new Map([['x', { ...x, data: x.data.slice() }]])
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}

function itemsOf(batch: readonly unknown[]): InferItem[] {
  return batch.map((x) => ({ event: Buffer.from(JSON.stringify({ x })), context: Buffer.from('') }))
}

async function execute(executor: ModelExecutor, items: readonly InferItem[]): Promise<string[]> {
  const texts: string[] = []
  await executor.execute(items, new ProgressMark(), (first, outcomes: readonly InferOutcome[]) => {
    assert.equal(first, texts.length)
    for (const outcome of outcomes) {
      const isValue = outcome.kind === 'value'
      texts.push(isValue ? Buffer.from(outcome.payload).toString() : outcome.kind)
    }
  })
  return texts
}

test('a batch that was prepared while another ran is answered as any other', async () => {
  const number = fc.oneof(
    { weight: 5, arbitrary: fc.integer({ min: 0, max: 9 }) },
    fc.constant('x'),
  )
  const batches = fc.array(fc.array(number, { minLength: 1, maxLength: 9 }), {
    minLength: 1,
    maxLength: 6,
  })
  const schedule = fc.array(fc.boolean(), { minLength: 6, maxLength: 6 })
  await fc.assert(
    fc.asyncProperty(batches, schedule, fc.constantFrom(null, 3), async (given, prepared, room) => {
      const executor = await open(new LateModel(room, 7))
      const items = given.map(itemsOf)
      for (const [index, batch] of items.entries()) {
        const answer = execute(executor, batch)
        await setImmediate()
        const next = items[index + 1]
        if (prepared[index] === true && next !== undefined) executor.prepare?.(next)
        const expected = given[index]?.map((x) => (x === 'x' || x === 7 ? 'error' : `{"x":${x}}`))
        assert.deepEqual(await answer, expected)
      }
    }),
    { numRuns: 150 },
  )
})
