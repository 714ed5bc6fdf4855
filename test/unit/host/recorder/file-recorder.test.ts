import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import fc from 'fast-check'
import { FileRecorder } from '../../../../src/host/recorder/file-recorder.ts'
import { readHostRecord } from '../../../../src/host/recorder/host-record.ts'
import { readRecordedBooks, readRecording } from '../../../../src/host/recorder/read-recorder.ts'
import { Ledger } from '../../../../src/pipeline/ledger.ts'
import { assertBalanced } from '../../../support/pipeline-bench.ts'
import { RecordedLog } from '../../../support/recorded-log.ts'
import { Scratch } from '../../../support/scratch.ts'

const idOf = (n: number): string => `${n}`.padStart(27, '-')
const ids = (...numbers: number[]): string[] => numbers.map(idOf)

/** A file, and one host after the other that writes there. */
async function plant(t: test.TestContext, batchSize = 64) {
  const scratch = await Scratch.make()
  t.after(() => scratch[Symbol.asyncDispose]())
  const file = scratch.path('recorder', 'a.rec')
  const log = new RecordedLog()
  let pid = 100
  const host = (): FileRecorder =>
    new FileRecorder({ file, runners: 2, batchSize, pid: pid++, log: log.logger })
  return { file, log, host }
}

/** Received and published; with what is still in motion. */
function counts(published: number, inMotion = 0): Ledger {
  const ledger = new Ledger()
  for (let i = 0; i < published + inMotion; i++) ledger.received(10, false)
  for (let i = 0; i < published; i++) ledger.published(5, 1)
  return ledger
}

test('the counts of a host that was killed are there, to the last one put down', async (t) => {
  const { file, host } = await plant(t)
  const recorder = host()
  recorder.open()
  for (let i = 0; i <= 10; i++) recorder.books(counts(i, 3))
  const books = readHostRecord(file, 100, 3)?.books
  assert.deepEqual([books?.received, books?.published, books?.inMotion], [13, 10, 3])
  assert.equal(readHostRecord(file, 101, 3), undefined, 'they are not those of another host')
})

test('totals go on over hosts, and what was in motion in one that died is unacknowledged', async (t) => {
  const { file, host } = await plant(t)
  for (const published of [5, 7, 11]) {
    const recorder = host()
    recorder.open()
    recorder.books(counts(published, 2))
  }
  const books = readRecordedBooks(file)
  assert.ok(books)
  assert.equal(books.generations, 3)
  const { received, published, dropped, inMotion } = books.totals
  assert.deepEqual([received, published, dropped.unacknowledged, inMotion], [29, 23, 4, 2])
  assertBalanced(books.totals)
})

test('results that lie on the disk are counted once, whichever host sends them', async (t) => {
  const { file, host } = await plant(t)
  const first = new Ledger()
  for (let i = 0; i < 3; i++) first.received(10, false)
  for (let i = 0; i < 3; i++) first.spooled()
  const recorder = host()
  recorder.open()
  recorder.books(first)
  const second = new Ledger()
  second.recovered(3)
  for (let i = 0; i < 3; i++) second.forwarded(5)
  const next = host()
  next.open()
  next.books(second)
  const totals = readRecordedBooks(file)?.totals
  assert.ok(totals)
  const { received, recovered, published, spooled } = totals
  assert.deepEqual([received, recovered, published, spooled], [3, 0, 3, 0])
  assertBalanced(totals)
})

test('what was in flight when a host died is suspect, in halves, and one that was alone has an attempt less', async (t) => {
  const { host } = await plant(t)
  const first = host()
  assert.deepEqual(first.open(), [])
  first.flight(0, ids(1, 2))
  first.flight(3, ids(3))
  const second = host()
  assert.deepEqual(second.open(), [
    { id: idOf(1), attempts: 0, group: 1 },
    { id: idOf(2), attempts: 0, group: 1 },
    { id: idOf(3), attempts: 0, group: 2 },
  ])
  second.flight(0, ids(3))
  const third = host()
  assert.deepEqual(third.open(), [
    { id: idOf(1), attempts: 0, group: 1 },
    { id: idOf(2), attempts: 0, group: 1 },
    { id: idOf(3), attempts: 1, group: 3 },
  ])
})

test('what has left its runner, and what a host had in flight that ended in order, is not suspect', async (t) => {
  const { host } = await plant(t)
  const first = host()
  first.open()
  first.flight(0, ids(1, 2))
  first.flight(0, [])
  const second = host()
  assert.deepEqual(second.open(), [])
  second.flight(1, ids(3))
  second.close()
  second.flight(1, ids(4))
  assert.deepEqual(host().open(), [])
})

test('suspects are kept over hosts that were not killed by them', async (t) => {
  const { host } = await plant(t)
  const suspect = { id: idOf(9), attempts: 2, group: 4 }
  const first = host()
  first.open()
  first.suspects([suspect])
  first.close()
  assert.deepEqual(host().open(), [suspect])
  assert.deepEqual(host().open(), [suspect])
})

test('a death tells of suspects, and of an event whose attempts are used up', async (t) => {
  const { file, host } = await plant(t)
  const first = host()
  first.open()
  first.suspects([
    { id: idOf(1), attempts: 2, group: 1 },
    { id: idOf(2), attempts: 0, group: 2 },
  ])
  first.flight(0, ids(1))
  first.books(counts(1))
  const facts = { wasSuspect: true, othersWait: true, hasAnswered: true }
  assert.deepEqual(readHostRecord(file, 100, 3)?.death, { ...facts, isBlamed: true })
  assert.deepEqual(readHostRecord(file, 100, 4)?.death, { ...facts, isBlamed: false })
})

test('the full number of suspects fits, and batches larger than a page', async (t) => {
  const { host } = await plant(t, 5000)
  const first = host()
  first.open()
  const many = Array.from({ length: 4096 }, (_, i) => ({ id: idOf(i), attempts: 1, group: i }))
  first.suspects(many)
  first.flight(3, ids(...Array.from({ length: 5000 }, (_, i) => 10_000 + i)))
  const suspects = host().open()
  assert.equal(suspects.length, 4096)
  assert.ok(suspects.every(({ id }) => Number(id.replaceAll('-', '')) >= 10_000))
})

test('a file that is something else is replaced, with a line in the log', async (t) => {
  const { file, host, log } = await plant(t)
  mkdirSync(join(file, '..'))
  writeFileSync(file, 'Dear diary, today I was not a recorder file.'.repeat(10_000))
  assert.equal(readRecording(file), undefined)
  const recorder = host()
  assert.deepEqual(recorder.open(), [])
  assert.equal(log.of('recorder.unreadable').length, 1)
  recorder.books(counts(2))
  assert.equal(readRecordedBooks(file)?.totals.published, 2)
})

test('a disk that takes nothing is told of once, and nothing throws', async (t) => {
  const { file, host, log } = await plant(t)
  writeFileSync(join(file, '..'), 'a file where the folder should be')
  const recorder = host()
  assert.deepEqual(recorder.open(), [])
  recorder.books(counts(1))
  recorder.flight(0, ids(1))
  recorder.suspects([])
  recorder.close()
  assert.equal(log.of('recorder.unwritable').length, 1)
  assert.equal(existsSync(file), false)
})

test('only its owner may read it: ids say what passed', async (t) => {
  const { file, host } = await plant(t)
  host().open()
  assert.equal(statSync(file).mode & 0o777, 0o600)
})

// Whatever of it is lost or changed, reading neither throws nor invents anything that does not
// balance, and the next host can begin.
test('no damage to the file stops a host', async (t) => {
  const { file, host } = await plant(t, 4)
  const recorder = host()
  recorder.open()
  recorder.books(counts(3, 1))
  recorder.suspects([{ id: idOf(1), attempts: 1, group: 1 }])
  recorder.flight(0, ids(1, 2))
  const sound = readFileSync(file)
  const damage = fc.array(fc.tuple(fc.nat(sound.length - 1), fc.nat(255)), { maxLength: 30 })
  // Where something stands, rather than in the holes.
  const where = [0, 32_768, 65_536, 69_632, 73_728, 598_016, 1_122_304]
  fc.assert(
    fc.property(damage, fc.nat(sound.length), (changes, length) => {
      const bytes = Buffer.from(sound)
      for (const [at, value] of changes) {
        const start = where[at % where.length] as number
        bytes[(start + (at % 300)) % bytes.length] = value
      }
      writeFileSync(file, bytes)
      if (length % 2 === 0) truncateSync(file, length)
      const books = readRecordedBooks(file)
      if (books !== undefined) assertBalanced(books.totals)
      host().open()
      assert.notEqual(readRecordedBooks(file), undefined)
    }),
    { numRuns: 300 },
  )
})
