/** Lines of a log as they are told to somebody who tries out a model. */
import type { LogFields, LogLevel } from '../../core/log.ts'
import { escapedText } from '../escaped-text.ts'

/** What the store has to say that one who waits, or whose model will fail, wants to know. */
export function stepText(level: LogLevel, event: string, fields: LogFields): string | undefined {
  const { unmet, ms } = fields
  const lacks = Array.isArray(unmet) ? escapedText(unmet.join(', ')) : ''
  switch (event) {
    case 'model.environment-building':
      return `installing what its requirements.txt asks for: ${lacks}`
    case 'model.environment-built':
      return `installed in ${(Number(ms) / 1000).toFixed(1)} s`
    case 'model.requirements-ignored':
      return `warning: nothing is installed (models.python.install), and its Python lacks ${lacks}`
    case 'model.name-differs':
      return undefined // Whoever tries a model calls its folder as they like.
  }
  if (level !== 'warn' && level !== 'error') return undefined
  return `warning: ${event} ${escapedText(JSON.stringify(fields))}`
}

/** What a model prints as it is, what it logs with its level. */
export function printedText(level: LogLevel, event: string, fields: LogFields): string {
  const { line, message, ...rest } = fields
  if (event === 'model.print' && typeof line === 'string') return `model: ${line}`
  const said = typeof message === 'string' ? message : event
  const more = Object.keys(rest).length > 0 ? ` ${JSON.stringify(rest)}` : ''
  return `model ${level}: ${said}${more}`
}
