import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { EdgebootError } from '../../../src/core/errors.ts'
import { SqliteSpool } from '../../../src/transport/spool/sqlite-spool.ts'
import type { NewRecord } from '../../../src/transport/spool/spool-store.ts'
import { SmallDisk } from '../../support/small-disk.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { silentLogger } from '../../../src/core/log.ts'

function open(disk: SmallDisk): SqliteSpool {
  const file = join(disk.folder, 'spool.db')
  return new SqliteSpool({ file, clock: new FakeClock(), log: silentLogger })
}

function record(number: number): NewRecord {
  return { message: { topic: String(number), payload: Buffer.alloc(2000, number) }, created: 1 }
}

function topicsIn(spool: SqliteSpool): number[] {
  const records = spool.read(spool.first, 10_000, Number.POSITIVE_INFINITY)
  return records.map((each) => ('message' in each ? Number(each.message.topic) : Number.NaN))
}

const notPermitted = 'SKIPPED: this user may not mount a file system'

test('a disk that is full says so, loses nothing, and goes on once records have left', async (t) => {
  using disk = await SmallDisk.mount(400_000)
  if (disk === undefined) return t.skip(notPermitted)
  const spool = open(disk)
  const kept: number[] = []
  const appendUntilFull = (): unknown => {
    for (;;) {
      const number = (kept.at(-1) ?? 0) + 1
      try {
        spool.append([record(number)])
        kept.push(number)
      } catch (error) {
        return error
      }
    }
  }
  const error = appendUntilFull()
  assert.ok(error instanceof EdgebootError)
  assert.equal(error.code, 'SPOOL_DISK_FULL')
  assert.ok(kept.length > 10)
  assert.deepEqual(topicsIn(spool), kept)
  const { next } = spool
  spool.removeBefore(next)
  assert.equal(spool.first, next)
  assert.deepEqual(topicsIn(spool), [])
  spool.append([record(1), record(2)])
  assert.deepEqual(topicsIn(spool), [1, 2])
  spool.close()
  const again = open(disk)
  assert.deepEqual(topicsIn(again), [1, 2])
  again.close()
})

test('a file system that is read-only says so', async (t) => {
  using disk = await SmallDisk.mount(400_000)
  if (disk === undefined) return t.skip(notPermitted)
  const spool = open(disk)
  spool.append([record(1)])
  spool.close()
  disk.makeReadOnly()
  assert.throws(() => open(disk), { code: 'SPOOL_UNWRITABLE' })
})
