import assert from 'node:assert/strict'
import { copyFileSync, existsSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { afterEach, beforeEach, test } from 'node:test'
import { systemClock } from '../../../../src/core/clock.ts'
import { silentLogger } from '../../../../src/core/log.ts'
import { tellOfAbandonedSpools } from '../../../../src/transport/spool/abandoned-spools.ts'
import { SqliteSpool } from '../../../../src/transport/spool/sqlite-spool.ts'
import { RecordedLog } from '../../../support/recorded-log.ts'
import { Scratch } from '../../../support/scratch.ts'

const since = Date.UTC(2026, 5, 1)

let scratch: Scratch
let log: RecordedLog
beforeEach(async () => {
  scratch = await Scratch.make()
  log = new RecordedLog()
})
afterEach(() => scratch[Symbol.asyncDispose]())

/** A spool with so many results, still open. */
function fill(name: string, results: number, created = since): SqliteSpool {
  const file = scratch.path(name)
  const spool = new SqliteSpool({ file, clock: systemClock, log: silentLogger })
  spool.append(
    Array.from({ length: results }, (_, i) => ({
      message: { topic: 'out', payload: Buffer.alloc(100, i) },
      created: created + i,
    })),
  )
  return spool
}

function tell(...inUse: readonly string[]): unknown[] {
  const files = new Set(inUse.map((name) => scratch.path(name)))
  tellOfAbandonedSpools({ folder: scratch.folder, inUse: files, log: log.logger })
  return log.of('spool.abandoned').map(({ file, results, since: from, reason }) => {
    const what = reason === undefined ? [results, from] : [reason]
    return [String(file).slice(scratch.folder.length + 1), ...what]
  })
}

test('names the file, how many results it holds and since when, and leaves it as it was', async () => {
  const spool = fill('a.sqlite', 7)
  spool.removeBefore(3)
  spool.close()
  const before = [await scratch.tree(), readFileSync(scratch.path('a.sqlite'))]
  assert.deepEqual(tell(), [['a.sqlite', 5, new Date(since + 2).toISOString()]])
  assert.deepEqual([await scratch.tree(), readFileSync(scratch.path('a.sqlite'))], before)
  assert.deepEqual(
    log.lines.map(({ level }) => level),
    ['warn'],
  )
})

test('leaves alone what a pipeline uses, and what is no spool', async () => {
  fill('used.sqlite', 1).close()
  await scratch.write('a.sqlite.damaged-20260601T000000000Z')
  await scratch.write('notes.txt')
  assert.deepEqual(tell('used.sqlite'), [])
})

test('deletes an empty one without a word', async () => {
  const spool = fill('a.sqlite', 2)
  spool.removeBefore(3)
  spool.close()
  assert.deepEqual(tell(), [])
  assert.deepEqual(await scratch.tree(), [])
})

test('counts what only the log of a killed process holds', async () => {
  const spool = fill('a.sqlite', 4)
  for (const end of ['', '-wal']) {
    copyFileSync(scratch.path(`a.sqlite${end}`), scratch.path(`killed.sqlite${end}`))
  }
  const line = ['killed.sqlite', 4, new Date(since).toISOString()]
  assert.deepEqual(tell('a.sqlite'), [line])
  spool.close()
  assert.ok(!existsSync(scratch.path('killed.sqlite-shm')))
  assert.ok(existsSync(scratch.path('killed.sqlite-wal')))
})

test('deletes none whose last commit was cut short', async () => {
  const spool = fill('a.sqlite', 2)
  spool.removeBefore(3)
  spool.append([{ message: { topic: 'out', payload: Buffer.alloc(9000) }, created: since }])
  const file = scratch.path('killed.sqlite')
  for (const end of ['', '-wal']) copyFileSync(scratch.path(`a.sqlite${end}`), `${file}${end}`)
  spool.close()
  truncateSync(`${file}-wal`, readFileSync(`${file}-wal`).length - 100)
  assert.deepEqual(tell('a.sqlite'), [['killed.sqlite', 'its last commit is incomplete']])
  assert.ok(existsSync(file))
})

test('names one that it cannot read without counts', async () => {
  const spool = fill('locked.sqlite', 1)
  fill('state.sqlite', 1).close()
  const bytes = readFileSync(scratch.path('state.sqlite'))
  // The page of the state row.
  bytes.fill(0, 8192 + 4000)
  writeFileSync(scratch.path('state.sqlite'), bytes)
  await scratch.write('garbage.sqlite', 'x'.repeat(5000))
  await scratch.write('salvaged.sqlite.salvaging')
  const lines = tell()
  spool.close()
  assert.deepEqual(lines, [
    ['garbage.sqlite', 'it cannot be read: file is not a database'],
    ['locked.sqlite', 'another process uses it'],
    ['salvaged.sqlite', 'it is damaged, and what could be read is beside it'],
    ['state.sqlite', 'it is damaged'],
  ])
})

test('says no time for results of a machine that did not know it', () => {
  fill('a.sqlite', 1, 1000).close()
  assert.deepEqual(tell(), [['a.sqlite', 1, undefined]])
})

test('has nothing to say of a folder that is not there', () => {
  tellOfAbandonedSpools({ folder: scratch.path('none'), inUse: new Set(), log: log.logger })
  assert.deepEqual(log.lines, [])
})
