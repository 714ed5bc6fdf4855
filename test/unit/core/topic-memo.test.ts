import assert from 'node:assert/strict'
import test from 'node:test'
import { TopicMemo } from '../../../src/core/topic-memo.ts'

function counted(): { memo: TopicMemo<string>; made: string[] } {
  const made: string[] = []
  const memo = new TopicMemo((topic, device) => {
    made.push(topic)
    return `${topic}|${device ?? '-'}`
  })
  return { memo, made }
}

test('makes once what a topic and a device give', () => {
  const { memo, made } = counted()
  for (let round = 0; round < 3; round++) {
    assert.equal(memo.of('a', 'x'), 'a|x')
    assert.equal(memo.of('a', 'y'), 'a|y')
    assert.equal(memo.of('a', undefined), 'a|-')
    assert.equal(memo.of('b', 'x'), 'b|x')
  }
  assert.deepEqual(made, ['a', 'a', 'a', 'b'])
})

test('begins anew when it is full, and is right all the same', () => {
  const { memo, made } = counted()
  for (let i = 0; i < 10_001; i++) assert.equal(memo.of(`t${i % 7}`, `d${i}`), `t${i % 7}|d${i}`)
  assert.equal(made.length, 10_001)
  assert.equal(memo.of('t4', 'd10000'), 't4|d10000')
  assert.equal(made.length, 10_001)
  assert.equal(memo.of('t0', 'd0'), 't0|d0')
  assert.equal(made.length, 10_002)
})

test('does not keep long topics', () => {
  const { memo, made } = counted()
  const long = 'x'.repeat(513)
  assert.equal(memo.of(long, 'd'), `${long}|d`)
  assert.equal(memo.of(long, 'd'), `${long}|d`)
  assert.equal(made.length, 2)
})
