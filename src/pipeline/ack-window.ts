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
 */
export class AckWindow {
  readonly #entries = new Deque<WindowEntry>()
  readonly #acknowledge: (token: AckToken) => void
  #epoch = -1

  constructor(acknowledge: (token: AckToken) => void) {
    this.#acknowledge = acknowledge
  }

  /** Messages received on this connection and not yet acknowledged. */
  get size(): number {
    return this.#entries.length
  }

  /** Takes in a message. Call in the order of receipt. */
  open(token: AckToken): WindowEntry {
    if (token.epoch !== this.#epoch) {
      this.#epoch = token.epoch
      while (this.#entries.shift() !== undefined) {
        // Of an older connection: nobody can acknowledge these any more.
      }
    }
    const entry: WindowEntry = { token, settled: false }
    this.#entries.push(entry)
    return entry
  }

  /** The message is dealt with. Acknowledges it and what was only waiting for it. Idempotent. */
  settle(entry: WindowEntry): void {
    entry.settled = true
    for (let head = this.#entries.peek(); head?.settled === true; head = this.#entries.peek()) {
      this.#entries.shift()
      this.#acknowledge(head.token)
    }
  }
}
