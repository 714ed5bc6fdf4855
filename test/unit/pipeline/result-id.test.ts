import assert from 'node:assert/strict'
import test from 'node:test'
import { ResultIds, type ResultOrigin } from '../../../src/pipeline/result-id.ts'
import type { SourceMessage } from '../../../src/transport/transport.ts'

const origin: ResultOrigin = { rule: 'r', model: 'm' }

function message(more: Partial<SourceMessage> = {}): SourceMessage {
  return {
    topic: 'plant/1',
    payload: Buffer.from('{"t":1}'),
    qos: 1,
    retain: false,
    duplicate: false,
    receivedAt: 0,
    ...more,
  }
}

function resultId(of: ResultOrigin, named: SourceMessage, device: string | undefined): string {
  return new ResultIds(of).of(named, device)
}

test('a message that comes again has the same id, on any day and in any process', () => {
  const first = resultId(origin, message(), 'pump')
  const again = message({ duplicate: true, receivedAt: 99, ack: { epoch: 7, id: 3 }, retain: true })
  assert.equal(resultId(origin, again, 'pump'), first)
  // Consumers keep ids for longer than a version of edgeboot lasts.
  assert.equal(first, 'LDKEb-2TK2PThVcs-zamlOMFeO4')
})

test('rule, model, device, topic and payload each make another id', () => {
  const ids = [
    resultId(origin, message(), 'pump'),
    resultId({ ...origin, rule: 'r2' }, message(), 'pump'),
    resultId({ ...origin, model: 'm2' }, message(), 'pump'),
    resultId(origin, message(), 'valve'),
    resultId(origin, message(), undefined),
    resultId(origin, message({ topic: 'plant/2' }), 'pump'),
    resultId(origin, message({ payload: Buffer.from('{"t":2}') }), 'pump'),
  ]
  assert.equal(new Set(ids).size, ids.length)
})

test('no part of a name can pass for a part of its neighbour', () => {
  const ids = [
    resultId({ rule: 'a', model: 'b' }, message({ topic: 'c', payload: Buffer.from('d') }), 'e'),
    resultId({ rule: 'a","b', model: '' }, message({ topic: 'c', payload: Buffer.from('d') }), 'e'),
    resultId({ rule: 'ab', model: '' }, message({ topic: 'c', payload: Buffer.from('d') }), 'e'),
    resultId({ rule: 'a', model: 'b' }, message({ topic: 'cd', payload: Buffer.from('') }), 'e'),
    resultId({ rule: 'a', model: 'b' }, message({ topic: 'c"]d', payload: Buffer.alloc(0) }), 'e'),
  ]
  assert.equal(new Set(ids).size, ids.length)
})

test('the id that a message carries stands in for its topic and payload', () => {
  const userProperties = { 'edgeboot-id': 'abc' }
  const id = resultId(origin, message({ userProperties }), 'pump')
  const other = message({ userProperties, payload: Buffer.from('another answer'), topic: 'else' })
  assert.equal(resultId(origin, other, 'pump'), id)
  const different = message({ userProperties: { 'edgeboot-id': 'abd' } })
  assert.notEqual(resultId(origin, different, 'pump'), id)
  assert.notEqual(resultId(origin, message(), 'pump'), id)
  assert.notEqual(resultId({ ...origin, rule: 'next' }, message({ userProperties }), 'pump'), id)
})

test('a message with the property twice has an id of its own', () => {
  const twice = message({ userProperties: { 'edgeboot-id': ['a', 'b'] } })
  const once = message({ userProperties: { 'edgeboot-id': 'a' } })
  assert.equal(resultId(origin, twice, undefined), resultId(origin, { ...twice }, undefined))
  assert.notEqual(resultId(origin, twice, undefined), resultId(origin, once, undefined))
})

test('an id fits into a topic, a file name and a URL', () => {
  for (const payload of [Buffer.alloc(0), Buffer.alloc(1_000_000, 'x'), Buffer.of(0, 255)]) {
    assert.match(resultId(origin, message({ payload }), '水泵'), /^[\w-]{27}$/)
  }
})

test('an id does not depend on what was named before', () => {
  const ids = new ResultIds(origin)
  for (const bytes of [0, 3, 16_300, 16_384, 20_000, 7]) {
    for (const topic of ['plant/1', 'plant/22', 'plant/' + 'x'.repeat(600)]) {
      for (const device of ['pump', undefined, '水泵']) {
        const named = message({ topic, payload: Buffer.alloc(bytes, topic) })
        assert.equal(ids.of(named, device), resultId(origin, named, device))
      }
    }
  }
})
