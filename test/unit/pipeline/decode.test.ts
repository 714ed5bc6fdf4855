import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { limits } from '../../../src/core/limits.ts'
import { decodePayload } from '../../../src/pipeline/decode.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const faultOf = (payload: Uint8Array): string => {
  const decoded = decodePayload(payload)
  return decoded.ok ? 'none' : decoded.fault
}

test('JSON in UTF-8 is an event, Chinese keys and all', () => {
  const decoded = decodePayload(bytes('{"telemetry":{"OPC温度":10370}}'))
  assert.deepEqual(decoded, { ok: true, event: { telemetry: { OPC温度: 10370 } } })
})

const refused: readonly [title: string, payload: Uint8Array, fault: string][] = [
  ['an empty payload', bytes(''), 'not-json'],
  ['text', bytes('hello'), 'not-json'],
  ['JSON cut short', bytes('{"a":'), 'not-json'],
  ['a NaN, which Python writes', bytes('{"a":NaN}'), 'not-json'],
  ['an Infinity', bytes('[Infinity]'), 'not-json'],
  ['bytes that are not UTF-8', Uint8Array.of(0x22, 0xff, 0xfe, 0x22), 'not-utf8'],
  ['a megabyte of open brackets', bytes('['.repeat(1 << 20)), 'too-deep'],
  ['a megabyte of nested objects', bytes('{"a":'.repeat(1 << 17)), 'too-deep'],
  [
    'nesting one beyond the limit',
    bytes('['.repeat(limits.jsonDepthMax + 1) + ']'.repeat(limits.jsonDepthMax + 1)),
    'too-deep',
  ],
  ['a __proto__ key', bytes('{"a":[{"__proto__":{"admin":true}}]}'), 'prototype-key'],
  ['a __proto__ key in escapes', bytes('{"\\u005f_proto__":{"admin":true}}'), 'prototype-key'],
  ['more bytes than the limit', new Uint8Array(limits.payloadBytesMax + 1), 'too-large'],
]
for (const [title, payload, fault] of refused) {
  test(`${title} is refused as ${fault}`, () => assert.equal(faultOf(payload), fault))
}

const accepted: readonly [title: string, text: string][] = [
  ['nesting at the limit', '['.repeat(limits.jsonDepthMax) + ']'.repeat(limits.jsonDepthMax)],
  ['brackets inside a long string', JSON.stringify('['.repeat(5000))],
  ['escaped quotes before brackets in a string', JSON.stringify('"\\"['.repeat(2000))],
  ['a __proto__ in a value', '{"name":"__proto__"}'],
  ['escapes that spell nothing bad', '{"\\u4e2d":"\\u0041"}'],
  ['many siblings, none deep', `[${'{"a":[1]},'.repeat(500)}0]`],
]
for (const [title, text] of accepted) {
  test(`${title} is an event`, () => assert.equal(faultOf(bytes(text)), 'none'))
}

test('no detail of a refusal repeats the payload', () => {
  const decoded = decodePayload(bytes('{"password": secret}'))
  assert.ok(!decoded.ok)
  assert.doesNotMatch(decoded.detail, /secret|password/)
})

test('whatever the bytes, decoding answers and never throws', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 2000 }), (payload) => {
      const decoded = decodePayload(payload)
      if (!decoded.ok) return
      assert.deepEqual(decoded.event, JSON.parse(new TextDecoder().decode(payload)))
    }),
  )
})

test('any JSON value within the limits comes out as it went in', () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 20 }), (text) => {
      const decoded = decodePayload(bytes(text))
      if (!decoded.ok) assert.equal(decoded.fault, 'prototype-key')
      else assert.deepEqual(decoded.event, JSON.parse(text))
    }),
  )
})
