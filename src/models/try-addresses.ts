import type { Clock } from '../core/clock.ts'
import { asEdgebootError, EdgebootError } from '../core/errors.ts'
import type { Logger } from '../core/log.ts'
import { displayAddress } from './package-address.ts'
import { asStoreError } from './store-error.ts'

/** What trying several addresses needs from around it. */
export interface AddressTrial {
  readonly model: string
  /** At least one. */
  readonly addresses: readonly string[]
  /** What all of them have together, milliseconds. */
  readonly totalMs: number
  readonly signal?: AbortSignal | undefined
  readonly clock: Clock
  readonly log: Logger
}

/**
 * Tries one address after the other until one succeeds; all share the time that one has.
 *
 * @throws What the only one throws; of several, an error that says of each why not; the reason of
 * the signal.
 */
export async function tryAddresses<T>(
  { model, addresses, totalMs, signal, clock, log }: AddressTrial,
  attempt: (address: string, remainingMs: number) => Promise<T>,
): Promise<T> {
  const failures: EdgebootError[] = []
  const startedAt = clock.monotonic()
  for (const address of addresses) {
    const remainingMs = totalMs - (clock.monotonic() - startedAt)
    if (failures.length > 0 && remainingMs <= 0) break
    try {
      return await attempt(address, remainingMs)
    } catch (thrown) {
      if (addresses.length === 1 || signal?.aborted === true) throw thrown
      const where = displayAddress(address)
      const error = asEdgebootError(asStoreError(thrown, 'fetch it', where))
      failures.push(error)
      if (failures.length === addresses.length) break
      const { code, message: reason } = error
      log.warn('model.next-address', { model, address: where, code, reason })
    }
  }
  throw allFailedError(model, failures, addresses)
}

/** The code is that of a failure that may pass, if there is one: then it is worth to try again. */
function allFailedError(
  model: string,
  failures: readonly EdgebootError[],
  addresses: readonly string[],
): EdgebootError {
  const main = failures.findLast(({ retryable }) => retryable) ?? failures.at(-1)
  const reasons = addresses.map((address, index) => {
    const reason = failures[index]?.message ?? 'no time left to try it (models.limits.totalTimeout)'
    return `${displayAddress(address)}: ${reason}`
  })
  return new EdgebootError(
    main?.code ?? 'MODEL_DOWNLOAD_FAILED',
    `model '${model}' can be had from none of ${addresses.length} addresses: ${reasons.join('; ')}`,
    {
      details: { ...main?.details, model },
      cause: main,
      ...(main !== undefined && { fix: main.fix }),
    },
  )
}
