/** What an answer with a packet identifier can be to. */
type RequestKind = 'subscribe' | 'unsubscribe'

interface Request {
  readonly kind: RequestKind
  readonly answered: (code: number) => void
}

const idMax = 65_535

/**
 * What we sent and the broker must answer, by packet identifier. No identifier is used again while
 * its answer is out (MQTT 5.0, 2.2.1), whichever packet it belongs to: they share one space.
 */
export class UnansweredPackets {
  readonly #publishes = new Map<number, (code: number) => void>()
  readonly #requests = new Map<number, Request>()
  #lastId = 0

  /** QoS 1 publishes without a PUBACK. */
  get publishes(): number {
    return this.#publishes.size
  }

  /** @returns The identifier for a PUBLISH. */
  addPublish(done: (code: number) => void): number {
    const id = this.#freeId()
    this.#publishes.set(id, done)
    return id
  }

  /** @returns The identifier for a SUBSCRIBE or an UNSUBSCRIBE. */
  addRequest(kind: RequestKind, answered: (code: number) => void): number {
    const id = this.#freeId()
    this.#requests.set(id, { kind, answered })
    return id
  }

  /** Who waits for this PUBACK, once; `undefined` when nobody does. */
  takePublish(id: number): ((code: number) => void) | undefined {
    const done = this.#publishes.get(id)
    if (done !== undefined) this.#publishes.delete(id)
    return done
  }

  /** Who waits for this SUBACK or UNSUBACK, once; `undefined` when nobody does. */
  takeRequest(kind: RequestKind, id: number): ((code: number) => void) | undefined {
    const request = this.#requests.get(id)
    if (request?.kind !== kind) return undefined
    this.#requests.delete(id)
    return request.answered
  }

  /** Nobody waits any more. */
  clear(): void {
    this.#publishes.clear()
    this.#requests.clear()
  }

  #freeId(): number {
    for (let tries = 0; tries < idMax; tries++) {
      this.#lastId = this.#lastId === idMax ? 1 : this.#lastId + 1
      if (!this.#publishes.has(this.#lastId) && !this.#requests.has(this.#lastId)) {
        return this.#lastId
      }
    }
    // The owner holds back long before: this is a fault of ours.
    throw new RangeError('every packet identifier is in use')
  }
}
