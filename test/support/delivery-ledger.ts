/** Messages of one run of a kill test, and what became of them. Pure. */

/** What was lost, came out of order, or came more than once. */
export interface DeliverySummary {
  /** Different messages that were published. */
  readonly sent: number
  /** Different messages whose result came. */
  readonly delivered: number
  readonly lost: number
  /** Some of the lost, as `device/seq`. */
  readonly lostExamples: readonly string[]
  /** First results of a device that came after one with a higher number, as `device/seq`. */
  readonly disordered: readonly string[]
  /** Results for messages that were never published. */
  readonly unknown: readonly string[]
  /** Results beyond the first of each message, by who made them. */
  readonly duplicates: {
    /** As many as the publisher sent the message more than once. */
    readonly byPublisher: number
    /** Of the rest, those collected before from a broker that was killed and forgot it. */
    readonly byBroker: number
    /** All others: what the guarantee of edgeboot speaks of. */
    readonly byEdgeboot: number
  }
}

interface Entry {
  published: number
  readonly collectedAt: number[]
}

/** A span of time that a broker forgot. */
interface Forgotten {
  readonly from: number
  readonly to: number
}

const examplesMax = 10

/**
 * Counts every message in and every result out, and says at the end what the difference is.
 * Messages are known by device and number; numbers of a device grow. Times are of one clock.
 */
export class DeliveryLedger {
  readonly #entries = new Map<string, Entry>()
  readonly #highest = new Map<string, number>()
  readonly #forgotten: Forgotten[] = []
  readonly #disordered: string[] = []
  readonly #unknown: string[] = []
  #delivered = 0

  /** A message is published, for the first time or again. */
  published(device: string, seq: number): void {
    const key = `${device}/${seq}`
    const entry = this.#entries.get(key)
    if (entry === undefined) this.#entries.set(key, { published: 1, collectedAt: [] })
    else entry.published += 1
  }

  /** A result came. */
  collected(device: string, seq: number, at: number): void {
    const key = `${device}/${seq}`
    const entry = this.#entries.get(key)
    if (entry === undefined) {
      this.#unknown.push(key)
      return
    }
    entry.collectedAt.push(at)
    if (entry.collectedAt.length > 1) return
    this.#delivered += 1
    const highest = this.#highest.get(device) ?? -1
    if (seq < highest) this.#disordered.push(key)
    else this.#highest.set(device, seq)
  }

  /** A broker was killed at `to`, and what it has on its disk is from `from`. */
  brokerForgot(from: number, to: number): void {
    this.#forgotten.push({ from, to })
  }

  /** Different messages whose result came so far. */
  get delivered(): number {
    return this.#delivered
  }

  /** Different messages published so far. */
  get sent(): number {
    return this.#entries.size
  }

  summary(): DeliverySummary {
    const lost = [...this.#entries].filter(([, entry]) => entry.collectedAt.length === 0)
    const duplicates = { byPublisher: 0, byBroker: 0, byEdgeboot: 0 }
    for (const { published, collectedAt } of this.#entries.values()) {
      const extra = Math.max(0, collectedAt.length - 1)
      const byPublisher = Math.min(extra, published - 1)
      duplicates.byPublisher += byPublisher
      const culprit = this.#wasForgotten(collectedAt) ? 'byBroker' : 'byEdgeboot'
      duplicates[culprit] += extra - byPublisher
    }
    return {
      sent: this.sent,
      delivered: this.#delivered,
      lost: lost.length,
      lostExamples: lost.slice(0, examplesMax).map(([key]) => key),
      disordered: this.#disordered,
      unknown: this.#unknown,
      duplicates,
    }
  }

  #wasForgotten(collectedAt: readonly number[]): boolean {
    return this.#forgotten.some(({ from, to }) => collectedAt.some((at) => at >= from && at <= to))
  }
}
