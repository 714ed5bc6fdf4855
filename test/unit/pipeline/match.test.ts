import assert from 'node:assert/strict'
import test from 'node:test'
import type { Predicate } from '../../../src/config/predicate.ts'
import { matchEvent, type DeviceMatcher } from '../../../src/pipeline/match.ts'

const named =
  (wanted: string): Predicate =>
  ({ event }) => {
    const { name } = event as { name: string }
    return name === wanted ? { ok: true } : { ok: false, reason: `${name} is not ${wanted}` }
  }
const has =
  (point: string): Predicate =>
  ({ telemetry }) =>
    Object.hasOwn(telemetry as object, point)
      ? { ok: true }
      : { ok: false, reason: `no ${point} in telemetry` }
const device = (name: string, point: string): DeviceMatcher => ({
  name: `${name}/${point}`,
  attributes: [
    { name: 'deviceName', holds: named(name) },
    { name: 'pointName', holds: has(point) },
  ],
})

test('a func without devices takes every message', () => {
  assert.deepEqual(matchEvent({ devices: [] }, 42, 't').matches, [{ device: undefined }])
})

test('all attributes of a device must hold, not the last one alone', () => {
  const matcher = { devices: [device('pump', 'temperature')] }
  const other = matchEvent(matcher, { name: 'fan', telemetry: { temperature: 1 } }, 't')
  assert.deepEqual(other.matches, [])
  assert.deepEqual(other.misses, [
    {
      stage: 'device',
      device: 'pump/temperature',
      attribute: 'deviceName',
      reason: 'fan is not pump',
    },
  ])
})

test('a message that fits several entries is an event for each, in the order of the entries', () => {
  const matcher = { devices: [device('pump', 'b'), device('pump', 'x'), device('pump', 'a')] }
  const { matches, misses } = matchEvent(matcher, { name: 'pump', telemetry: { a: 1, b: 2 } }, 't')
  assert.deepEqual(matches, [{ device: 'pump/b' }, { device: 'pump/a' }])
  assert.equal(misses.length, 1)
})

test('when is asked once for each device that fits, and knows which', () => {
  const asked: string[] = []
  const matcher = {
    devices: [device('pump', 'a'), device('pump', 'b')],
    when: (({ device: name }) => {
      asked.push(name)
      return name === 'pump/b' ? { ok: true } : { ok: false, reason: 'not b' }
    }) as Predicate,
  }
  const { matches, misses } = matchEvent(matcher, { name: 'pump', telemetry: { a: 1, b: 2 } }, 't')
  assert.deepEqual(asked, ['pump/a', 'pump/b'])
  assert.deepEqual(matches, [{ device: 'pump/b' }])
  assert.deepEqual(misses, [{ stage: 'when', device: 'pump/a', reason: 'not b' }])
})

test('an event without telemetry has none, rather than failing', () => {
  const matcher = { devices: [{ name: 'any', attributes: [{ name: 'p', holds: has('a') }] }] }
  for (const event of [null, 7, 'text', [], {}]) {
    assert.equal(matchEvent(matcher, event, 't').misses[0]?.stage, 'device')
  }
})
