import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { DailyFile, type DailyFileOptions } from '../../../src/cli/daily-file.ts'
import { FakeClock } from '../../support/fake-clock.ts'

const hourMs = 3_600_000
/** Noon in whatever time zone the machine is in. */
const noon = new Date(2026, 10, 23, 12).getTime()

interface Opened {
  readonly folder: string
  readonly path: string
  readonly clock: FakeClock
  readonly file: DailyFile
}

function open(
  t: TestContext,
  options: Partial<DailyFileOptions> = {},
  before?: (folder: string) => void,
): Opened {
  const folder = mkdtempSync(join(tmpdir(), 'edgeboot-daily-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  before?.(folder)
  const path = join(folder, 'edgeboot.log')
  const clock = new FakeClock(noon)
  const file = new DailyFile({ path, keepFiles: 3, clock, ...options })
  file.open()
  t.after(() => file.close())
  return { folder, path, clock, file }
}

test('keeps the lines of one day in one file', (t) => {
  const { folder, path, clock, file } = open(t)
  file.write('one\n')
  clock.advance(hourMs * 11)
  file.write('two\n')
  assert.deepEqual(readdirSync(folder), ['edgeboot.log'])
  assert.equal(readFileSync(path, 'utf8'), 'one\ntwo\n')
})

test('sets the file of yesterday aside under its date', (t) => {
  const { folder, path, clock, file } = open(t)
  file.write('monday\n')
  clock.advance(hourMs * 12)
  file.write('tuesday\n')
  assert.equal(readFileSync(path, 'utf8'), 'tuesday\n')
  assert.equal(readFileSync(join(folder, 'edgeboot.log.2026-11-23'), 'utf8'), 'monday\n')
})

test('keeps as many earlier files as asked, the newest, and touches nothing else', (t) => {
  const others = ['edgeboot.log.bak', 'edgeboot.log.2026-1-1', 'other.log.2020-01-01']
  const { folder, clock, file } = open(t, { keepFiles: 2 }, (folder) => {
    for (const name of [...others, 'edgeboot.log.2020-01-01']) writeFileSync(join(folder, name), '')
  })
  for (let day = 0; day < 4; day++) {
    file.write('line\n')
    clock.advance(hourMs * 24)
  }
  file.write('line\n')
  assert.deepEqual(
    readdirSync(folder).sort(),
    [...others, 'edgeboot.log', 'edgeboot.log.2026-11-25', 'edgeboot.log.2026-11-26'].sort(),
  )
})

test('goes on in the file of today after a restart', (t) => {
  const { path, file } = open(t, {}, (folder) => {
    writeFileSync(join(folder, 'edgeboot.log'), 'before\n')
    utimesSync(join(folder, 'edgeboot.log'), noon / 1000 - 60, noon / 1000 - 60)
  })
  file.write('after\n')
  assert.equal(readFileSync(path, 'utf8'), 'before\nafter\n')
})

test('sets aside what an earlier run left on another day', (t) => {
  const { folder, path, file } = open(t, {}, (folder) => {
    writeFileSync(join(folder, 'edgeboot.log'), 'before\n')
    const at = noon / 1000 - 3 * 86_400
    utimesSync(join(folder, 'edgeboot.log'), at, at)
  })
  file.write('after\n')
  assert.equal(readFileSync(path, 'utf8'), 'after\n')
  assert.equal(readFileSync(join(folder, 'edgeboot.log.2026-11-20'), 'utf8'), 'before\n')
})

test('begins another file for a day that fills one, and keeps them bounded together', (t) => {
  const { folder, file } = open(t, { fileBytesMax: 10, keepFiles: 2 })
  for (let i = 0; i < 6; i++) file.write(`line ${i}\n`)
  assert.deepEqual(readdirSync(folder).sort(), [
    'edgeboot.log',
    'edgeboot.log.2026-11-23',
    'edgeboot.log.2026-11-23.1',
  ])
  for (let i = 6; i < 10; i++) file.write(`line ${i}\n`)
  const text = readdirSync(folder)
    .map((name) => readFileSync(join(folder, name), 'utf8'))
    .join('')
  assert.match(text, /line 9/)
  assert.equal(readdirSync(folder).length, 3)
})

test('a clock that is set back begins a new file and loses nothing', (t) => {
  const { folder, path, clock, file } = open(t)
  file.write('ahead\n')
  clock.advance(-hourMs * 24)
  file.write('back\n')
  assert.equal(readFileSync(path, 'utf8'), 'back\n')
  assert.equal(readFileSync(join(folder, 'edgeboot.log.2026-11-23'), 'utf8'), 'ahead\n')
})

test('goes on when somebody removes its file and the day ends', (t) => {
  const { path, clock, file } = open(t)
  file.write('gone\n')
  rmSync(path)
  clock.advance(hourMs * 24)
  file.write('here\n')
  assert.equal(readFileSync(path, 'utf8'), 'here\n')
})
