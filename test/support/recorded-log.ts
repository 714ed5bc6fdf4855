import { createLogger, type LogFields, type Logger, type LogLevel } from '../../src/core/log.ts'

/** One line of a {@link RecordedLog}. */
export interface RecordedLine {
  readonly level: LogLevel
  readonly event: string
  readonly fields: LogFields
}

/** A log that remembers. */
export class RecordedLog {
  readonly lines: RecordedLine[] = []
  readonly logger: Logger = createLogger((level, event, fields) => {
    this.lines.push({ level, event, fields })
  }, 'debug')

  /** The fields of every line of this event. */
  of(event: string): LogFields[] {
    return this.lines.filter((line) => line.event === event).map((line) => line.fields)
  }

  /** All of it as text, to look for what must not be there. */
  get text(): string {
    return JSON.stringify(this.lines)
  }
}
