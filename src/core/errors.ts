import { catalogue, type ErrorCode } from './error-catalogue.ts'

/** What an error carries besides its code and its text. */
export interface ErrorDetails {
  /** Where: a file with line and column, a broker address without its password, a rule, a model. */
  readonly where?: string
  /** Facts for logs and for the API. Never a payload, never a secret. */
  readonly [key: string]: unknown
}

/**
 * The one error class of edgeboot. Branch on `code`, never on the message.
 *
 * `message` says what happened, to which named thing and why; `fix` says what to do about it.
 * What the catalogue knows of the code (exit status, whether a retry can help) is on the object.
 */
export class EdgebootError extends Error {
  override readonly name = 'EdgebootError'
  readonly code: ErrorCode
  readonly details: ErrorDetails
  /** What to do, in a sentence: the one given here, else the catalogue's. */
  readonly fix: string

  constructor(
    code: ErrorCode,
    message: string,
    options: { details?: ErrorDetails; cause?: unknown; fix?: string } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.details = options.details ?? {}
    this.fix = options.fix ?? catalogue[code].fix
  }

  /** Exit status of a command that ends with this error. */
  get exitCode(): number {
    return catalogue[this.code].exit
  }

  /** Whether the same attempt may succeed later without anyone changing anything. */
  get retryable(): boolean {
    return catalogue[this.code].retryable
  }
}

/** Wire shape of an error: JSON would strip name and message from the object itself. */
export interface WireError {
  readonly code: ErrorCode
  readonly message: string
  readonly fix: string
  readonly details: ErrorDetails
}

/** Makes any thrown value fit to be sent to another process. */
export function toWireError(thrown: unknown): WireError {
  const error = asEdgebootError(thrown)
  return { code: error.code, message: error.message, fix: error.fix, details: error.details }
}

/** Rebuilds what {@link toWireError} sent. */
export function fromWireError(wire: WireError): EdgebootError {
  return new EdgebootError(wire.code, wire.message, { details: wire.details, fix: wire.fix })
}

/** Wraps what is not ours as `INTERNAL_UNEXPECTED`, keeping it as the cause. */
export function asEdgebootError(thrown: unknown): EdgebootError {
  if (thrown instanceof EdgebootError) return thrown
  const message = thrown instanceof Error ? thrown.message : String(thrown)
  return new EdgebootError('INTERNAL_UNEXPECTED', message, { cause: thrown })
}

/** What happened and where, in one clause: the place is named once, wherever it stands. */
export function errorClause(error: EdgebootError): string {
  const { where } = error.details
  return where === undefined || error.message.includes(where)
    ? error.message
    : `${error.message} at ${where}`
}

/**
 * The error as a person reads it on a terminal: what, where, why, and what to do.
 *
 * @param options.debug - Adds stack traces, down the chain of causes.
 */
export function describeError(thrown: unknown, options: { debug?: boolean } = {}): string {
  const error = asEdgebootError(thrown)
  const lines = [`error: ${error.message} [${error.code}]`]
  if (error.details.where !== undefined) lines.push(`  at:  ${error.details.where}`)
  const cause = error.cause
  if (cause instanceof Error && !error.message.includes(cause.message)) {
    lines.push(`  why: ${cause.message}`)
  }
  lines.push(`  fix: ${error.fix}`)
  if (options.debug) {
    for (let link: unknown = error; link instanceof Error; link = link.cause) {
      lines.push(link.stack ?? String(link))
    }
  }
  return lines.join('\n')
}
