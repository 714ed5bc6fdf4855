import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { topicFault, topicFilterFault } from '../../../src/core/mqtt-topic.ts'

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
