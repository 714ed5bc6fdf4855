import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Boot } from '../../../src/boot/boot.ts'
import type { StarterContext } from '../../../src/boot/starter-context.ts'
import { PriorityGroup, type Starter } from '../../../src/boot/starter.ts'
import { EdgebootError } from '../../../src/core/errors.ts'
import { silentLogger } from '../../../src/core/log.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { RecordedLog } from '../../support/recorded-log.ts'
import { recording } from './recording-starters.ts'

function boot(starters: readonly Starter[]): Boot {
  return new Boot({ starters, log: silentLogger, clock: new FakeClock() })
}

/** Lets everything that is ready to run, run. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

test('initialises all, sets all up, then starts all, in the order of registration', async () => {
  const calls: string[] = []
  const outcome = await boot([
    recording(calls, { name: 'a' }),
    recording(calls, { name: 'b' }),
  ]).start()
  assert.equal(outcome, 'serving')
  assert.deepEqual(calls, ['a.init', 'b.init', 'a.setup', 'b.setup', 'a.start', 'b.start'])
})

test('starts blocking starters after all others', async () => {
  const calls: string[] = []
  await boot([
    recording(calls, { name: 'web', blocking: true }),
    recording(calls, { name: 'b' }),
    recording(calls, { name: 'hook' }),
  ]).start()
  assert.deepEqual(calls.slice(0, 3), ['web.init', 'b.init', 'hook.init'])
  assert.deepEqual(calls.slice(6), ['b.start', 'hook.start', 'web.start'])
})

test('stops the highest group first, then the lowest priority, then the last registered', async () => {
  const calls: string[] = []
  const { System, BasicResources, App } = PriorityGroup
  const subject = boot([
    recording(calls, { name: 'app', priorityGroup: App, priority: 1 }),
    recording(calls, { name: 'basic-1', priorityGroup: BasicResources }),
    recording(calls, { name: 'basic-2', priorityGroup: BasicResources }),
    recording(calls, { name: 'basic-early', priorityGroup: BasicResources, priority: 5 }),
    recording(calls, { name: 'system', priorityGroup: System }),
  ])
  await subject.start()
  calls.length = 0
  await subject.stop()
  const expected = ['system', 'basic-early', 'basic-2', 'basic-1', 'app']
  assert.deepEqual(
    calls,
    expected.map((name) => `${name}.stop`),
  )
})

test('stops any mix of groups and priorities as the rule says', async () => {
  const kind = fc.record({
    priorityGroup: fc.constantFrom(10, 20, 30),
    priority: fc.constantFrom(1, 2, 10_000),
    blocking: fc.boolean(),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(kind, { maxLength: 12 }), async (mix) => {
      const calls: string[] = []
      const subject = boot(mix.map((one, i) => recording(calls, { ...one, name: String(i) })))
      await subject.start()
      calls.length = 0
      await subject.stop()
      // The model: take out, again and again, the one that nobody should precede.
      const left = mix.map((one, i) => ({ ...one, name: String(i) }))
      const expected: string[] = []
      while (left.length > 0) {
        let next = 0
        for (let i = 1; i < left.length; i++) {
          const [best, one] = [left[next]!, left[i]!]
          const group = one.priorityGroup - best.priorityGroup
          if (group > 0 || (group === 0 && one.priority <= best.priority)) next = i
        }
        expected.push(`${left.splice(next, 1)[0]!.name}.stop`)
      }
      assert.deepEqual(calls, expected)
    }),
    { numRuns: 100 },
  )
})

for (const phase of ['init', 'setup', 'start'] as const) {
  test(`a failing ${phase} stops those reached, and only those, and rejects with its own error`, async () => {
    const calls: string[] = []
    const failure = new Error(`no ${phase}`)
    const subject = boot([
      recording(calls, { name: 'a' }),
      recording(calls, { name: 'b', [phase]: () => Promise.reject(failure) }),
      recording(calls, { name: 'c' }),
    ])
    await assert.rejects(subject.start(), (error) => error === failure)
    const stopped = calls.filter((call) => call.endsWith('.stop'))
    const reached = phase === 'init' ? ['b.stop', 'a.stop'] : ['c.stop', 'b.stop', 'a.stop']
    assert.deepEqual(stopped, reached)
    assert.equal(calls.includes('c.start'), false)
  })
}

test('a phase that throws at once is a failing phase as well', async () => {
  const failure = new Error('thrown, not rejected')
  const subject = boot([
    recording([], {
      name: 'a',
      start() {
        throw failure
      },
    }),
  ])
  await assert.rejects(subject.start(), (error) => error === failure)
})

test('run rejects with the error of the start', async () => {
  const failure = new EdgebootError('CONFIG_INVALID', 'bad')
  const subject = boot([recording([], { name: 'a', init: () => Promise.reject(failure) })])
  await assert.rejects(subject.run(), (error) => error === failure)
})

test('refuses two starters of one name before it initialises any', async () => {
  const calls: string[] = []
  const subject = boot([recording(calls, { name: 'a' }), recording(calls, { name: 'a' })])
  await assert.rejects(subject.start(), { code: 'CLI_APP_INVALID', message: /"a"/ })
  assert.deepEqual(calls, [])
})

test('a stop during the start ends it after the phase under way, and stops those reached', async () => {
  const calls: string[] = []
  const gate = Promise.withResolvers<void>()
  const subject = boot([
    recording(calls, { name: 'a', init: () => gate.promise }),
    recording(calls, { name: 'b' }),
  ])
  const started = subject.start()
  await settle()
  const stopped = subject.stop()
  await settle()
  assert.deepEqual(calls, ['a.init'], 'waits for the phase that is under way')
  gate.resolve()
  assert.equal(await started, 'stopped')
  await stopped
  assert.deepEqual(calls, ['a.init', 'a.stop'])
})

test('a start that ends early because of the signal is no error', async () => {
  const calls: string[] = []
  const subject = boot([
    recording(calls, {
      name: 'slow',
      start: ({ signal }) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(new Error('gave up')), { once: true })
        }),
    }),
  ])
  const code = subject.run()
  await settle()
  await subject.stop()
  assert.equal(await code, 0)
  assert.deepEqual(calls, ['slow.init', 'slow.setup', 'slow.start', 'slow.stop'])
})

test('a start that hears no signal is left behind at the deadline, and its stop is called', async () => {
  const calls: string[] = []
  const clock = new FakeClock()
  const { logger: log, lines } = new RecordedLog()
  const deaf = recording(calls, { name: 'deaf', start: () => new Promise(() => {}) })
  const subject = new Boot({ starters: [deaf], log, clock, stopDeadlineMs: 1000 })
  const code = subject.run()
  await settle()
  void subject.stop()
  await settle()
  clock.advance(1000)
  assert.equal(await code, 1)
  assert.equal(calls.at(-1), 'deaf.stop')
  const line = lines.find(({ event }) => event === 'boot.start.left-behind')
  assert.equal(line?.fields['code'], 'BOOT_STOP_TIMEOUT')
  assert.match(String(line?.fields['error']), /start of starter "deaf"/)
})

test('a start that takes longer than its deadline fails with BOOT_START_TIMEOUT', async () => {
  const clock = new FakeClock()
  const calls: string[] = []
  const slow = recording(calls, {
    name: 'slow',
    startDeadlineMs: 50,
    start: () => new Promise(() => {}),
  })
  const subject = new Boot({ starters: [slow], log: silentLogger, clock })
  const started = subject.start()
  const refused = assert.rejects(started, { code: 'BOOT_START_TIMEOUT', message: /"slow".*50 ms/ })
  await settle()
  clock.advance(50)
  await refused
  assert.equal(calls.at(-1), 'slow.stop')
})

test('stops the next starter when one does not stop in time', async () => {
  const calls: string[] = []
  const clock = new FakeClock()
  const { logger: log, lines } = new RecordedLog()
  const subject = new Boot({
    starters: [
      recording(calls, { name: 'a' }),
      recording(calls, { name: 'b', stop: () => new Promise(() => {}) }),
    ],
    log,
    clock,
    stopDeadlineMs: 500,
  })
  await subject.start()
  const stopped = subject.stop()
  await settle()
  assert.equal(calls.includes('a.stop'), false)
  clock.advance(500)
  await stopped
  assert.equal(calls.at(-1), 'a.stop')
  const line = lines.find(({ event }) => event === 'boot.stop.failed')
  assert.equal(line?.level, 'error')
  assert.equal(line?.fields['starter'], 'b')
  assert.equal(line?.fields['code'], 'BOOT_STOP_TIMEOUT')
})

test("a starter's own stop deadline wins over the general one", async () => {
  const calls: string[] = []
  const clock = new FakeClock()
  const subject = new Boot({
    starters: [
      recording(calls, { name: 'a' }),
      recording(calls, { name: 'b', stopDeadlineMs: 10, stop: () => new Promise(() => {}) }),
    ],
    log: silentLogger,
    clock,
    stopDeadlineMs: 100_000,
  })
  await subject.start()
  const stopped = subject.stop()
  await settle()
  clock.advance(10)
  await stopped
  assert.equal(calls.at(-1), 'a.stop')
})

test('stops the next starter when one throws, logs it, and ends with status 1', async () => {
  const calls: string[] = []
  const { logger: log, lines } = new RecordedLog()
  const broken = recording(calls, {
    name: 'broken',
    stop() {
      throw new Error('the socket is gone')
    },
  })
  const starters = [recording(calls, { name: 'a' }), broken]
  const subject = new Boot({ starters, log, clock: new FakeClock() })
  const code = subject.run()
  await settle()
  subject.requestStop('test')
  assert.equal(await code, 1)
  assert.equal(calls.at(-1), 'a.stop')
  const line = lines.find(({ event }) => event === 'boot.stop.failed')
  assert.equal(line?.fields['error'], 'the socket is gone')
})

test('stops once, however often and from wherever it is asked', async () => {
  const calls: string[] = []
  const subject = boot([
    recording(calls, {
      name: 'a',
      start: ({ signal, requestStop }) => {
        signal.addEventListener('abort', () => requestStop('heard the signal'))
      },
    }),
  ])
  await subject.start()
  await Promise.all([subject.stop(), subject.stop()])
  await subject.stop()
  assert.deepEqual(
    calls.filter((call) => call === 'a.stop'),
    ['a.stop'],
  )
})

test('starts once, however often it is asked', async () => {
  const calls: string[] = []
  const subject = boot([recording(calls, { name: 'a' })])
  await Promise.all([subject.start(), subject.start()])
  assert.deepEqual(calls, ['a.init', 'a.setup', 'a.start'])
})

test('a start after a stop starts nothing', async () => {
  const calls: string[] = []
  const subject = boot([recording(calls, { name: 'a' })])
  await subject.stop()
  assert.equal(await subject.start(), 'stopped')
  assert.deepEqual(calls, [])
})

test('run ends with 0 after an orderly stop', async () => {
  let context: StarterContext | undefined
  const subject = boot([recording([], { name: 'a', start: (given) => void (context = given) })])
  const code = subject.run()
  await settle()
  context?.requestStop('enough')
  assert.equal(await code, 0)
})

test('run ends with the exit status of the first error that asked for the stop', async () => {
  const subject = boot([
    recording([], {
      name: 'a',
      start(context) {
        context.requestStop('calm reason')
        context.requestStop('broker', new EdgebootError('BROKER_UNREACHABLE', 'no broker'))
        context.requestStop('later', new EdgebootError('CLI_USAGE', 'too late to matter'))
      },
    }),
  ])
  assert.equal(await subject.run(), 4)
})

test('a stop asked for within a start takes that starter down as well', async () => {
  const calls: string[] = []
  const subject = boot([
    recording(calls, { name: 'a', start: (context) => context.requestStop('changed my mind') }),
    recording(calls, { name: 'b' }),
  ])
  assert.equal(await subject.start(), 'stopped')
  assert.deepEqual(calls.slice(-2), ['b.stop', 'a.stop'])
  assert.equal(calls.includes('b.start'), false)
})

test('holds the process while it runs, and lets it go afterwards', async () => {
  const clock = new FakeClock()
  const subject = new Boot({ starters: [], log: silentLogger, clock })
  const code = subject.run()
  await settle()
  assert.equal(clock.timers, 1)
  subject.requestStop('test')
  await code
  assert.equal(clock.timers, 0)
})
