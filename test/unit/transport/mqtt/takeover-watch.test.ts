import assert from 'node:assert/strict'
import { beforeEach, describe, it } from 'node:test'
import { backoffDelayMs, reconnectBackoff } from '../../../../src/core/backoff.ts'
import { TakeoverWatch } from '../../../../src/transport/mqtt/takeover-watch.ts'
import { FakeClock } from '../../../support/fake-clock.ts'

const minute = 60_000

describe('TakeoverWatch', () => {
  let clock: FakeClock
  let watch: TakeoverWatch
  beforeEach(() => {
    clock = new FakeClock()
    watch = new TakeoverWatch(clock, () => 0)
  })

  /** A connection that holds for a time and is closed by the broker. */
  function holdThenClose(heldMs: number): ReturnType<TakeoverWatch['ended']> {
    watch.opened()
    clock.advance(heldMs)
    return watch.ended('closed')
  }

  it('believes a broker that says so, and waits 5 minutes', () => {
    watch.opened()
    assert.deepEqual(watch.ended('told'), { certain: true, delayMs: 5 * minute })
  })

  it('suspects a takeover at the fourth quick close in a row, and waits no longer than in an outage', () => {
    assert.equal(holdThenClose(100), undefined)
    assert.equal(holdThenClose(10_000), undefined)
    assert.equal(holdThenClose(100), undefined)
    assert.deepEqual(holdThenClose(100), { certain: false, delayMs: minute / 2 })
  })

  it('ends a fight of two instances within 11 seconds', () => {
    const watches = [new TakeoverWatch(clock, () => 0), new TakeoverWatch(clock, () => 0)]
    const closes = [0, 0]
    let connected = 0
    watches[0]?.opened()
    const startedAt = clock.monotonic()
    // The one that was thrown out comes back after its wait, and throws out the other.
    for (;;) {
      const comes = 1 - connected
      closes[comes] = (closes[comes] ?? 0) + 1
      clock.advance(backoffDelayMs(closes[comes], reconnectBackoff, () => 0))
      watches[comes]?.opened()
      if (watches[connected]?.ended('closed') !== undefined) break
      connected = comes
    }
    assert.equal(clock.monotonic() - startedAt, 11_000)
  })

  it('does not count closes of connections that held for more than 10 seconds', () => {
    for (let i = 0; i < 5; i++) assert.equal(holdThenClose(10_001), undefined)
  })

  it('starts counting anew after a close that was not quick', () => {
    holdThenClose(100)
    holdThenClose(100)
    holdThenClose(20_000)
    for (let i = 0; i < 3; i++) assert.equal(holdThenClose(100), undefined)
    assert.notEqual(holdThenClose(100), undefined)
  })

  it('starts counting anew after an attempt that failed: the broker was away', () => {
    for (let i = 0; i < 3; i++) holdThenClose(100)
    watch.attemptFailed()
    for (let i = 0; i < 3; i++) assert.equal(holdThenClose(100), undefined)
  })

  it('does not count ends of another kind', () => {
    for (let i = 0; i < 5; i++) {
      watch.opened()
      assert.equal(watch.ended('other'), undefined)
    }
    assert.equal(holdThenClose(100), undefined)
  })

  it('needs a single quick close once it suspects, and doubles the wait up to an hour', () => {
    for (let i = 0; i < 3; i++) holdThenClose(100)
    const waits = Array.from({ length: 9 }, () => (holdThenClose(100)?.delayMs ?? 0) / minute)
    assert.deepEqual(waits, [0.5, 1, 2, 4, 8, 16, 32, 60, 60])
  })

  it('keeps its suspicion over a connection that held for less than a minute', () => {
    for (let i = 0; i < 4; i++) holdThenClose(100)
    assert.equal(holdThenClose(30_000), undefined)
    assert.notEqual(holdThenClose(100), undefined)
  })

  it('drops its suspicion after a connection that held for a minute', () => {
    for (let i = 0; i < 4; i++) holdThenClose(100)
    assert.equal(holdThenClose(minute), undefined)
    assert.equal(holdThenClose(100), undefined)
  })

  it('forgets earlier takeovers after a connection that held for an hour', () => {
    watch.opened()
    watch.ended('told')
    watch.opened()
    clock.advance(30 * minute)
    assert.equal(watch.ended('told')?.delayMs, 10 * minute)
    watch.opened()
    clock.advance(60 * minute)
    assert.equal(watch.ended('told')?.delayMs, 5 * minute)
  })

  it('takes up to a fifth off the wait, so that two instances do not return together', () => {
    watch = new TakeoverWatch(clock, () => 0.999_999)
    watch.opened()
    assert.equal(watch.ended('told')?.delayMs, 4 * minute)
  })
})
