import type { Clock } from '../core/clock.ts'

/** The end of a pipeline: waits until it is empty, but not for ever. */
export class Drain {
  readonly #clock: Clock
  #isOver: (() => void) | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Somebody waits. */
  get isAwaited(): boolean {
    return this.#isOver !== undefined
  }

  /** Resolves with {@link Drain.finish}, or after `drainMs`. */
  async wait(drainMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = this.#clock.after(drainMs, resolve, { keepAlive: true })
    this.#isOver = resolve
    await promise
    timer.cancel()
  }

  /** It is empty. */
  finish(): void {
    this.#isOver?.()
    this.#isOver = undefined
  }
}
