import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { test, type TestContext } from 'node:test'
import { createPinoLogger, type PinoLoggerOptions } from '../../../src/cli/pino-logger.ts'
import { EdgebootError } from '../../../src/core/errors.ts'
import { FakeClock } from '../../support/fake-clock.ts'

/** A standard output that keeps what is written to it. */
class Screen extends Writable {
  text = ''
  isTTY: boolean
  constructor(isTTY = false) {
    super()
    this.isTTY = isTTY
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString()
    done()
  }

  get lines(): Record<string, unknown>[] {
    const lines = this.text.split('\n').filter((line) => line !== '')
    return lines.map((line) => JSON.parse(line) as Record<string, unknown>)
  }
}

function logging(
  stdout: Writable = new Screen(),
  options: Partial<PinoLoggerOptions> = {},
): ReturnType<typeof createPinoLogger> {
  const clock = new FakeClock(Date.UTC(2026, 10, 23, 12))
  return createPinoLogger({ format: 'auto', level: 'debug', stdout, clock, ...options })
}

function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'edgeboot-log-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

test('writes one JSON line for an event, with time, level, event and fields', () => {
  const screen = new Screen()
  logging(screen).logger.child({ pipeline: '水泵' }).warn('runner.lost', { delayMs: 200 })
  const time = '2026-11-23T12:00:00.000Z'
  assert.equal(
    screen.text,
    `{"level":"warn","time":"${time}","event":"runner.lost","pipeline":"水泵","delayMs":200}\n`,
  )
})

test('keeps a field with line ends on one line', () => {
  const screen = new Screen()
  logging(screen).logger.info('x', { text: 'a\nb\r\nc\u2028d' })
  assert.equal(screen.text.trimEnd().split('\n').length, 1)
  assert.equal(screen.lines[0]?.['text'], 'a\nb\r\nc\u2028d')
})

test('leaves out levels below the one that was asked for', () => {
  const screen = new Screen()
  const { logger } = logging(screen, { level: 'warn' })
  logger.debug('a')
  logger.info('b')
  logger.warn('c')
  logger.error('d')
  assert.deepEqual(
    screen.lines.map(({ event }) => event),
    ['c', 'd'],
  )
})

test('no field takes the place of time, level or event', () => {
  const screen = new Screen()
  logging(screen).logger.info('real', { event: 'false', level: 'fatal', time: 0 })
  const [line] = screen.lines
  assert.equal(line?.['event'], 'real')
  assert.equal(line?.['level'], 'info')
  assert.equal(line?.['event_'], 'false')
  assert.equal(screen.text.match(/"level"/g)?.length, 1)
})

test('writes what a person reads to a terminal', () => {
  const screen = new Screen(true)
  logging(screen).logger.info('web.listening', { address: 'http://127.0.0.1:5888' })
  assert.ok(screen.text.includes('\u001b['))
  assert.match(screen.text, /INFO.*web\.listening.*address=.*http:\/\/127\.0\.0\.1:5888/)
})

test('writes no colours where the terminal has none', () => {
  const screen = Object.assign(new Screen(true), { hasColors: () => false })
  logging(screen).logger.info('x')
  assert.equal(screen.text.includes('\u001b'), false)
})

test('writes pretty lines elsewhere when told to, and JSON to a terminal when told to', () => {
  const pipe = new Screen()
  logging(pipe, { format: 'pretty' }).logger.info('x', { a: 1 })
  assert.match(pipe.text, /^\d\d:\d\d:\d\d\.\d{3} INFO {2}x a=1\n$/)
  const terminal = new Screen(true)
  logging(terminal, { format: 'json' }).logger.info('x')
  assert.equal(terminal.lines.length, 1)
})

test('writes no secret, wherever it is in the fields', () => {
  const screen = new Screen()
  logging(screen).logger.info('x', {
    password: 'hunter2',
    Authorization: 'Bearer hunter2',
    broker: { url: 'mqtts://me:hunter2@plant:8883/x', mqttPassword: 'hunter2' },
    list: [{ token: 'hunter2' }],
    text: 'cannot reach mqtt://me:hunter2@a and http://hunter2@b/c',
    error: new EdgebootError('BROKER_REFUSED', 'refused', { details: { apiToken: 'hunter2' } }),
    passwordFile: '/run/secrets/mqtt',
  })
  assert.equal(screen.text.includes('hunter2'), false, screen.text)
  assert.equal(screen.lines[0]?.['passwordFile'], '/run/secrets/mqtt')
  assert.match(screen.text, /mqtts:\/\/\[redacted\]@plant:8883\/x/)
})

test('writes an error as code, message, place and fix, without a stack', () => {
  const screen = new Screen()
  const error = new EdgebootError('MODEL_SYNTAX', 'line 3', { details: { where: 'index.py:3' } })
  logging(screen).logger.error('x', { error, cause: new RangeError('too far') })
  const [line] = screen.lines
  assert.deepEqual(line?.['error'], {
    code: 'MODEL_SYNTAX',
    message: 'line 3',
    where: 'index.py:3',
    fix: 'Correct the line named above.',
  })
  assert.deepEqual(line?.['cause'], { type: 'RangeError', message: 'too far' })
})

test('writes the line for fields that JSON cannot hold', () => {
  const screen = new Screen()
  const circle: Record<string, unknown> = {}
  circle['self'] = circle
  const { logger } = logging(screen)
  const hostile = {
    get bomb(): never {
      throw new Error('no')
    },
  }
  logger.info('a', { circle })
  logger.info('b', { big: 10n, nothing: undefined, nan: Number.NaN, call: () => 1 })
  logger.info('c', { hostile })
  logger.info('d', { date: new Date(Number.NaN), bytes: new Uint8Array(3) })
  assert.deepEqual(
    screen.lines.map(({ event }) => event),
    ['a', 'b', 'c', 'd'],
  )
  assert.equal(screen.lines[1]?.['big'], '10')
  assert.equal(screen.lines[1]?.['nan'], 'NaN')
  assert.equal(screen.lines[3]?.['bytes'], '3 bytes')
})

test('goes on when the reader of stdout has gone', async (t) => {
  const file = join(temporaryFolder(t), 'edgeboot.log')
  const gone = new Writable({
    write: (_chunk, _encoding, done) => done(new Error('write EPIPE')),
  })
  const { logger, flush } = logging(gone, { file })
  logger.info('first')
  await new Promise((resolve) => setImmediate(resolve))
  logger.info('second')
  await flush()
  assert.match(readFileSync(file, 'utf8'), /first[^]*second/)
})

test('drops lines for a reader that has stopped reading, and says how many', async () => {
  let text = ''
  const pending: (() => void)[] = []
  const stuck = new Writable({
    write(chunk: Buffer, _encoding, done) {
      text += chunk.toString()
      pending.push(done)
    },
  })
  const { logger } = logging(stuck)
  for (let i = 0; i < 300; i++) logger.info('line', { i, ballast: 'x'.repeat(10_000) })
  assert.ok(stuck.writableLength < 2 * 1024 * 1024, 'holds a bounded part of them')
  while (stuck.writableLength > 0) {
    pending.shift()?.()
    await new Promise((resolve) => setImmediate(resolve))
  }
  logger.info('last')
  while (pending.length > 0) {
    pending.shift()?.()
    await new Promise((resolve) => setImmediate(resolve))
  }
  const lines = text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { event: string; lines?: number })
  const lost = lines.find(({ event }) => event === 'log.lines-lost')?.lines ?? 0
  assert.equal(lines.filter(({ event }) => event === 'line').length + lost, 300)
  assert.ok(lost > 0)
  assert.equal(lines.at(-1)?.event, 'last')
})

test('flush waits for a slow reader', async () => {
  let text = ''
  const slow = new Writable({
    write(chunk: Buffer, _encoding, done) {
      setImmediate(() => {
        text += chunk.toString()
        done()
      })
    },
  })
  const { logger, flush } = logging(slow)
  for (let i = 0; i < 5; i++) logger.info('line')
  await flush()
  assert.equal(text.split('\n').length, 6)
})

test('writes JSON lines to the file as well, whatever the terminal shows', (t) => {
  const file = join(temporaryFolder(t), 'made', 'for', 'it', 'edgeboot.log')
  const screen = new Screen(true)
  logging(screen, { file }).logger.info('x', { a: 1 })
  const line = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>
  assert.equal(line['event'], 'x')
  assert.match(screen.text, /INFO/)
})

test('a file that cannot be opened is CLI_LOG_FILE and names it', (t) => {
  const folder = temporaryFolder(t)
  const notAFolder = join(folder, 'taken')
  writeFileSync(notAFolder, '')
  const file = join(notAFolder, 'edgeboot.log')
  assert.throws(() => logging(new Screen(), { file }), {
    code: 'CLI_LOG_FILE',
    message: new RegExp(file),
  })
})
