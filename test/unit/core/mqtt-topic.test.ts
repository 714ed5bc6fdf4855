import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { topicFault, topicFilterFault, topicMatcher } from '../../../src/core/mqtt-topic.ts'

describe('topicFilterFault', () => {
  for (const filter of [
    'a',
    '/',
    '+',
    '#',
    'a/+/b',
    'a/#',
    '+/+/#',
    '$share/g/#',
    '$SYS/#',
    '设备/+',
  ]) {
    it(`accepts ${filter}`, () => assert.equal(topicFilterFault(filter), undefined))
  }
  for (const [filter, problem] of [
    ['', /is empty/],
    ['a\0b', /NUL/],
    ['a+/b', /\+ only alone between slashes/],
    ['a/b#', /# only alone at its end/],
    ['a/#/b', /# only alone at its end/],
    ['$share', /name of a group/],
    ['$share/', /name of a group/],
    ['$share//a', /name of a group/],
    ['$share/g+/a', /name of a group/],
    ['$share/g', /topic filter after/],
    ['$share/g/', /topic filter after/],
    ['\ud800', /Unicode/],
    ['泵'.repeat(21_846), /65538 bytes, more than 65535/],
  ] as const) {
    it(`refuses ${JSON.stringify(filter.slice(0, 20))}`, () => {
      assert.match(topicFilterFault(filter) ?? '', problem)
    })
  }
})

describe('topicFault', () => {
  it('accepts what can be published, and only that', () => {
    assert.equal(topicFault('plant/泵/告警'), undefined)
    assert.equal(topicFault('a'.repeat(65_535)), undefined)
    assert.match(topicFault('a/+') ?? '', /wildcard \+/)
    assert.match(topicFault('a#') ?? '', /wildcard #/)
    assert.match(topicFault('a\0') ?? '', /NUL/)
    assert.match(topicFault('') ?? '', /empty/)
    assert.match(topicFault('a'.repeat(65_536)) ?? '', /65536 bytes/)
  })
})

describe('topicMatcher', () => {
  for (const [filter, matching, others] of [
    ['a/b', ['a/b'], ['a', 'a/', 'a/b/', 'a/bc', 'A/b', '/a/b']],
    ['a/#', ['a', 'a/', 'a/b', 'a/b/c'], ['ab', 'b/a', '/a']],
    ['a/+/c', ['a/b/c', 'a//c'], ['a/c', 'a/b/c/d', 'a/b/b/c']],
    ['+', ['a', ''], ['a/b', '/a', '$SYS']],
    ['+/+', ['/finance', 'a/b', 'a/'], ['a', '$SYS/x']],
    ['/+', ['/finance'], ['finance', 'a/b']],
    ['#', ['a', '/', 'a/b/c'], ['$SYS', '$SYS/broker/x']],
    ['+/#', ['a', 'a/b/c', '/'], ['$SYS/broker']],
    ['$SYS/#', ['$SYS', '$SYS/broker/x'], ['SYS', 'a']],
    ['$share/group/a/+', ['a/b'], ['$share/group/a/b', 'group/a/b', 'b']],
    ['$share/g/#', ['a', 'a/b'], ['$SYS/x']],
    ['设备/+/温度', ['设备/水泵/温度'], ['设备/温度', '设备/水泵/温']],
  ] as const) {
    it(`knows what ${filter} matches`, () => {
      const matches = topicMatcher(filter)
      for (const topic of matching) assert.ok(matches(topic), topic)
      for (const topic of others) assert.ok(!matches(topic), topic)
    })
  }

  it('agrees with the words of the standard for any filter and topic', () => {
    const level = fc.constantFrom('', 'a', 'b', 'ab', '$x')
    const topics = fc.array(level, { minLength: 1, maxLength: 4 })
    const filters = fc
      .tuple(
        fc.array(fc.oneof(level, fc.constant('+')), { minLength: 1, maxLength: 4 }),
        fc.boolean(),
      )
      .map(([levels, isOpen]) => (isOpen ? [...levels, '#'] : levels))
    const expected = (filter: readonly string[], topic: readonly string[]): boolean => {
      const [head, ...rest] = filter
      if (head === '#') return true
      if (head === undefined || topic.length === 0) return topic.length === 0 && head === undefined
      return (head === '+' || head === topic[0]) && expected(rest, topic.slice(1))
    }
    fc.assert(
      fc.property(filters, topics, (filter, topic) => {
        const isHidden = /^[+#]/.test(filter[0] ?? '') && (topic[0] ?? '').startsWith('$')
        const matches = !isHidden && expected(filter, topic)
        assert.equal(topicMatcher(filter.join('/'))(topic.join('/')), matches)
      }),
    )
  })
})
