import type { Writable } from 'node:stream'
import { pino } from 'pino'
import { systemClock, type Clock } from '../core/clock.ts'
import { createLogger, type LogLevel, type Logger } from '../core/log.ts'
import { DailyFile } from './daily-file.ts'
import { prettyLine } from './pretty-line.ts'
import { redactFields } from './redact-fields.ts'

/** Lines that may wait for a reader of stdout who has stopped reading. */
const waitingBytesMax = 1024 * 1024
/** Days that are kept, when the command line does not say. */
const keepDaysDefault = 7
/** How long the last lines may take to leave when the process ends. */
const flushMs = 1000

type Stdout = Writable & { isTTY?: boolean; hasColors?: () => boolean }

/** How log lines look: `auto` is `pretty` on a terminal, else `json`. */
export type LogFormat = 'auto' | 'json' | 'pretty'

/** What a logger is made of. */
export interface PinoLoggerOptions {
  readonly format: LogFormat
  readonly level: LogLevel
  /** Also written to, as JSON lines whatever `format` says; begun anew every day. */
  readonly file?: string
  /** Files of earlier days that are kept; default 7. */
  readonly rotateKeepDays?: number
  /** Default `process.stdout`. */
  readonly stdout?: Stdout
  readonly clock?: Clock
}

/** A logger, and the way to see its last lines off. */
export interface PinoLogger {
  readonly logger: Logger
  /** Waits until every line has left, a second at most. To be called before the process exits. */
  readonly flush: () => Promise<void>
}

/**
 * The logger of the main process. Writes without a thread of its own, so that a line is out when
 * the call returns. It never throws: a reader who has gone or a full disk loses lines, and the
 * first line that gets through again is preceded by `log.lines-lost` with their number.
 *
 * @throws EdgebootError `CLI_LOG_FILE` when the file cannot be opened.
 */
export function createPinoLogger(options: PinoLoggerOptions): PinoLogger {
  const { level, clock = systemClock } = options
  const stream: Stdout = options.stdout ?? process.stdout
  const format = options.format === 'auto' ? (stream.isTTY ? 'pretty' : 'json') : options.format
  const colours = stream.isTTY === true && stream.hasColors?.() !== false
  let isStreamGone = false
  stream.on('error', () => {
    isStreamGone = true
  })
  const toStream = lossy(clock, (line) => {
    if (isStreamGone) throw new Error('nobody reads')
    if (stream.writableLength > waitingBytesMax) throw new Error('the reader is too slow')
    stream.write(format === 'pretty' ? prettyLine(line, colours) : line)
  })
  const file = openFile(options, clock)
  const toFile = file === undefined ? undefined : lossy(clock, (line) => file.write(line))
  const lines = pino(
    {
      level: 'debug', // what is below the level asked for never comes here
      base: null,
      timestamp: () => `,"time":"${timeText(clock)}"`,
      formatters: { level: (label) => ({ level: label }) },
    },
    {
      write(line) {
        toStream(line)
        toFile?.(line)
      },
    },
  )
  const logger = createLogger((level, event, fields) => {
    lines[level]({ event, ...redactFields(fields) })
  }, level)
  return {
    logger,
    async flush() {
      if (!isStreamGone && stream.writableLength > 0) await drained(stream)
      try {
        file?.flush()
      } catch {
        // A disk that is full or gone; nothing is left that could be said about it.
      }
    },
  }
}

function openFile(options: PinoLoggerOptions, clock: Clock): DailyFile | undefined {
  if (options.file === undefined) return undefined
  const keepFiles = options.rotateKeepDays ?? keepDaysDefault
  const file = new DailyFile({ path: options.file, keepFiles, clock })
  file.open()
  return file
}

/** Turns a write that may throw into one that counts what it could not write. */
function lossy(clock: Clock, write: (line: string) => void): (line: string) => void {
  let lost = 0
  return (line) => {
    try {
      if (lost > 0) {
        const fields = {
          level: 'warn',
          time: timeText(clock),
          event: 'log.lines-lost',
          lines: lost,
        }
        write(`${JSON.stringify(fields)}\n`)
        lost = 0
      }
      write(line)
    } catch {
      lost += 1
    }
  }
}

function drained(stream: Writable): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, flushMs)
    const done = (): void => {
      clearTimeout(timer)
      resolve()
    }
    stream.once('error', done)
    stream.write('', done)
  })
}

function timeText(clock: Clock): string {
  return new Date(clock.now()).toISOString()
}
