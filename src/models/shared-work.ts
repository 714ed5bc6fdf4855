interface Running<Result, Report> {
  readonly controller: AbortController
  readonly listeners: Set<(report: Report) => void>
  latest: Report | undefined
  readonly done: Promise<Result>
}

/**
 * Lets several callers wait for one piece of work: several pipelines use one model, and it is
 * fetched once. Each caller hears the reports, the latest at once when it comes late, and may
 * leave by its own signal; the work is cancelled when the last one has left. Nothing is kept
 * after the work has ended.
 */
export class SharedWork<Result, Report> {
  readonly #running = new Map<string, Running<Result, Report>>()

  /**
   * Joins the work of this key, or starts it.
   *
   * @param listener - Must not throw.
   * @throws What the work throws, or the reason of `signal`.
   */
  async join(
    key: string,
    signal: AbortSignal | undefined,
    listener: (report: Report) => void,
    start: (signal: AbortSignal, report: (report: Report) => void) => Promise<Result>,
  ): Promise<Result> {
    signal?.throwIfAborted()
    const running = this.#running.get(key) ?? this.#begin(key, start)
    // A wrapper, so that two callers who share one function are still two.
    const own = (report: Report): void => listener(report)
    if (running.latest !== undefined) own(running.latest)
    running.listeners.add(own)
    try {
      return await orAborted(running.done, signal)
    } finally {
      running.listeners.delete(own)
      if (running.listeners.size === 0) {
        running.controller.abort()
        this.#forget(key, running)
      }
    }
  }

  #begin(
    key: string,
    start: (signal: AbortSignal, report: (report: Report) => void) => Promise<Result>,
  ): Running<Result, Report> {
    const controller = new AbortController()
    const listeners = new Set<(report: Report) => void>()
    const report = (report: Report): void => {
      running.latest = report
      for (const listener of listeners) listener(report)
    }
    // Begins in a later turn, when the first caller listens.
    const done = Promise.resolve().then(() => start(controller.signal, report))
    const running: Running<Result, Report> = { controller, listeners, latest: undefined, done }
    this.#running.set(key, running)
    // Also marks a rejection as handled: those who waited may all have left.
    const forget = (): void => this.#forget(key, running)
    done.then(forget, forget)
    return running
  }

  #forget(key: string, running: Running<Result, Report>): void {
    if (this.#running.get(key) === running) this.#running.delete(key)
  }
}

function orAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work
  return new Promise<T>((resolve, reject) => {
    const leave = (): void => reject(signal.reason as Error)
    signal.addEventListener('abort', leave, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', leave))
  })
}
