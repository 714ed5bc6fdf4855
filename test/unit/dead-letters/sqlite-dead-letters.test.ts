import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { dirname } from 'node:path'
import test from 'node:test'
import fc from 'fast-check'
import { LetterDatabase } from '../../../src/dead-letters/letter-database.ts'
import { SqliteDeadLetters } from '../../../src/dead-letters/sqlite-dead-letters.ts'
import type { DeadLetter, StoredLetter } from '../../../src/pipeline/dead-letter.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { RecordedLog } from '../../support/recorded-log.ts'
import { Scratch } from '../../support/scratch.ts'

const nobody: ReadonlySet<number> = new Set()

function letter(id: string, more: Partial<DeadLetter> = {}): DeadLetter {
  const payload = Buffer.from(`payload of ${id}`)
  return {
    id,
    rule: 'r',
    func: 'f',
    model: 'm',
    version: '1',
    topic: 'plant/1',
    payload,
    payloadBytes: payload.length,
    qos: 1,
    retain: false,
    error: { kind: 'model', code: 'KeyError', text: "'x'" },
    attempts: 1,
    receivedAt: 1000,
    diedAt: 2000,
    ...more,
  }
}

class StoreBench {
  readonly log = new RecordedLog()
  readonly file: string
  readonly store: SqliteDeadLetters

  constructor(scratch: Scratch, itemsMax = 1000, bytesMax = 1024 * 1024) {
    this.file = scratch.path('state/dead-letters/r.f.sqlite')
    this.store = new SqliteDeadLetters({
      settings: { file: this.file, itemsMax, bytesMax },
      clock: new FakeClock(),
      log: this.log.logger,
    })
  }

  add(...added: DeadLetter[]): number {
    return this.store.write({ added, removed: [], returned: [] })
  }

  /** What another process sees. */
  read<T>(work: (database: LetterDatabase) => T): T {
    const database = new LetterDatabase(this.file, { access: 'write', waitMs: 1000 })
    try {
      return work(database)
    } finally {
      database.close()
    }
  }

  get ids(): (string | undefined)[] {
    return this.read((database) => [...database.summaries()].map((each) => each?.id))
  }

  wantAll(): void {
    this.read((database) => {
      database.want(
        [...database.summaries()].map((each) => each?.seq ?? 0),
        5,
      )
    })
  }
}

test('makes nothing before the first letter, and then a file for its owner alone', async () => {
  await using scratch = await Scratch.make()
  const { store, file, ...bench } = new StoreBench(scratch)
  void bench
  assert.equal(store.isThere(), false)
  assert.equal(existsSync(dirname(file)), false)
  store.write({ added: [letter('a')], removed: [], returned: [] })
  assert.equal(store.isThere(), true)
  assert.equal(statSync(file).mode & 0o777, 0o600)
  assert.equal(statSync(dirname(file)).mode & 0o777, 0o700)
  store.close()
})

test('gives back a letter as it was, after another start', async () => {
  await using scratch = await Scratch.make()
  const whole = letter('a', {
    device: 'pump',
    userProperties: { unit: 'bar', tag: ['x', 'y'] },
    retain: true,
    error: { kind: 'crash', code: 'RUNNER_EXITED', text: 't', where: 'a.py:3', stack: 's' },
    payload: Buffer.from([0, 255, 1]),
  })
  const first = new StoreBench(scratch)
  first.add(whole, letter('b'))
  first.wantAll()
  first.store.close()
  const { store } = new StoreBench(scratch)
  const [found] = store.wanted(1, nobody)
  const { seq, hasPayload, wantedAt, payload, ...rest } = found as StoredLetter & {
    hasPayload: boolean
    wantedAt: number
  }
  assert.deepEqual([seq, hasPayload, wantedAt], [1, true, 5])
  assert.deepEqual(Buffer.from(payload ?? []), whole.payload)
  const { payload: _payload, ...expected } = whole
  assert.deepEqual(rest, expected)
  store.close()
})

test('the oldest letters make room in number and in bytes, and are counted', async () => {
  await using scratch = await Scratch.make()
  const byItems = new StoreBench(scratch, 3)
  assert.equal(byItems.add(letter('a'), letter('b')), 0)
  assert.equal(byItems.add(letter('c'), letter('d'), letter('e')), 2)
  assert.deepEqual(byItems.ids, ['c', 'd', 'e'])
  byItems.store.close()
  await using other = await Scratch.make()
  const large = Buffer.alloc(300_000)
  const byBytes = new StoreBench(other, 100)
  assert.equal(byBytes.add(...['a', 'b', 'c'].map((id) => letter(id, { payload: large }))), 0)
  assert.equal(byBytes.add(letter('d', { payload: large })), 1)
  assert.deepEqual(byBytes.ids, ['b', 'c', 'd'])
  byBytes.store.close()
})

test('a letter larger than all the room is kept without its payload', async () => {
  await using scratch = await Scratch.make()
  const bench = new StoreBench(scratch)
  bench.add(
    letter('small'),
    letter('huge', { payload: Buffer.alloc(2_000_000), payloadBytes: 2_000_000 }),
  )
  assert.deepEqual(bench.ids, ['small', 'huge'])
  const [, huge] = bench.read((database) => [...database.summaries()])
  assert.deepEqual([huge?.hasPayload, huge?.payloadBytes], [false, 2_000_000])
  // It cannot be replayed.
  bench.wantAll()
  assert.deepEqual(
    bench.store.wanted(9, nobody).map(({ id }) => id),
    ['small'],
  )
  bench.store.close()
})

test('replays that ended are removed, those that failed stay with what is new', async () => {
  await using scratch = await Scratch.make()
  const bench = new StoreBench(scratch)
  bench.add(letter('a'), letter('b'), letter('c'))
  bench.wantAll()
  assert.deepEqual(
    bench.store.wanted(9, new Set([2])).map(({ seq }) => seq),
    [1, 3],
  )
  const error = { kind: 'deadline', code: 'RUNNER_DEADLINE', text: 'slow' } as const
  bench.store.write({
    added: [],
    removed: [1, 99],
    returned: [
      { seq: 2, error, version: '2', attempts: 4, diedAt: 3000 },
      { seq: 77, error, version: '2', attempts: 4, diedAt: 3000 },
    ],
  })
  assert.deepEqual(bench.ids, ['b', 'c'])
  const [b] = bench.read((database) => [...database.summaries()])
  assert.deepEqual([b?.error, b?.attempts, b?.diedAt, b?.wantedAt], [error, 4, 3000, undefined])
  assert.deepEqual(
    bench.store.wanted(9, nobody).map(({ id }) => id),
    ['c'],
  )
  bench.store.close()
})

test('another process drops letters while the store is open', async () => {
  await using scratch = await Scratch.make()
  const bench = new StoreBench(scratch, 3)
  bench.add(letter('a'), letter('b'), letter('c'))
  bench.read((database) => assert.equal(database.remove([1, 2, 50]), 2))
  assert.equal(bench.add(letter('d')), 0, 'there is room')
  assert.deepEqual(bench.ids, ['c', 'd'])
  bench.store.close()
})

test('a lock of another process fails the write, and nothing of it is kept', async () => {
  await using scratch = await Scratch.make()
  const bench = new StoreBench(scratch)
  bench.add(letter('a'))
  const other = new DatabaseSync(bench.file)
  other.exec('BEGIN IMMEDIATE')
  assert.throws(() => bench.add(letter('b')), { code: 'DEAD_LETTERS_LOCKED' })
  other.exec('ROLLBACK')
  other.close()
  bench.add(letter('c'))
  assert.deepEqual(bench.ids, ['a', 'c'])
  bench.store.close()
})

test('a store that was deleted or exchanged while it was open is begun anew', async () => {
  await using scratch = await Scratch.make()
  const bench = new StoreBench(scratch)
  bench.add(letter('a'))
  rmSync(dirname(bench.file), { recursive: true })
  bench.add(letter('b'))
  assert.deepEqual(bench.ids, ['b'])
  bench.store.close()
})

for (const [what, spoil] of [
  ['of zeros', (size: number) => Buffer.alloc(size)],
  ['of text', () => Buffer.from('this is no database at all, and never was one\n'.repeat(200))],
  ['cut short', (_size: number, was: Buffer) => was.subarray(0, 5000)],
] as const) {
  test(`a file ${what} is put aside, and a new one begun`, async () => {
    await using scratch = await Scratch.make()
    const first = new StoreBench(scratch)
    first.add(letter('a'), letter('big', { payload: Buffer.alloc(100_000) }))
    first.store.close()
    const was = readFileSync(first.file)
    writeFileSync(first.file, spoil(was.length, was))
    const bench = new StoreBench(scratch)
    bench.add(letter('b'))
    assert.deepEqual(bench.ids, ['b'])
    const [line] = bench.log.of('dead-letter.damaged')
    assert.equal(existsSync(String(line?.['keptAs'])), true)
    bench.store.close()
  })
}

test('a database of something else, or of a newer edgeboot, is put aside as it is', async () => {
  await using scratch = await Scratch.make()
  for (const sql of [
    'CREATE TABLE mine (x); INSERT INTO mine VALUES (1)',
    'PRAGMA application_id = 1161970764; PRAGMA user_version = 99; CREATE TABLE t (x)',
  ]) {
    const bench = new StoreBench(scratch)
    bench.add(letter('a'))
    bench.store.close()
    rmSync(bench.file)
    const foreign = new DatabaseSync(bench.file)
    foreign.exec(sql)
    foreign.close()
    const again = new StoreBench(scratch)
    again.add(letter('b'))
    assert.deepEqual(again.ids, ['b'])
    assert.equal(again.log.of('dead-letter.damaged').length, 1, sql)
    again.store.close()
  }
  const aside = readdirSync(scratch.path('state/dead-letters')).filter((name) =>
    name.includes('.damaged-'),
  )
  assert.ok(aside.length >= 1)
})

test('a folder that cannot be made is an error that says so', async () => {
  await using scratch = await Scratch.make()
  writeFileSync(scratch.path('state'), 'a file')
  const bench = new StoreBench(scratch)
  assert.throws(() => bench.add(letter('a')), { code: 'DEAD_LETTERS_UNUSABLE' })
})

// Against a list: whatever is added, removed, returned and dropped from outside, in any order and
// over any number of restarts, the store holds what a bounded list of letters would.
test('behaves like a bounded list, over restarts and changes from outside', async () => {
  const at = fc.nat(5)
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ do: fc.constant('add' as const), count: fc.nat(7) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('succeed' as const), at }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('fail' as const), at }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('drop' as const), at }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('want' as const), at }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('restart' as const), at }) },
  )
  const error = { kind: 'model', code: 'E', text: 'something quite different' } as const
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      await using scratch = await Scratch.make()
      let bench = new StoreBench(scratch, 5)
      let model: { seq: number; isWanted: boolean }[] = []
      let seq = 0
      for (const what of steps) {
        if (what.do === 'add') {
          const added = Array.from({ length: what.count }, () => letter('x'))
          for (const _each of added) model.push({ seq: ++seq, isWanted: false })
          const discarded = Math.max(model.length - 5, 0)
          model = model.slice(discarded)
          assert.equal(bench.add(...added), discarded)
        }
        const chosen = 'at' in what ? model[what.at] : undefined
        if (what.do === 'restart') {
          bench.store.close()
          bench = new StoreBench(scratch, 5)
        } else if (chosen !== undefined && what.do === 'want') {
          bench.read((database) => database.want([chosen.seq], 1))
          chosen.isWanted = true
        } else if (chosen !== undefined && what.do === 'fail') {
          const returned = [{ seq: chosen.seq, error, version: '2', attempts: 2, diedAt: 1 }]
          bench.store.write({ added: [], removed: [], returned })
          chosen.isWanted = false
        } else if (chosen !== undefined) {
          if (what.do === 'drop') bench.read((database) => database.remove([chosen.seq]))
          else bench.store.write({ added: [], removed: [chosen.seq], returned: [] })
          model = model.filter((each) => each !== chosen)
        }
        if (!bench.store.isThere()) continue
        const wanted = model.filter(({ isWanted }) => isWanted)
        assert.deepEqual(
          bench.store.wanted(9, nobody).map((each) => each.seq),
          wanted.map((each) => each.seq),
        )
        bench.read((database) => {
          const seqs = [...database.summaries()].map((each) => each?.seq)
          assert.deepEqual(
            seqs,
            model.map((each) => each.seq),
          )
        })
        const raw = new DatabaseSync(bench.file)
        const counted = raw
          .prepare('SELECT count(*) AS items, total(size) AS bytes FROM letters')
          .get()
        raw.close()
        assert.deepEqual(
          bench.read((database) => database.totals),
          { ...counted },
        )
      }
      bench.store.close()
    }),
    { numRuns: 60 },
  )
})
