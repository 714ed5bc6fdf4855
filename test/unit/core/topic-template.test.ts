import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isTopicPlaceholder, parseTopicTemplate } from '../../../src/core/topic-template.ts'

test('takes a template apart into its text and what it asks for', () => {
  assert.deepEqual(parseTopicTemplate('out/${rule}/${topic[12]}${topic}/x'), [
    'out/',
    { name: 'rule' },
    '/',
    { name: 'topic', level: 12 },
    { name: 'topic' },
    '/x',
  ])
})

test('takes what it does not know for text', () => {
  for (const text of ['a/${other}', '${device[0]}', '${topic[]}', '${topic[123456]}', '${device']) {
    assert.deepEqual(parseTopicTemplate(text), [text])
  }
  assert.deepEqual(parseTopicTemplate(''), [])
})

test('tells one placeholder from a template that has more', () => {
  for (const text of ['${device}', '${rule}', '${model}', '${topic}', '${topic[0]}']) {
    assert.equal(isTopicPlaceholder(text), true, text)
  }
  for (const text of ['', 'device', '${device}/', '${device}${device}', '${PORT}']) {
    assert.equal(isTopicPlaceholder(text), false, text)
  }
})

test('loses nothing of a template', () => {
  const piece = fc.oneof(fc.string(), fc.constantFrom('${topic}', '${topic[3]}', '${', '}', '[0]'))
  fc.assert(
    fc.property(fc.array(piece), (pieces) => {
      const template = pieces.join('')
      const written = parseTopicTemplate(template).map((part) => {
        if (typeof part === 'string') return part
        return part.level === undefined ? `\${${part.name}}` : `\${topic[${part.level}]}`
      })
      assert.equal(written.join(''), template)
    }),
  )
})
