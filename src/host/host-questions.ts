import type { Clock } from '../core/clock.ts'

/** How long a host may take to answer a question before something else is taken for its answer. */
const answerMs = 1000

/**
 * Questions of one kind that a host was asked and has not answered. Every one of them is answered
 * within a second: by the host, or by what is known without it.
 */
export class HostQuestions<T> {
  readonly #clock: Clock
  readonly #fallback: () => T
  readonly #open = new Map<number, (answer: T) => void>()
  #requestId = 0

  /** @param fallback - What is known without the host. */
  constructor(clock: Clock, fallback: () => T) {
    this.#clock = clock
    this.#fallback = fallback
  }

  /** @param send - Asks the host, with the number that its answer has to bear. */
  ask(send: (requestId: number) => void): Promise<T> {
    const requestId = this.#requestId++
    return new Promise((resolve) => {
      const timer = this.#clock.after(
        answerMs,
        () => this.#open.get(requestId)?.(this.#fallback()),
        { keepAlive: true },
      )
      this.#open.set(requestId, (answer) => {
        timer.cancel()
        this.#open.delete(requestId)
        resolve(answer)
      })
      send(requestId)
    })
  }

  /** The host answered; too late is as good as never. */
  answered(requestId: number, answer: T): void {
    this.#open.get(requestId)?.(answer)
  }

  /** No answer will come any more. */
  giveUp(): void {
    for (const answer of this.#open.values()) answer(this.#fallback())
  }
}
