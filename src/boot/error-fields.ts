import { asEdgebootError } from '../core/errors.ts'
import type { LogFields } from '../core/log.ts'

/** An error as fields of a log line: what happened, where, and what to do. Never a stack. */
export function errorFields(thrown: unknown): LogFields {
  const { code, message, details, fix } = asEdgebootError(thrown)
  const where = details.where === undefined ? {} : { where: details.where }
  return { code, error: message, ...where, fix }
}
