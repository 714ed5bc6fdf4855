import assert from 'node:assert/strict'
import { test } from 'node:test'
import { markOf, MessagePlan } from '../../../../src/cli/chaos/message-plan.ts'
import type { Stream } from '../../../../src/cli/chaos/streams.ts'

const stream = (device: string, isGenerated = true): Stream => ({
  broker: 'plant',
  topic: `in/${device}`,
  device,
  isGenerated,
  event: { deviceInfo: { deviceName: device }, telemetry: { ts: 0, point: 0 } },
})

const planOf = (options: Partial<ConstructorParameters<typeof MessagePlan>[0]> = {}): MessagePlan =>
  new MessagePlan({
    streams: [stream('设备"1"'), stream('b', false)],
    poison: [],
    messages: 100,
    perSecond: 10,
    poisonEvery: 0,
    undecodableEvery: 0,
    ...options,
  })

const textOf = (plan: MessagePlan, index: number): string => plan.at(index).payload.toString()

test('streams take turns, each with its own numbers, on schedule', () => {
  const plan = planOf()
  assert.equal(plan.length, 100)
  const messages = [0, 1, 2, 3].map((index) => plan.at(index))
  assert.deepEqual(
    messages.map(({ topic, seq, dueMs }) => [topic, seq, dueMs]),
    [
      ['in/设备"1"', 0, 0],
      ['in/b', 0, 100],
      ['in/设备"1"', 1, 200],
      ['in/b', 1, 300],
    ],
  )
})

test('every message is known again by its mark, whole or cut short', () => {
  const plan = planOf({ undecodableEvery: 3 })
  for (let index = 0; index < 12; index++) {
    const { payload, kind } = plan.at(index)
    const mark = markOf(payload)
    assert.ok(mark, payload.toString())
    assert.equal(plan.indexOf(mark), index)
    assert.equal(kind, index % 3 === 2 ? 'undecodable' : 'sample')
    if (kind === 'undecodable') assert.throws(() => JSON.parse(payload.toString()))
  }
})

test('what bears no mark of ours has none', () => {
  for (const text of ['', '{}', '{"chaos":1}', 'x{"chaos":{"stream":1,"seq":2,']) {
    assert.equal(markOf(Buffer.from(text)), undefined, text)
  }
})

test('the same place gives the same bytes, and no two places do', () => {
  const texts = Array.from({ length: 100 }, (_, index) => textOf(planOf(), index))
  assert.equal(new Set(texts).size, 100)
  assert.deepEqual(
    texts,
    Array.from({ length: 100 }, (_, index) => textOf(planOf(), index)),
  )
})

test('made-up messages have readings that move; given ones are as they were given', () => {
  const made = JSON.parse(textOf(planOf(), 4)) as {
    telemetry: { point: number }
    model_data: { trend_model_data: unknown[] }
  }
  assert.equal(made.telemetry.point, 95.25)
  assert.equal(made.model_data.trend_model_data.length, 5)
  const given = JSON.parse(textOf(planOf(), 5)) as Record<string, unknown>
  assert.deepEqual(given['telemetry'], { ts: 0, point: 0 })
})

test('poison is put into one message in so many, each kind in turn', () => {
  const plan = planOf({ poison: [{ misbehave: 'a' }, { misbehave: 'b' }], poisonEvery: 10 })
  const poisoned = Array.from({ length: 40 }, (_, index) => plan.at(index)).filter(
    ({ kind }) => kind === 'poison',
  )
  assert.deepEqual(
    poisoned.map(({ payload }) => /"misbehave":"(\w)"/.exec(payload.toString())?.[1]),
    ['a', 'b', 'a', 'b'],
  )
})
