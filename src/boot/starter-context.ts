import type { Clock } from '../core/clock.ts'
import { EdgebootError } from '../core/errors.ts'
import type { Logger } from '../core/log.ts'

/** Names a service and its type. Two keys of one name are the same key. */
export interface ServiceKey<T> {
  readonly name: string
  /** Starter that provides it; for the error of those who look for it in vain. */
  readonly providedBy: string
  /** Never there: carries the type. */
  readonly __type?: T
}

/**
 * Makes the key of a service.
 *
 * @param providedBy - Name of the starter that provides it.
 * @example
 * const ledgerKey = serviceKey<Ledger>('ledger', 'ledger-starter')
 */
export function serviceKey<T>(name: string, providedBy = 'a starter of yours'): ServiceKey<T> {
  return { name, providedBy }
}

/** What a starter sees of the application. Each starter has its own, over shared services. */
export interface StarterContext {
  /** Adds the starter's name to every line. */
  readonly log: Logger
  readonly clock: Clock
  /** Aborted when stopping begins. */
  readonly signal: AbortSignal
  /**
   * Offers a service to the other starters.
   *
   * @throws EdgebootError `BOOT_SERVICE_DUPLICATE` when the key is taken.
   */
  readonly provide: <T>(key: ServiceKey<T>, value: T) => void
  /**
   * A service that must be there.
   *
   * @throws EdgebootError `BOOT_SERVICE_MISSING`, naming who should have provided it.
   */
  readonly get: <T>(key: ServiceKey<T>) => T
  /** A service that may be there. */
  readonly find: <T>(key: ServiceKey<T>) => T | undefined
  /**
   * Asks for the orderly stop of everything, from anywhere and at any time.
   *
   * @param reason - For the log, in a few words.
   * @param error - Makes the process end with this error's exit status.
   */
  readonly requestStop: (reason: string, error?: EdgebootError) => void
}

interface Provided {
  readonly value: unknown
  readonly by: string
}

/** What the contexts of all starters share. */
export class Services {
  readonly #provided = new Map<string, Provided>()

  provide(key: ServiceKey<unknown>, value: unknown, by: string): void {
    const earlier = this.#provided.get(key.name)
    if (earlier !== undefined) {
      const who = earlier.by === by ? 'itself' : `starter "${earlier.by}"`
      throw new EdgebootError(
        'BOOT_SERVICE_DUPLICATE',
        `Starter "${by}" provides the service "${key.name}", which ${who} has provided already.`,
        { details: { where: `starter "${by}"`, service: key.name } },
      )
    }
    this.#provided.set(key.name, { value, by })
  }

  find(key: ServiceKey<unknown>): { readonly value: unknown } | undefined {
    return this.#provided.get(key.name)
  }
}

/** What a context is made of. */
export interface ContextParts {
  readonly starter: string
  readonly log: Logger
  readonly clock: Clock
  readonly signal: AbortSignal
  readonly services: Services
  /** Names of all registered starters, to tell "not registered" from "not yet". */
  readonly registered: ReadonlySet<string>
  readonly requestStop: (reason: string, error?: EdgebootError) => void
}

/** Builds the context of one starter. */
export function createStarterContext(parts: ContextParts): StarterContext {
  const { services, starter } = parts
  return {
    log: parts.log.child({ starter }),
    clock: parts.clock,
    signal: parts.signal,
    provide: (key, value) => services.provide(key, value, starter),
    get<T>(key: ServiceKey<T>): T {
      const found = services.find(key)
      if (found === undefined) throw missingService(key, parts)
      return found.value as T
    },
    find: <T>(key: ServiceKey<T>) => services.find(key)?.value as T | undefined,
    requestStop: (reason, error) => parts.requestStop(reason, error),
  }
}

function missingService(key: ServiceKey<unknown>, parts: ContextParts): EdgebootError {
  const why = parts.registered.has(key.providedBy)
    ? `starter "${key.providedBy}" has not provided it yet`
    : `its provider, "${key.providedBy}", is not among the registered starters`
  return new EdgebootError(
    'BOOT_SERVICE_MISSING',
    `Starter "${parts.starter}" asked for the service "${key.name}", but ${why}.`,
    { details: { where: `starter "${parts.starter}"`, service: key.name } },
  )
}
