/** Facts of one log line. Values must survive JSON. Never a payload at `info` or above, never a secret. */
export type LogFields = Readonly<Record<string, unknown>>

/** How loud; the order is the order of the words in {@link logLevels}. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

/** Levels from the most talkative to the quietest. */
export const logLevels: readonly LogLevel[] = ['debug', 'info', 'warn', 'error']

/**
 * Where log lines go. A line is an event with fields, such as `runner.restarted` with
 * `{ delayMs: 200 }`: data never becomes part of the event's name.
 */
export interface Logger {
  log(level: LogLevel, event: string, fields?: LogFields): void
  debug(event: string, fields?: LogFields): void
  info(event: string, fields?: LogFields): void
  warn(event: string, fields?: LogFields): void
  error(event: string, fields?: LogFields): void
  /** A logger that adds these fields to every line. */
  child(fields: LogFields): Logger
}

/**
 * Builds a {@link Logger} over one writing function; levels below `threshold` cost a comparison.
 */
export function createLogger(
  write: (level: LogLevel, event: string, fields: LogFields) => void,
  threshold: LogLevel,
  bound: LogFields = {},
): Logger {
  const lowest = logLevels.indexOf(threshold)
  const log = (level: LogLevel, event: string, fields?: LogFields): void => {
    if (logLevels.indexOf(level) < lowest) return
    write(level, event, fields === undefined ? bound : { ...bound, ...fields })
  }
  return {
    log,
    debug: (event, fields) => log('debug', event, fields),
    info: (event, fields) => log('info', event, fields),
    warn: (event, fields) => log('warn', event, fields),
    error: (event, fields) => log('error', event, fields),
    child: (fields) => createLogger(write, threshold, { ...bound, ...fields }),
  }
}

/** Swallows everything. */
export const silentLogger: Logger = createLogger(() => {}, 'error')
