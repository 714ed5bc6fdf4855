import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SessionEnd } from '../../../../src/transport/mqtt/mqtt-session.ts'
import { ProtocolChoice } from '../../../../src/transport/mqtt/protocol-choice.ts'

const muted: SessionEnd = { kind: 'socket' }
const reset: SessionEnd = {
  kind: 'socket',
  error: Object.assign(new Error('reset'), { code: 'ECONNRESET' }),
}
const refusedConnection: SessionEnd = {
  kind: 'socket',
  error: Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }),
}

test('keeps to the version that is configured', () => {
  for (const configured of ['5', '3.1.1'] as const) {
    const choice = new ProtocolChoice(configured)
    assert.equal(choice.failed({ kind: 'refused', code: 132 }), false)
    assert.equal(choice.current, configured)
    assert.equal(choice.opened(), false)
  }
})

for (const [what, end] of [
  ['a refusal of the version by 3.1.1', { kind: 'refused', code: 1 }],
  ['a refusal of the version by 5', { kind: 'refused', code: 132 }],
  ['an answer that is not MQTT 5', { kind: 'protocol', error: new Error('bad') }],
] as const) {
  test(`tries 3.1.1 at once after ${what}, and settles on it when that is open`, () => {
    const choice = new ProtocolChoice('auto')
    assert.equal(choice.failed(end), true)
    assert.equal(choice.current, '3.1.1')
    assert.equal(choice.opened(), true)
    assert.equal(choice.failed(muted), false)
    assert.equal(choice.current, '3.1.1')
  })
}

test('takes two closes in a row without a word for a broker without MQTT 5', () => {
  const choice = new ProtocolChoice('auto')
  assert.equal(choice.failed(muted), false)
  assert.equal(choice.failed(refusedConnection), false, 'no broker there: counts anew')
  assert.equal(choice.failed(reset), false)
  assert.equal(choice.failed(muted), true)
})

test('goes back to MQTT 5 when 3.1.1 does not get through either', () => {
  const choice = new ProtocolChoice('auto')
  assert.equal(choice.failed({ kind: 'refused', code: 1 }), true)
  assert.equal(choice.failed(muted), false)
  assert.equal(choice.current, '5')
})

test('stays with MQTT 5 once it was spoken', () => {
  const choice = new ProtocolChoice('auto')
  assert.equal(choice.opened(), false)
  assert.equal(choice.failed({ kind: 'refused', code: 1 }), false)
  assert.equal(choice.current, '5')
})
