import { asEdgebootError, EdgebootError } from '../core/errors.ts'
import type { LogFields } from '../core/log.ts'

/** Values under keys that end like this are never written. */
const secretKey = /(password|passwd|passphrase|secret|token|authorization)$/i
/** User and password in a URL, wherever it stands in a text. */
const urlCredentials = /\b([a-z][a-z0-9+.-]*:\/\/)[^\s/@]*@/gi

const hidden = '[redacted]'
const depthMax = 6
const itemsMax = 100
/** Names that the logger itself gives to every line. */
const ownNames = new Set(['level', 'time', 'event'])

/**
 * Makes the fields of a log line fit to be written: secrets are replaced, errors become plain
 * objects without a stack, what is too deep or too long is cut, and no field takes the place of
 * `level`, `time` or `event`. Never throws, whatever the fields hold.
 */
export function redactFields(fields: LogFields): Record<string, unknown> {
  const result: Record<string, unknown> = {}
  try {
    for (const [key, value] of Object.entries(fields)) {
      result[ownNames.has(key) ? `${key}_` : key] = redact(key, value, 1)
    }
  } catch (error) {
    // A getter or a toJSON that throws; the rest of the line is worth more than its fault.
    result['unloggable'] = asEdgebootError(error).message
  }
  return result
}

function redact(key: string, value: unknown, depth: number): unknown {
  if (secretKey.test(key) && value !== undefined) return hidden
  if (typeof value === 'string') return value.replace(urlCredentials, `$1${hidden}@`)
  if (typeof value === 'bigint') return String(value)
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value)
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof Uint8Array) return `${value.byteLength} bytes`
  if (depth >= depthMax) return Array.isArray(value) ? '[list]' : '[object]'
  if (value instanceof Error) return redactError(value, depth)
  if (value instanceof Date || value instanceof URL) return redact(key, value.toJSON(), depth)
  if (Array.isArray(value)) {
    const items = value.slice(0, itemsMax).map((item) => redact('', item, depth + 1))
    if (value.length > itemsMax) items.push(`and ${value.length - itemsMax} more`)
    return items
  }
  const entries = Object.entries(value).slice(0, itemsMax)
  return Object.fromEntries(entries.map(([name, inner]) => [name, redact(name, inner, depth + 1)]))
}

function redactError(error: Error, depth: number): unknown {
  const known =
    error instanceof EdgebootError
      ? { code: error.code, message: error.message, ...error.details, fix: error.fix }
      : { type: error.name, message: error.message }
  return redact('', known, depth)
}
