/** What a result says: whose it is, which message of that key it answers, and which version made it. */
export interface SwapResult {
  readonly key: number
  /** Counted from 0 for each key. */
  readonly n: number
  readonly version: number
}

/** What became of the messages of all keys. Without a fault all but `sent` are 0. */
export interface SwapTotals {
  readonly sent: number
  /** Messages without a result. */
  readonly lost: number
  /** Results of a message that had one. */
  readonly duplicates: number
  /** Results that came after that of a later message of their key. */
  readonly disordered: number
  /** Results of a version older than one that had answered their key before. */
  readonly backwards: number
  /** Results of messages that were never sent. */
  readonly strange: number
}

interface KeyAccount {
  sent: number
  readonly answered: Set<number>
  highest: number
  newestVersion: number
}

/** Counts, key by key, what goes in and what comes out while versions of a model come and go. */
export class SwapAccount {
  readonly #keys: readonly KeyAccount[]
  #duplicates = 0
  #disordered = 0
  #backwards = 0
  #strange = 0

  constructor(keys: number) {
    this.#keys = Array.from({ length: keys }, () => ({
      sent: 0,
      answered: new Set(),
      highest: -1,
      newestVersion: 0,
    }))
  }

  /** @returns The number of the message of this key that is sent now. */
  send(key: number): number {
    const account = this.#keys[key]
    if (account === undefined) throw new RangeError(`there is no key ${key}`)
    return account.sent++
  }

  /** @returns Whether it is the first result of a message that was sent. */
  answer({ key, n, version }: SwapResult): boolean {
    const account = this.#keys[key]
    if (account === undefined || !(Number.isInteger(n) && n >= 0 && n < account.sent)) {
      this.#strange += 1
      return false
    }
    if (version >= account.newestVersion) account.newestVersion = version
    else this.#backwards += 1
    if (account.answered.has(n)) {
      this.#duplicates += 1
      return false
    }
    account.answered.add(n)
    if (n > account.highest) account.highest = n
    else this.#disordered += 1
    return true
  }

  get totals(): SwapTotals {
    let [sent, answered] = [0, 0]
    for (const account of this.#keys) {
      sent += account.sent
      answered += account.answered.size
    }
    return {
      sent,
      lost: sent - answered,
      duplicates: this.#duplicates,
      disordered: this.#disordered,
      backwards: this.#backwards,
      strange: this.#strange,
    }
  }
}

/** Whether every message has exactly one result, in order, and no key went back to a version. */
export function isFlawless({ sent: _sent, ...faults }: SwapTotals): boolean {
  return Object.values(faults).every((count) => count === 0)
}
