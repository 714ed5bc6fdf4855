import type { DiscardReason, PublishOutcome, WithdrawableSink } from '../transport.ts'
import type { HandedRecord } from './spool-queue.ts'

/** Records of the disk that may be with the inner sink. */
const itemsMax = 500
const bytesMax = 8 * 1024 * 1024

/** What a forwarder tells. */
export interface ForwarderListener {
  /** It is published, or given up for this reason. */
  done(handed: HandedRecord, reason: DiscardReason | undefined): void
  /** The inner sink gave it back without a word about it: it has to go out again. */
  failed(): void
}

/** Gives records to the inner sink and keeps track of those that it has, within bounds. */
export class SpoolForwarder {
  readonly #inner: WithdrawableSink
  readonly #itemsMax: number
  readonly #listener: ForwarderListener
  /** By the function that the inner sink will call. */
  readonly #out = new Map<(outcome: PublishOutcome) => void, HandedRecord>()
  #bytes = 0
  #window: number

  /** @param options.itemsMax - How many results the inner sink may have in all. */
  constructor(
    inner: WithdrawableSink,
    options: { readonly itemsMax: number },
    listener: ForwarderListener,
  ) {
    this.#inner = inner
    this.#itemsMax = Math.min(options.itemsMax, itemsMax)
    this.#window = this.#itemsMax
    this.#listener = listener
  }

  /** Records with the inner sink. */
  get length(): number {
    return this.#out.size
  }

  /** Results that the inner sink may still get. */
  get itemsLeft(): number {
    return this.#bytes < bytesMax ? Math.max(this.#window - this.#inner.pending, 0) : 0
  }

  get bytesLeft(): number {
    return bytesMax - this.#bytes
  }

  /** Whether so little is left with the inner sink that it is time for more. */
  get isRunningOut(): boolean {
    return this.#inner.pending <= this.#window / 2
  }

  /** Goes on as if the broker had never kept silent. */
  open(): void {
    this.#window = this.#itemsMax
  }

  /**
   * Lets one result go out at a time until the broker answers: one that has kept silent would have
   * all of them twice.
   */
  probe(): void {
    this.#window = 1
  }

  /** The broker answers. */
  widen(): void {
    this.#window = Math.min(this.#window * 2, this.#itemsMax)
  }

  forward(handed: HandedRecord): void {
    handed.status = 'out'
    const settled = (outcome: PublishOutcome): void => {
      if (this.returned(settled) !== undefined) this.#settled(handed, outcome)
    }
    this.#out.set(settled, handed)
    this.#bytes += handed.record.size
    this.#inner.publish(handed.record.message, settled)
  }

  /** The inner sink does not have it any more. @returns `undefined` when it was not a record. */
  returned(settled: (outcome: PublishOutcome) => void): HandedRecord | undefined {
    const handed = this.#out.get(settled)
    if (handed === undefined) return undefined
    this.#out.delete(settled)
    this.#bytes -= handed.record.size
    return handed
  }

  #settled(handed: HandedRecord, outcome: PublishOutcome): void {
    if (outcome === 'published') {
      this.widen()
      this.#listener.done(handed, undefined)
    } else if (outcome === 'too-large' || outcome === 'refused') {
      this.#listener.done(handed, outcome)
    } else {
      handed.status = 'failed'
      this.#listener.failed()
    }
  }
}
