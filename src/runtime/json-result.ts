import type { InferOutcome } from './runner.ts'

const empty: InferOutcome = { kind: 'empty' }

/** What means "nothing to publish", as JSON text. */
const unpublished: ReadonlySet<string> = new Set(['null', '"null"', '{}', '"{}"'])
const unpublishedBytesMax = 6

/** Whether a payload, of whatever origin, means "nothing to publish". */
export function isUnpublished(payload: Uint8Array): boolean {
  if (payload.length > unpublishedBytesMax) return false
  return payload.length === 0 || unpublished.has(Buffer.from(payload).toString('latin1'))
}

/** A handler returned what cannot be published. */
export class ResultError extends TypeError {
  override readonly name = 'ResultError'
}

/**
 * What a handler returned, as what is published: JSON in UTF-8, a `Uint8Array` as it is, nothing
 * for `undefined`, `null`, `"null"`, `"{}"` and `{}`.
 *
 * @throws ResultError for what JSON cannot hold: `NaN` or infinite numbers, a function, a BigInt, a
 * cycle, a Map or Set; and for more than `bytesMax`. `JSON.stringify` would make `null` or nothing
 * of most of these without a word.
 */
export function encodeJsonResult(result: unknown, bytesMax: number): InferOutcome {
  if (result === undefined || result === null) return empty
  const payload = result instanceof Uint8Array ? result : toJson(result)
  if (payload === undefined) return empty
  if (payload.length > bytesMax) {
    throw new ResultError(`a result of ${payload.length} bytes; at most ${bytesMax} are published`)
  }
  return { kind: 'value', payload }
}

function toJson(result: unknown): Uint8Array | undefined {
  const text = stringify(result)
  if (text === undefined) {
    throw new ResultError(`a result of type ${typeof result} cannot be written as JSON`)
  }
  // Only a text with `null` or `{}` in it can hide what JSON has no word for.
  if (text.includes('null') || text.includes('{}')) refuseHidden(result, 'the result')
  return unpublished.has(text) ? undefined : Buffer.from(text)
}

function stringify(result: unknown): string | undefined {
  try {
    return JSON.stringify(result)
  } catch (error) {
    const bigint = typeof result === 'bigint' || String(error).includes('BigInt')
    const cycle = String(error).includes('circular')
    if (bigint) throw new ResultError('a BigInt cannot be written as JSON', { cause: error })
    if (cycle) throw new ResultError('the result contains itself', { cause: error })
    throw error // the model's own toJSON threw
  }
}

/** Walks a value that JSON.stringify could write, so it has no cycle. */
function refuseHidden(value: unknown, place: string): void {
  if (typeof value === 'number' && !Number.isFinite(value)) {
    throw new ResultError(`${place} is ${value}, which JSON cannot hold`)
  }
  if (typeof value === 'function' || typeof value === 'symbol') {
    throw new ResultError(`${place} is a ${typeof value}, which JSON cannot hold`)
  }
  if (typeof value !== 'object' || value === null) return
  if (value instanceof Map || value instanceof Set) {
    throw new ResultError(`${place} is a ${value.constructor.name}, which JSON cannot hold`)
  }
  if ('toJSON' in value && typeof value.toJSON === 'function') {
    refuseHidden(value.toJSON(), place)
    return
  }
  for (const [key, member] of Object.entries(value)) refuseHidden(member, `${place}.${key}`)
}
