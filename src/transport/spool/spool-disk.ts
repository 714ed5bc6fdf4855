import type { SpoolSettings } from '../../config/settings.ts'
import type { Clock } from '../../core/clock.ts'
import { DiskTrouble } from '../../core/disk-trouble.ts'
import { asEdgebootError, errorClause } from '../../core/errors.ts'
import type { Logger } from '../../core/log.ts'
import type { DiscardReason, UnsettledResult } from '../transport.ts'
import { SpoolClock } from './spool-clock.ts'
import { SpoolQueue, type HeadRecord } from './spool-queue.ts'
import type { SpoolStore } from './spool-store.ts'

/** What a disk needs from around it. */
export interface SpoolDiskParts {
  readonly settings: SpoolSettings
  readonly clock: Clock
  readonly log: Logger
  /** Opens the store, or makes it. */
  readonly openStore: () => SpoolStore
  /** Whether an earlier run left one. */
  readonly hasStore: () => boolean
  /** Source in [0, 1). */
  readonly random: () => number
  readonly discarded: (reason: DiscardReason, results: number) => void
  readonly recovered: (results: number) => void
  /** Results that wait for the disk. */
  readonly waiting: () => number
}

/**
 * The disk, as far as it works: opened when it is first needed, tried again with backoff when it
 * fails. Nothing in here throws.
 */
export class SpoolDisk {
  readonly #parts: SpoolDiskParts
  readonly #trouble: DiskTrouble
  #queue: SpoolQueue | undefined
  #spoolClock: SpoolClock | undefined
  #hasUnopened = false

  constructor(parts: SpoolDiskParts) {
    this.#parts = parts
    const { clock, log, random } = parts
    const events = { unavailable: 'spool.unavailable', available: 'spool.available' }
    this.#trouble = new DiskTrouble({ clock, log, random, events })
  }

  /** Opens what an earlier run left. */
  start(): void {
    try {
      this.#hasUnopened = this.#parts.hasStore()
    } catch (error) {
      this.#failed(error)
    }
    this.openLeft()
  }

  /** What is on the disk; `undefined` before it is first needed, or while it cannot be opened. */
  get queue(): SpoolQueue | undefined {
    return this.#queue
  }

  /** Whether there are records to hand out. */
  get hasUnhanded(): boolean {
    return this.#queue !== undefined && this.#queue.unhanded > 0
  }

  /** Why it takes nothing, in a clause; `undefined` when it does. */
  get problem(): string | undefined {
    const { error } = this.#trouble
    return error && errorClause(error)
  }

  /** Whether it may be tried now. */
  get mayTry(): boolean {
    return this.#trouble.mayTry
  }

  /** Lets the next attempt be made at once. */
  retryNow(): void {
    this.#trouble.retryNow()
  }

  /** Nothing waits for it any more: what was wrong with it does not matter. */
  forget(): void {
    if (!this.#hasUnopened) this.#trouble.forget()
  }

  /** Tries again to open what an earlier run left. @returns Whether it held records. */
  openLeft(): boolean {
    return this.#hasUnopened && this.open() && this.hasUnhanded
  }

  /** Opens it, or makes it. @returns Whether it is open. */
  open(): boolean {
    if (this.#queue !== undefined) return true
    if (!this.#trouble.mayTry) return false
    const { clock, settings, log } = this.#parts
    try {
      const store = this.#parts.openStore()
      this.#spoolClock = new SpoolClock(clock, store.newestCreated)
      this.#queue = new SpoolQueue(store, settings, this.#spoolClock, (reason, results) =>
        this.#parts.discarded(reason, results),
      )
    } catch (error) {
      this.#failed(error)
      return false
    }
    this.#hasUnopened = false
    this.#trouble.worked()
    const results = this.#queue.length
    if (results > 0) {
      log.info('spool.recovered', { file: settings.file, results })
      this.#parts.recovered(results)
    }
    return true
  }

  /** The result as a record. Only while the disk is open. */
  record({ message, since }: UnsettledResult): HeadRecord {
    return { message, created: this.#spoolClock?.stampOf(since) ?? this.#parts.clock.now() }
  }

  /** Adds something. @returns Whether it is durable. */
  write(work: (queue: SpoolQueue) => void): boolean {
    const isWritten = this.attempt(work)
    if (isWritten) this.#trouble.worked()
    return isWritten
  }

  /** Does something that need not be durable. @returns Whether it worked. */
  attempt(work: (queue: SpoolQueue) => void): boolean {
    if (this.#queue === undefined) return false
    try {
      work(this.#queue)
      return true
    } catch (error) {
      this.#failed(error)
      return false
    }
  }

  close(): void {
    this.#queue?.close()
  }

  #failed(thrown: unknown): void {
    this.#trouble.failed(asEdgebootError(thrown), this.#parts.waiting())
  }
}
