/** Turns of the event loop that bring something, so many in a row, make traffic steady. */
const steadyTurnsMin = 8
/** In a row: each this soon after the one before. */
const soonMs = 2
/** Steady traffic stays so while a pause is followed by something within this time. */
const steadyGapMs = 4
/** So much in one turn is worth its work: there is nothing to gain by waiting for more. */
const largeTurnBytes = 32 * 1024

/** How long reading stops under steady traffic. */
export const readPauseMs = 2

/**
 * Decides when to stop reading a socket for {@link readPauseMs}, as a network card does that
 * gathers what comes into one interrupt.
 *
 * A broker sends message by message. At thousands a second each of them wakes the process, then
 * the thread of the model, and has a write of its own. Read together they travel together all the
 * way, and so do their results and acknowledgements: a third less CPU at 5,000 and at 10,000 a
 * second, for 2 ms more on the way. Only steady traffic is paced: a message that comes by itself
 * never waits, nor do messages at less than about five hundred a second. Pure.
 */
export class ReadPacer {
  /** When reading became possible, on the monotonic clock: after the last turn, or a pause. */
  #since = Number.NEGATIVE_INFINITY
  #turns = 0

  /** A turn brought this many bytes. @returns Whether to stop for a while. */
  read(now: number, bytes: number): boolean {
    const gapMs = now - this.#since
    const isInRow = gapMs <= (this.#turns >= steadyTurnsMin ? steadyGapMs : soonMs)
    this.#since = now
    this.#turns = isInRow ? this.#turns + 1 : 0
    return this.#turns >= steadyTurnsMin && bytes < largeTurnBytes
  }

  /** The pause is over. */
  resumed(now: number): void {
    this.#since = now
  }
}
