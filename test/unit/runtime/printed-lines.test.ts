import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { limits } from '../../../src/core/limits.ts'
import type { LogFields } from '../../../src/core/log.ts'
import { PrintedLines } from '../../../src/runtime/printed-lines.ts'
import { FakeClock } from '../../support/fake-clock.ts'

function printing(): {
  printed: PrintedLines
  clock: FakeClock
  logged: { level: string; event: string; fields: LogFields }[]
} {
  const clock = new FakeClock()
  const logged: { level: string; event: string; fields: LogFields }[] = []
  const printed = new PrintedLines(
    (level, event, fields) => void logged.push({ level, event, fields }),
    clock,
  )
  return { printed, clock, logged }
}

const lines = (count: number): Buffer => Buffer.from('x\n'.repeat(count))
const most = limits.printedLinesPerSecond

describe('PrintedLines', () => {
  test('logs standard output at info and standard error at warn', () => {
    const { printed, logged } = printing()
    printed.print('stdout', Buffer.from('out\n'))
    printed.print('stderr', Buffer.from('err\n'))
    assert.deepEqual(logged, [
      { level: 'info', event: 'model.print', fields: { line: 'out', stream: 'stdout' } },
      { level: 'warn', event: 'model.print', fields: { line: 'err', stream: 'stderr' } },
    ])
  })

  test('counts what goes beyond the lines of a second and says so when the second is over', () => {
    const { printed, clock, logged } = printing()
    printed.print('stdout', lines(most + 7))
    assert.equal(logged.length, most)
    clock.advance(1_000)
    assert.equal(logged.length, most + 1)
    assert.deepEqual(logged.at(-1)?.fields, { lines: 7, linesPerSecondMax: most })
    assert.equal(clock.timers, 0)
  })

  test('logs again in the next second', () => {
    const { printed, clock, logged } = printing()
    printed.print('stdout', lines(most))
    clock.advance(1_000)
    printed.print('stdout', Buffer.from('again\n'))
    assert.equal(logged.at(-1)?.fields['line'], 'again')
  })

  test('holds lines that the model logs to the same bound', () => {
    const { printed, logged } = printing()
    for (let i = 0; i < most + 1; i++) {
      printed.log({ level: 'info', event: 'model.log', fields: { message: 'm' } })
    }
    assert.equal(logged.length, most)
  })

  test('cuts a long message of the model', () => {
    const { printed, logged } = printing()
    const message = 'm'.repeat(limits.printedLineCharsMax * 2)
    printed.log({ level: 'info', event: 'model.log', fields: { message } })
    assert.equal(String(logged[0]?.fields['message']).length, limits.printedLineCharsMax)
  })

  test('keeps the last twenty lines of standard error, logged or not', () => {
    const { printed } = printing()
    printed.print('stdout', lines(most))
    for (let i = 0; i < 30; i++) printed.print('stderr', Buffer.from(`line ${i}\n`))
    assert.equal(printed.lastLines.length, 20)
    assert.equal(printed.lastLines.at(-1), 'line 29')
  })

  test('hands over the last line without an end, and the count, when the streams end', () => {
    const { printed, clock, logged } = printing()
    printed.print('stdout', lines(most + 1))
    clock.advance(100)
    printed.print('stderr', Buffer.from('Segmentation fault'))
    printed.end()
    assert.deepEqual(printed.lastLines, ['Segmentation fault'])
    assert.equal(logged.at(-1)?.fields['lines'], 2)
    assert.equal(clock.timers, 0)
  })
})
