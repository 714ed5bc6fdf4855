import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SharedWork } from '../../../src/models/shared-work.ts'

const ignore = (): void => {}

/** Work that ends when the test says so. */
function controlled() {
  const gate = Promise.withResolvers<string>()
  const started: AbortSignal[] = []
  let report: (report: string) => void = ignore
  return {
    gate,
    started,
    report: (text: string) => report(text),
    start: (signal: AbortSignal, tell: (report: string) => void): Promise<string> => {
      started.push(signal)
      report = tell
      return gate.promise
    },
  }
}

/** Lets everything run that is ready to. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test('does the work once for all who ask while it is under way', async () => {
  const work = controlled()
  const shared = new SharedWork<string, string>()
  const first = shared.join('a', undefined, ignore, work.start)
  const second = shared.join('a', undefined, ignore, work.start)
  work.gate.resolve('done')
  assert.deepEqual(await Promise.all([first, second]), ['done', 'done'])
  assert.equal(work.started.length, 1)
})

test('does it again for who asks later, and beside it for another key', async () => {
  const work = controlled()
  const shared = new SharedWork<string, string>()
  work.gate.resolve('done')
  await shared.join('a', undefined, ignore, work.start)
  await shared.join('a', undefined, ignore, work.start)
  await shared.join('b', undefined, ignore, work.start)
  assert.equal(work.started.length, 3)
})

test('tells everyone the reports, and late comers the latest', async () => {
  const work = controlled()
  const shared = new SharedWork<string, string>()
  const heard: string[] = []
  const first = shared.join('a', undefined, (text) => heard.push(`1:${text}`), work.start)
  await settle()
  work.report('fetching')
  const second = shared.join('a', undefined, (text) => heard.push(`2:${text}`), work.start)
  work.report('verifying')
  work.gate.resolve('done')
  await Promise.all([first, second])
  assert.deepEqual(heard, ['1:fetching', '2:fetching', '1:verifying', '2:verifying'])
})

test('goes on for those who stay when one leaves', async () => {
  const work = controlled()
  const shared = new SharedWork<string, string>()
  const controller = new AbortController()
  const leaver = shared.join('a', controller.signal, ignore, work.start)
  const stayer = shared.join('a', undefined, ignore, work.start)
  await settle()
  controller.abort(new Error('leaving'))
  await assert.rejects(leaver, /leaving/)
  assert.equal(work.started[0]?.aborted, false)
  work.gate.resolve('done')
  assert.equal(await stayer, 'done')
})

test('cancels the work when the last one has left, and starts anew for the next', async () => {
  const work = controlled()
  const shared = new SharedWork<string, string>()
  const controller = new AbortController()
  const leaver = shared.join('a', controller.signal, ignore, work.start)
  await settle()
  controller.abort(new Error('leaving'))
  await assert.rejects(leaver, /leaving/)
  assert.equal(work.started[0]?.aborted, true)
  const fresh = controlled()
  const next = shared.join('a', undefined, ignore, fresh.start)
  // The cancelled work ends late; it must not make the new one forgotten.
  work.gate.reject(new Error('cancelled'))
  await settle()
  const later = shared.join('a', undefined, ignore, fresh.start)
  fresh.gate.resolve('fresh')
  assert.deepEqual(await Promise.all([next, later]), ['fresh', 'fresh'])
  assert.equal(fresh.started.length, 1)
})

test('fails everyone alike', async () => {
  const work = controlled()
  const shared = new SharedWork<string, string>()
  const both = [1, 2].map(() => shared.join('a', undefined, ignore, work.start))
  work.gate.reject(new Error('no'))
  const settled = await Promise.allSettled(both)
  assert.deepEqual(
    settled.map((one) => one.status),
    ['rejected', 'rejected'],
  )
})
