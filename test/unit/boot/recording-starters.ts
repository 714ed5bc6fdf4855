import { defineStarter, type Starter, type StarterDefinition } from '../../../src/boot/starter.ts'
import { createLogger, type LogFields, type Logger } from '../../../src/core/log.ts'

/** A starter that writes `name.phase` into `calls` and then does what the definition says. */
export function recording(calls: string[], definition: StarterDefinition): Starter {
  const { name } = definition
  return defineStarter({
    ...definition,
    init(context) {
      calls.push(`${name}.init`)
      return definition.init?.(context)
    },
    setup(context) {
      calls.push(`${name}.setup`)
      return definition.setup?.(context)
    },
    start(context) {
      calls.push(`${name}.start`)
      return definition.start?.(context)
    },
    stop(context) {
      calls.push(`${name}.stop`)
      return definition.stop?.(context)
    },
  })
}

/** One line of a {@link recordingLogger}. */
export interface Line {
  readonly level: string
  readonly event: string
  readonly fields: LogFields
}

/** A logger that keeps its lines. */
export function recordingLogger(): { readonly log: Logger; readonly lines: Line[] } {
  const lines: Line[] = []
  const write = (level: string, event: string, fields: LogFields): void => {
    lines.push({ level, event, fields })
  }
  return { log: createLogger(write, 'debug'), lines }
}
