/**
 * A first-in-first-out queue on a growing ring: `push`, `shift` and `unshift` in constant time,
 * where an array's own `shift` copies.
 */
export class Deque<T> {
  // A literal: anything else costs a microsecond, and lanes of devices are made all the time.
  #ring: (T | undefined)[] = [undefined, undefined, undefined, undefined]
  #head = 0
  #length = 0

  get length(): number {
    return this.#length
  }

  push(item: T): void {
    if (this.#length === this.#ring.length) this.#grow()
    this.#ring[(this.#head + this.#length) & (this.#ring.length - 1)] = item
    this.#length += 1
  }

  unshift(item: T): void {
    if (this.#length === this.#ring.length) this.#grow()
    this.#head = (this.#head - 1) & (this.#ring.length - 1)
    this.#ring[this.#head] = item
    this.#length += 1
  }

  shift(): T | undefined {
    if (this.#length === 0) return undefined
    const item = this.#ring[this.#head]
    this.#ring[this.#head] = undefined
    this.#head = (this.#head + 1) & (this.#ring.length - 1)
    this.#length -= 1
    return item
  }

  peek(): T | undefined {
    return this.#length === 0 ? undefined : this.#ring[this.#head]
  }

  *[Symbol.iterator](): Iterator<T> {
    for (let i = 0; i < this.#length; i++) {
      yield this.#ring[(this.#head + i) & (this.#ring.length - 1)] as T
    }
  }

  #grow(): void {
    const { length } = this.#ring
    const bigger: (T | undefined)[] = []
    for (let i = 0; i < length; i++) bigger.push(this.#ring[(this.#head + i) & (length - 1)])
    for (let i = 0; i < length; i++) bigger.push(undefined)
    this.#ring = bigger
    this.#head = 0
  }
}
