import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { test } from 'node:test'
import { Boot } from '../../../src/boot/boot.ts'
import { EdgebootError } from '../../../src/core/errors.ts'
import { HookStarter } from '../../../src/starters/hook-starter.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { RecordedLog, type RecordedLine } from '../../support/recorded-log.ts'
import { recording } from '../boot/recording-starters.ts'

interface Running {
  readonly process: EventEmitter
  readonly clock: FakeClock
  readonly exits: number[]
  readonly lines: RecordedLine[]
  readonly calls: string[]
  readonly code: Promise<number>
  /** Lets the stop of the other starter end. */
  readonly release: () => void
}

async function running(): Promise<Running> {
  const process = new EventEmitter()
  const clock = new FakeClock()
  const exits: number[] = []
  const calls: string[] = []
  const { logger: log, lines } = new RecordedLog()
  const gate = Promise.withResolvers<void>()
  const other = recording(calls, { name: 'other', priorityGroup: 10, stop: () => gate.promise })
  const hook = new HookStarter({ process, exit: (code) => exits.push(code) })
  const boot = new Boot({ starters: [other, hook], log, clock })
  const code = boot.run()
  await boot.start()
  return { process, clock, exits, lines, calls, code, release: () => gate.resolve() }
}

for (const signal of ['SIGINT', 'SIGTERM']) {
  test(`${signal} asks for an orderly stop, which ends with 0`, async () => {
    const { process, code, release, exits, calls } = await running()
    process.emit(signal)
    release()
    assert.equal(await code, 0)
    assert.equal(calls.at(-1), 'other.stop')
    assert.deepEqual(exits, [])
  })
}

test('a second SIGINT exits at once with 130', async () => {
  const { process, clock, exits } = await running()
  process.emit('SIGINT')
  clock.advance(300)
  process.emit('SIGINT')
  assert.deepEqual(exits, [130])
})

test('a second signal of another kind exits at once, with its own status', async () => {
  const { process, exits } = await running()
  process.emit('SIGINT')
  process.emit('SIGTERM')
  assert.deepEqual(exits, [143])
})

test('takes the same signal twice within 300 ms for one, as npm hands it on', async () => {
  const { process, clock, code, release, exits } = await running()
  process.emit('SIGINT')
  clock.advance(299)
  process.emit('SIGINT')
  assert.deepEqual(exits, [])
  release()
  assert.equal(await code, 0)
})

test('ignores SIGHUP but for a line in the log while there is nothing to reload', async () => {
  const { process, lines, exits } = await running()
  process.emit('SIGHUP')
  assert.deepEqual(exits, [])
  assert.equal(lines.at(-1)?.event, 'signal.ignored')
})

for (const kind of ['uncaughtException', 'unhandledRejection']) {
  test(`an error that only ${kind} sees is logged and ends everything with 1`, async () => {
    const { process, lines, code, release } = await running()
    process.emit(kind, new EdgebootError('CONFIG_INVALID', 'somebody forgot to catch'))
    release()
    assert.equal(await code, 1)
    const line = lines.find(({ event }) => event === 'process.fault')
    assert.equal(line?.level, 'error')
    assert.equal(line?.fields['code'], 'INTERNAL_UNEXPECTED')
    assert.equal(line?.fields['error'], 'somebody forgot to catch')
    assert.equal(line?.fields['kind'], kind)
  })
}

test('an error that nobody caught during an orderly stop makes its status 1', async () => {
  const { process, code, release } = await running()
  process.emit('SIGTERM')
  process.emit('uncaughtException', new Error('while stopping'))
  release()
  assert.equal(await code, 1)
})

test('a thrown value that is no error is logged as well', async () => {
  const { process, lines, code, release } = await running()
  process.emit('unhandledRejection', undefined)
  release()
  assert.equal(await code, 1)
  assert.equal(lines.find(({ event }) => event === 'process.fault')?.fields['error'], 'undefined')
})

test('hears the second signal until the last starter has stopped, and nothing afterwards', async () => {
  const { process, code, release } = await running()
  process.emit('SIGTERM')
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(process.listenerCount('SIGTERM'), 1, 'while the other starter is stopping')
  release()
  await code
  assert.deepEqual(process.eventNames(), [])
})
