import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  cpSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { test } from 'node:test'
import fc from 'fast-check'
import { SqliteSpool } from '../../../../src/transport/spool/sqlite-spool.ts'
import type { NewRecord } from '../../../../src/transport/spool/spool-store.ts'
import { FakeClock } from '../../../support/fake-clock.ts'
import { RecordedLog } from '../../../support/recorded-log.ts'
import { Scratch } from '../../../support/scratch.ts'

const clock = new FakeClock()

function open(file: string, log = new RecordedLog()): SqliteSpool {
  return new SqliteSpool({ file, clock, log: log.logger })
}

/** A record that says its own number, with a payload of so many bytes. */
function numbered(number: number, bytes = 100): NewRecord {
  const payload = Buffer.alloc(bytes, `${number};`)
  const userProperties = { number: String(number) }
  return { message: { topic: `plant/${number}`, payload, userProperties }, created: clock.now() }
}

function range(from: number, to: number, bytes?: number): NewRecord[] {
  return Array.from({ length: to - from + 1 }, (_, i) => numbered(from + i, bytes))
}

/** Numbers of what is there, having made sure that each is what was written. */
function numbersIn(spool: SqliteSpool): number[] {
  const numbers: number[] = []
  for (let from = spool.first; from < spool.next;) {
    const records = spool.read(from, 50, 1_000_000)
    assert.ok(records.length > 0, `nothing from ${from} on, up to ${spool.next}`)
    for (const record of records) {
      from = record.seq + 1
      if ('damaged' in record) continue
      const { topic, payload, userProperties } = record.message
      const number = Number(topic.slice('plant/'.length))
      assert.deepEqual(userProperties, { number: String(number) })
      assert.ok(Buffer.alloc(payload.length, `${number};`).equals(payload))
      numbers.push(number)
    }
  }
  return numbers
}

function counting(to: number): number[] {
  return Array.from({ length: to }, (_, i) => i + 1)
}

test('keeps results in order over a restart', async () => {
  await using scratch = await Scratch.make()
  const file = scratch.path('deep', 'folder', 'spool.db')
  const spool = open(file)
  spool.append(range(3, 6))
  spool.append(range(7, 9, 20_000))
  spool.replaceHead(spool.first, range(1, 2))
  spool.close()
  const again = open(file)
  assert.deepEqual(numbersIn(again), counting(9))
  assert.equal(again.next - again.first, 9)
  again.removeBefore(again.first + 4)
  assert.deepEqual(numbersIn(again), [5, 6, 7, 8, 9])
  again.close()
})

test('keeps the properties that a result shares with others along with its own', async () => {
  await using scratch = await Scratch.make()
  const message = { topic: 'a', payload: Buffer.from('x') }
  const shared = { sharedProperties: { rule: 'r' } }
  const spool = open(scratch.path('spool.db'))
  spool.append([
    { message: { ...message, ...shared, userProperties: { id: '1' } }, created: 0 },
    { message: { ...message, ...shared }, created: 0 },
    { message, created: 0 },
  ])
  const kept = spool.read(spool.first, 3, 1_000_000).map((record) => {
    assert.ok('message' in record)
    assert.ok(!('sharedProperties' in record.message))
    return record.message.userProperties
  })
  spool.close()
  assert.deepEqual(kept, [{ rule: 'r', id: '1' }, { rule: 'r' }, undefined])
})

test('counts topics, properties and payloads', async () => {
  await using scratch = await Scratch.make()
  const spool = open(scratch.path('spool.db'))
  spool.append(range(1, 2))
  const size = 'plant/1'.length + '{"number":"1"}'.length + 100
  assert.equal(spool.bytes, 2 * size)
  assert.equal(spool.endOfBytes(1), spool.first + 1)
  assert.equal(spool.endOfBytes(size + 1), spool.first + 2)
  spool.removeBefore(spool.first + 1)
  assert.equal(spool.bytes, size)
  spool.close()
})

test('puts a new head in the place of the old one', async () => {
  await using scratch = await Scratch.make()
  const spool = open(scratch.path('spool.db'))
  spool.append(range(11, 15))
  spool.replaceHead(spool.first + 2, [numbered(7), numbered(11), numbered(8)])
  assert.deepEqual(numbersIn(spool), [7, 11, 8, 13, 14, 15])
  spool.close()
})

test('keeps topics and payloads at the limits of the protocol', async () => {
  await using scratch = await Scratch.make()
  const spool = open(scratch.path('spool.db'))
  const topic = 'ü'.repeat(32_767)
  const payload = Buffer.alloc(8 * 1024 * 1024, 7)
  spool.append([{ message: { topic, payload: Buffer.alloc(0) }, created: 1 }])
  spool.append([{ message: { topic, payload }, created: 2 }])
  const [empty, large] = spool.read(spool.first, 10, Number.POSITIVE_INFINITY)
  assert.ok(empty !== undefined && 'message' in empty && large !== undefined && 'message' in large)
  assert.deepEqual(empty.message, { topic, payload: new Uint8Array(0) })
  assert.ok(payload.equals(large.message.payload))
  spool.close()
})

test('is readable for its owner alone, its log too', async () => {
  await using scratch = await Scratch.make()
  const file = scratch.path('spool.db')
  const spool = open(file)
  spool.append(range(1, 3))
  for (const name of readdirSync(scratch.folder)) {
    assert.equal(statSync(scratch.path(name)).mode & 0o777, 0o600, name)
  }
  assert.ok(readdirSync(scratch.folder).includes('spool.db-wal'))
  spool.close()
})

test('gives the room of what was forwarded back', async () => {
  await using scratch = await Scratch.make()
  const file = scratch.path('spool.db')
  const spool = open(file)
  spool.append(range(1, 200, 20_000))
  spool.removeBefore(spool.next)
  assert.ok(statSync(file).size < 100_000)
  assert.ok(statSync(`${file}-wal`).size < 100_000)
  spool.append([numbered(201)])
  assert.deepEqual(numbersIn(spool), [201])
  spool.close()
})

test('turns a second process away while the first has it, and not once that was killed', async () => {
  await using scratch = await Scratch.make()
  const file = scratch.path('spool.db')
  const spool = open(file)
  spool.append(range(1, 3))
  const child = `
    import { SqliteSpool } from ${JSON.stringify(import.meta.resolve('../../../../src/transport/spool/sqlite-spool.ts'))}
    const log = { error() {}, warn() {}, info() {} }
    try {
      new SqliteSpool({ file: ${JSON.stringify(file)}, clock: { now: () => 0 }, log })
      console.log('opened')
      process.kill(process.pid, 'SIGKILL')
    } catch (error) { console.log(error.code) }`
  const run = (): string =>
    spawnSync(process.execPath, ['--input-type=module', '-e', child], { encoding: 'utf8' }).stdout
  assert.equal(run().trim(), 'SPOOL_LOCKED')
  spool.close()
  assert.equal(run().trim(), 'opened')
  const again = open(file)
  assert.deepEqual(numbersIn(again), [1, 2, 3])
  again.close()
})

test('says what is wrong with a folder that cannot be made', async () => {
  await using scratch = await Scratch.make()
  const inTheWay = await scratch.write('file')
  assert.throws(() => open(`${inTheWay}/spool.db`), { code: 'SPOOL_UNWRITABLE' })
})

test('a flipped bit in a payload costs that record alone, and is reported', async () => {
  await using scratch = await Scratch.make()
  const file = scratch.path('spool.db')
  const spool = open(file)
  spool.append(range(1, 60))
  spool.close()
  const bytes = readFileSync(file)
  const at = bytes.indexOf('42;42;42;')
  bytes[at + 30] = (bytes[at + 30] ?? 0) ^ 4
  writeFileSync(file, bytes)
  const log = new RecordedLog()
  const again = open(file, log)
  assert.deepEqual(
    numbersIn(again),
    counting(60).filter((number) => number !== 42),
  )
  assert.deepEqual(log.of('spool.record-damaged'), [
    { seq: 42, created: String(clock.now()), file },
  ])
  again.close()
})

test('a flipped bit in the last commit, still in the log, costs one record at most', async () => {
  await using scratch = await Scratch.make()
  const file = scratch.path('spool.db')
  const spool = open(file)
  spool.append(range(1, 30))
  spool.append(range(31, 60))
  const copy = scratch.path('copy.db')
  cpSync(file, copy)
  const wal = readFileSync(`${file}-wal`)
  spool.close()
  const at = wal.lastIndexOf('60;60;60;')
  wal[at] = (wal[at] ?? 0) ^ 1
  writeFileSync(`${copy}-wal`, wal)
  const log = new RecordedLog()
  const again = open(copy, log)
  assert.deepEqual(numbersIn(again), counting(59))
  assert.equal(again.next - again.first, 60)
  assert.equal(log.of('spool.damaged')[0]?.['missing'], '60')
  again.close()
})

test('a file of something else is kept aside, the newest two of them', async () => {
  await using scratch = await Scratch.make()
  const file = await scratch.write('spool.db', Buffer.alloc(50_000, 'garbage'))
  for (let i = 0; i < 3; i++) {
    clock.advance(1000)
    writeFileSync(file, Buffer.alloc(50_000, `garbage ${i}`))
    const log = new RecordedLog()
    const spool = open(file, log)
    assert.equal(log.of('spool.damaged').length, 1)
    spool.append(range(1, 2))
    assert.deepEqual(numbersIn(spool), [1, 2])
    spool.close()
  }
  const kept = readdirSync(scratch.folder).filter((name) => name.includes('.damaged-'))
  assert.equal(kept.length, 2)
})

test('a salvage that was killed between its last steps is finished at the next start', async () => {
  await using scratch = await Scratch.make()
  const file = scratch.path('spool.db')
  const spool = open(file)
  spool.append(range(1, 3))
  spool.close()
  renameSync(file, `${file}.salvaging`)
  // It would be applied to the new file.
  writeFileSync(`${file}-wal`, 'the log of the damaged one')
  const again = open(file)
  assert.deepEqual(numbersIn(again), [1, 2, 3])
  again.close()
})

test('a salvage that was killed before that is begun anew', async () => {
  await using scratch = await Scratch.make()
  const file = scratch.path('spool.db')
  const spool = open(file)
  spool.append(range(1, 3))
  spool.close()
  writeFileSync(`${file}.salvaging`, 'half of it')
  const again = open(file)
  assert.deepEqual(numbersIn(again), [1, 2, 3])
  again.close()
  assert.deepEqual(readdirSync(scratch.folder), ['spool.db'])
})

/** A spool with all kinds of pages: leaves, inner pages, overflow and free ones. */
function fill(file: string): SqliteSpool {
  const spool = open(file)
  spool.append(range(1, 100, 300))
  spool.append(range(101, 110, 9000))
  spool.append(range(111, 180, 300))
  spool.removeBefore(spool.first + 20)
  return spool
}
const filled = counting(180).slice(20)
/** The most records that one page, or one pointer to a page, can hold. */
const recordsOfPageMax = 12

test('whatever bit of the file flips, nothing but its page is lost, and all is intact and in order', async () => {
  await using scratch = await Scratch.make()
  const file = scratch.path('spool.db')
  fill(file).close()
  const sound = readFileSync(file)
  const copy = scratch.path('copy.db')
  fc.assert(
    fc.property(fc.nat(sound.length - 1), fc.nat(7), (at, bit) => {
      const bytes = Buffer.from(sound)
      bytes[at] = (bytes[at] ?? 0) ^ (1 << bit)
      writeFileSync(copy, bytes)
      checkDamaged(copy, recordsOfPageMax)
    }),
    { numRuns: 250 },
  )
})

test('whatever bit of the log flips, nothing but its page is lost', async () => {
  await using scratch = await Scratch.make()
  const file = scratch.path('spool.db')
  const spool = fill(file)
  const sound = readFileSync(file)
  const log = readFileSync(`${file}-wal`)
  spool.close()
  const copy = scratch.path('copy.db')
  fc.assert(
    fc.property(fc.nat(log.length - 1), fc.nat(7), (at, bit) => {
      const bytes = Buffer.from(log)
      bytes[at] = (bytes[at] ?? 0) ^ (1 << bit)
      writeFileSync(copy, sound)
      writeFileSync(`${copy}-wal`, bytes)
      checkDamaged(copy, recordsOfPageMax)
    }),
    { numRuns: 250 },
  )
})

test('a file or a log that is cut short anywhere still gives what is left in it', async () => {
  await using scratch = await Scratch.make()
  const file = scratch.path('spool.db')
  const spool = fill(file)
  const main = readFileSync(file)
  const log = readFileSync(`${file}-wal`)
  spool.close()
  const whole = readFileSync(file)
  const copy = scratch.path('copy.db')
  fc.assert(
    fc.property(fc.nat(whole.length), fc.nat(log.length), (wholeBytes, logBytes) => {
      writeFileSync(copy, whole)
      truncateSync(copy, wholeBytes)
      checkDamaged(copy, filled.length)
      writeFileSync(copy, main)
      writeFileSync(`${copy}-wal`, log.subarray(0, logBytes))
      checkDamaged(copy, filled.length)
    }),
    { numRuns: 60 },
  )
})

test('a log that is missing costs what was in it alone', async () => {
  await using scratch = await Scratch.make()
  const file = scratch.path('spool.db')
  fill(file).close()
  const spool = open(file)
  spool.append(range(181, 190))
  const copy = scratch.path('copy.db')
  cpSync(file, copy)
  spool.close()
  const again = open(copy)
  assert.deepEqual(numbersIn(again), filled)
  again.close()
})

function checkDamaged(file: string, lostMax: number): void {
  const spool = open(file)
  const numbers = numbersIn(spool)
  spool.append([numbered(500)])
  const after = numbersIn(spool)
  spool.close()
  // Records that had been removed may come back, in their order.
  assert.deepEqual(
    numbers,
    numbers.toSorted((one, other) => one - other),
  )
  assert.equal(new Set(numbers).size, numbers.length)
  assert.deepEqual(after, [...numbers, 500])
  const found = new Set(numbers)
  const lost = filled.filter((number) => !found.has(number))
  assert.ok(lost.length <= lostMax, `lost ${lost.join(', ')}`)
}
