import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { KeepAlive } from '../../../../src/transport/mqtt/keep-alive.ts'
import { FakeClock } from '../../../support/fake-clock.ts'

/** Keep-alive of ten seconds, with the times at which it did something. */
function start(seconds = 10): {
  clock: FakeClock
  keepAlive: KeepAlive
  calls: string[]
  deaf: { value: boolean }
  deferred: (() => void)[]
} {
  const clock = new FakeClock()
  const calls: string[] = []
  const deaf = { value: false }
  const deferred: (() => void)[] = []
  const note = (name: string) => () => void calls.push(`${name} at ${clock.monotonic() / 1000}`)
  const keepAlive = new KeepAlive({
    clock,
    defer: (task) => void deferred.push(task),
    isDeaf: () => deaf.value,
    ping: note('ping'),
    silent: note('silent'),
  })
  keepAlive.start(seconds)
  return { clock, keepAlive, calls, deaf, deferred }
}

describe('KeepAlive', () => {
  it('does nothing with an interval of 0', () => {
    const { clock, keepAlive } = start(0)
    keepAlive.sent()
    keepAlive.heard()
    assert.equal(clock.timers, 0)
  })

  it('pings after an interval without anything, and gives up half an interval later', () => {
    const { clock, calls, deferred } = start()
    clock.advance(60_000)
    assert.deepEqual(calls, ['ping at 10'])
    assert.equal(deferred.length, 1)
    for (const task of deferred) task()
    assert.deepEqual(calls, ['ping at 10', 'silent at 60'])
  })

  it('does not ping while packets go both ways', () => {
    const { clock, keepAlive, calls } = start()
    for (let i = 0; i < 20; i++) {
      clock.advance(9_000)
      keepAlive.sent()
      keepAlive.heard()
    }
    assert.deepEqual(calls, [])
  })

  it('pings in time although it only receives', () => {
    const { clock, keepAlive, calls } = start()
    for (let i = 0; i < 25; i++) {
      clock.advance(1_000)
      keepAlive.heard()
    }
    assert.deepEqual(calls, ['ping at 10', 'ping at 20'])
  })

  it('asks a broker from which nothing comes although it only sends', () => {
    const { clock, keepAlive, calls, deferred } = start()
    for (let i = 0; i < 15; i++) {
      clock.advance(1_000)
      keepAlive.sent()
    }
    assert.deepEqual(calls, ['ping at 10'])
    for (const task of deferred) task()
    assert.deepEqual(calls, ['ping at 10', 'silent at 15'])
  })

  it('does not give up when the answer was waiting to be read', () => {
    const { clock, keepAlive, calls, deferred } = start()
    clock.advance(15_000)
    keepAlive.heard()
    for (const task of deferred) task()
    assert.deepEqual(calls, ['ping at 10'])
    clock.advance(10_000)
    assert.deepEqual(calls, ['ping at 10', 'ping at 20'])
  })

  it('gives a ping that left late its half interval as well', () => {
    const { clock, keepAlive, calls, deferred } = start()
    clock.advance(9_000)
    keepAlive.sent()
    keepAlive.heard()
    // Its timer was set for 10 s; the next is due at 19 s, and nothing is owed before 24 s.
    clock.advance(14_999)
    assert.deepEqual(calls, ['ping at 19'])
    assert.equal(deferred.length, 0)
    clock.advance(1)
    assert.equal(deferred.length, 1)
  })

  it('pings but does not give up while nothing can be heard', () => {
    const { clock, keepAlive, calls, deaf, deferred } = start()
    deaf.value = true
    clock.advance(40_000)
    assert.deepEqual(calls, ['ping at 10', 'ping at 20', 'ping at 30', 'ping at 40'])
    deaf.value = false
    keepAlive.heard()
    clock.advance(14_999)
    assert.equal(deferred.length, 0)
    clock.advance(1)
    assert.equal(deferred.length, 1)
  })

  it('is quiet once it is stopped, also about what it was about to say', () => {
    const { clock, keepAlive, calls, deferred } = start()
    clock.advance(15_000)
    keepAlive.stop()
    for (const task of deferred) task()
    keepAlive.heard()
    clock.advance(60_000)
    assert.deepEqual(calls, ['ping at 10'])
    assert.equal(clock.timers, 0)
  })
})
