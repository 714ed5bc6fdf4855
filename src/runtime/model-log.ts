import { logLevels, type LogLevel } from '../core/log.ts'
import type { ModelLog } from './define-model.ts'
import type { LogMessage } from './worker-messages.ts'

const fieldsCharsMax = 16 * 1024
const messageCharsMax = 4 * 1024

/**
 * `context.log` of a JavaScript model. Whatever it is given becomes plain data of bounded size: a
 * line of a log must never be what breaks a model.
 */
export function createModelLog(write: (message: LogMessage) => void): ModelLog {
  const writer =
    (level: LogLevel) =>
    (message: unknown, fields?: Readonly<Record<string, unknown>>): void => {
      const text = String(message).slice(0, messageCharsMax)
      write({ level, event: 'model.log', fields: { ...plainFields(fields), message: text } })
    }
  const entries = logLevels.map((level) => [level, writer(level)] as const)
  return Object.fromEntries(entries) as unknown as ModelLog
}

function plainFields(fields: unknown): Record<string, unknown> {
  try {
    const text = JSON.stringify(fields) as string | undefined
    if (text === undefined) return {}
    if (text.length > fieldsCharsMax) return { fields: 'left out: too large' }
    const plain: unknown = JSON.parse(text)
    return typeof plain === 'object' && plain !== null ? { ...plain } : { fields: plain }
  } catch (error) {
    return { fields: `left out: ${error instanceof Error ? error.message : 'not JSON'}` }
  }
}
