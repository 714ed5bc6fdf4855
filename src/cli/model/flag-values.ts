import { InvalidArgumentError } from 'commander'
import { parseDurationMs } from '../../config/duration.ts'

/** The value of `--params`. @throws InvalidArgumentError when it is no JSON object. */
export function parseParams(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      return value as Record<string, unknown>
    }
  } catch {
    // Said below.
  }
  throw new InvalidArgumentError('Give a JSON object, such as \'{"limit": 80}\'.')
}

/** A time such as `10s`, in milliseconds. @throws InvalidArgumentError when it is none, or zero. */
export function parseTimeout(text: string): number {
  const ms = parseDurationMs(text)
  if (ms === undefined || ms === 0) throw new InvalidArgumentError('Give a time such as 10s or 2m.')
  return ms
}
