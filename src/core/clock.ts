/** A timer that was set and can be cancelled. */
export interface Timer {
  cancel(): void
}

/** Time as everything in edgeboot sees it, so that tests can own it. */
export interface Clock {
  /** Wall clock, milliseconds since 1970: for stamps only. It may jump. */
  now(): number
  /** Milliseconds from some start, never backwards: for deadlines and durations. */
  monotonic(): number
  /**
   * Runs `callback` once after `delayMs`.
   *
   * @param options.keepAlive - Whether the pending timer keeps the process alive; default false.
   */
  after(delayMs: number, callback: () => void, options?: { keepAlive?: boolean }): Timer
}

/** The machine's own time. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(delayMs, callback, options) {
    const handle = setTimeout(callback, delayMs)
    if (!options?.keepAlive) handle.unref()
    return { cancel: () => clearTimeout(handle) }
  },
}
