import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import {
  compileTopicTemplate,
  topicFilterProblem,
  topicMatches,
  topicProblem,
} from '../../../src/transport/topic.ts'

describe('topicMatches', () => {
  const cases: readonly [filter: string, topic: string, matches: boolean][] = [
    ['a/b', 'a/b', true],
    ['a/b', 'a/b/c', false],
    ['a/b/c', 'a/b', false],
    ['a/b', 'A/b', false],
    ['+', 'a', true],
    ['+', '', true],
    ['+', 'a/b', false],
    ['+/+', '/a', true],
    ['/+', '/a', true],
    ['/+', 'a', false],
    ['plant/+/telemetry', 'plant/泵/telemetry', true],
    ['plant/+/telemetry', 'plant/a/b/telemetry', false],
    ['plant/+/telemetry', 'plant//telemetry', true],
    ['plant/#', 'plant', true],
    ['plant/#', 'plant/a/b', true],
    ['plant/#', 'plants', false],
    ['#', 'a/b/c', true],
    ['#', '$SYS/broker', false],
    ['+/broker', '$SYS/broker', false],
    ['$SYS/#', '$SYS/broker', true],
    ['$share/group/plant/#', 'plant/a', true],
    ['$share/group/plant/#', 'group/plant/a', false],
    ['$share/group//a', '/a', true],
  ]
  for (const [filter, topic, matches] of cases) {
    it(`says ${matches} for ${filter} and ${topic || 'the empty topic'}`, () => {
      assert.equal(topicMatches(filter, topic), matches)
    })
  }

  it('matches a topic whose levels are replaced by + or cut by #', () => {
    const levels = fc.array(fc.stringMatching(/^[a-z泵]{0,3}$/u), { minLength: 1, maxLength: 6 })
    fc.assert(
      fc.property(levels, fc.array(fc.boolean()), fc.nat(6), (topic, plus, cut) => {
        const widened = topic.map((level, i) => (plus[i] === true ? '+' : level))
        assert.ok(topicMatches(widened.join('/'), topic.join('/')))
        const head = [...widened.slice(0, cut), '#'].join('/')
        assert.ok(topicMatches(head, topic.join('/')))
        assert.equal(topicMatches([...topic, 'more'].join('/'), topic.join('/')), false)
      }),
    )
  })
})

describe('topicFilterProblem', () => {
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
    it(`accepts ${filter}`, () => assert.equal(topicFilterProblem(filter), undefined))
  }
  for (const [filter, problem] of [
    ['', /is empty/],
    ['a\0b', /NUL/],
    ['a+/b', /"\+" only as a whole level/],
    ['a/b#', /"#" only as its whole last level/],
    ['a/#/b', /"#" only as its whole last level/],
    ['$share', /name of a group/],
    ['$share/', /name of a group/],
    ['$share//a', /name of a group/],
    ['$share/g+/a', /name of a group/],
    ['$share/g', /topic filter after/],
    ['$share/g/', /topic filter after/],
    ['\ud800', /Unicode/],
    ['泵'.repeat(21_846), /longer than 65535 bytes/],
  ] as const) {
    it(`refuses ${JSON.stringify(filter.slice(0, 20))}`, () => {
      assert.match(topicFilterProblem(filter) ?? '', problem)
    })
  }
})

describe('topicProblem', () => {
  it('accepts what can be published, and only that', () => {
    assert.equal(topicProblem('plant/泵/告警'), undefined)
    assert.equal(topicProblem('a'.repeat(65_535)), undefined)
    assert.match(topicProblem('a/+') ?? '', /wildcard "\+"/)
    assert.match(topicProblem('a#') ?? '', /wildcard "#"/)
    assert.match(topicProblem('a\0') ?? '', /NUL/)
    assert.match(topicProblem('') ?? '', /empty/)
    assert.match(topicProblem('a'.repeat(65_536)) ?? '', /longer/)
  })
})

describe('compileTopicTemplate', () => {
  const values = { rule: 'threshold', model: 'limits' }
  const render = (template: string, topic = 'plant/p-1/telemetry', device?: string) =>
    compileTopicTemplate(template, values)(topic, device)

  it('leaves a plain topic as it is', () => {
    assert.equal(render('plant/alarm'), 'plant/alarm')
  })

  it('fills in rule, model, device, topic and its levels', () => {
    const template = '${rule}/${model}/${device}/${topic[1]}/${topic}'
    assert.equal(
      render(template, 'plant/p-1/telemetry', '水泵'),
      'threshold/limits/水泵/p-1/plant/p-1/telemetry',
    )
  })

  it('leaves what it does not know as it is written', () => {
    assert.equal(render('a/${other}/$x/${device[0]}'), 'a/${other}/$x/${device[0]}')
  })

  it('gives nothing without a device to name, or a level that is not there', () => {
    assert.equal(render('a/${device}'), undefined)
    assert.equal(render('a/${topic[7]}'), undefined)
  })

  it('does not let data widen a topic', () => {
    for (const device of ['+', '#', 'a/#', 'x\0', '\ud800']) {
      assert.equal(render('a/${device}', 'a', device), undefined)
    }
    assert.equal(render('${device}', 'a', ''), undefined)
    assert.equal(render('a/#'), undefined)
  })

  it('never gives a topic that MQTT forbids, and never throws', () => {
    const text = fc.oneof(fc.string(), fc.constantFrom('+', '#', '\0', '${topic}', '${topic[0]}'))
    fc.assert(
      fc.property(text, text, text, (template, topic, device) => {
        const rendered = render(`x${template}`, topic, device)
        assert.ok(rendered === undefined || topicProblem(rendered) === undefined)
      }),
    )
  })
})
