import { Deque } from '../core/deque.ts'
import type { AckToken } from '../transport/transport.ts'

/** A message that waits for its acknowledgement. */
export interface WindowEntry {
  readonly token: AckToken
  settled: boolean
}

/**
 * Acknowledges messages in the order in which they came, each only when it and all before it are
 * settled: MQTT wants PUBACKs in the order of the PUBLISHes (MQTT-4.6.0-2), and a message may be
 * acknowledged only when its results are safe. One that is never settled holds back all behind
 * it, for the broker to send again. An entry of an older connection is forgotten as soon as a
 * newer one shows up: the broker sends it again as well. As long as the source, which has a
 * window of its own: this adds no bound.
 *
 * What may be acknowledged waits for {@link release}, so that it can be recorded before.
 */
export class AckWindow {
  readonly #entries = new Deque<WindowEntry>()
  readonly #acknowledge: (token: AckToken) => void
  readonly #due: () => void
  /** To be acknowledged. */
  #settled: AckToken[] = []
  #epoch = -1

  /** @param due - There is something to release. */
  constructor(acknowledge: (token: AckToken) => void, due: () => void) {
    this.#acknowledge = acknowledge
    this.#due = due
  }

  /** Messages received on this connection and not yet acknowledged. */
  get size(): number {
    return this.#entries.length + this.#settled.length
  }

  /** Takes in a message. Call in the order of receipt. */
  open(token: AckToken): WindowEntry {
    if (token.epoch !== this.#epoch) {
      this.#epoch = token.epoch
      while (this.#entries.shift() !== undefined) {
        // Of an older connection: nobody can acknowledge these any more.
      }
      this.#settled = []
    }
    const entry: WindowEntry = { token, settled: false }
    this.#entries.push(entry)
    return entry
  }

  /** The message is dealt with, and can be acknowledged when all before it are. Idempotent. */
  settle(entry: WindowEntry): void {
    entry.settled = true
    if (this.#entries.peek()?.settled !== true) return
    if (this.#settled.length === 0) this.#due()
    for (let head = this.#entries.peek(); head?.settled === true; head = this.#entries.peek()) {
      this.#entries.shift()
      this.#settled.push(head.token)
    }
  }

  /** Acknowledges what was settled before this call. */
  release(): void {
    const settled = this.#settled
    this.#settled = []
    for (const token of settled) this.#acknowledge(token)
  }
}
