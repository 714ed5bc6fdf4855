import type { Clock, Timer } from '../core/clock.ts'
import { asEdgebootError, errorClause } from '../core/errors.ts'
import type { Logger } from '../core/log.ts'
import type { OccasionalLog } from '../core/occasional-log.ts'
import type { DeadLetterStore, ReturnedLetter, StoredLetter } from './dead-letter.ts'

/** Letters that are replayed at the same time. */
export const replaysMax = 100
/** How long to wait after something stood in the way. */
const pauseMs = 5000

/** A letter that is being replayed. */
export interface Replay {
  readonly letter: StoredLetter
  /** Present once an event of it was given up again. */
  failure?: Omit<ReturnedLetter, 'seq'>
  /** An event of it was turned away for a reason that passes: it is replayed once more. */
  isPutOff?: boolean
}

/** What replays need from around them. */
export interface ReplaysParts {
  readonly store: DeadLetterStore
  readonly clock: Clock
  readonly log: Logger
  readonly occasionally: OccasionalLog
  readonly defer: (run: () => void) => void
  /** How many the pipeline could take in now, without turning anything else away. */
  readonly room: () => number
  /** Runs the event again. */
  readonly inject: (replay: Replay) => void
  /** It is over: to be written to the store, and told to {@link Replays.concluded}. */
  readonly conclude: (seq: number, returned: ReturnedLetter | undefined) => void
}

/**
 * Runs dead letters again that somebody wants to be replayed, at most {@link replaysMax} at a time.
 *
 * Which those are is written in the store, so it survives a restart; a letter stays there until its
 * event has ended well. A process that dies in between replays it once more.
 */
export class Replays {
  readonly #parts: ReplaysParts
  /** By number: in the pipeline, or over and not yet on the disk. */
  readonly #underWay = new Set<number>()
  /** There may be letters to replay. */
  #isWanted = false
  #isScheduled = false
  #pause: Timer | undefined
  #isClosed = false

  constructor(parts: ReplaysParts) {
    this.#parts = parts
  }

  /** Looks into the store, soon, if there is one. */
  look(): void {
    this.#isWanted = true
    this.poke()
  }

  /** There may be room now. Costs a comparison when nothing is to be replayed. */
  poke(): void {
    if (!this.#isWanted || this.#isScheduled || this.#isClosed || this.#pause !== undefined) return
    this.#isScheduled = true
    this.#parts.defer(() => {
      this.#isScheduled = false
      this.#fill()
    })
  }

  /** All events of a replay have ended. */
  ended({ letter, failure, isPutOff }: Replay): void {
    const { seq } = letter
    if (failure !== undefined) {
      const attempts = letter.attempts + failure.attempts
      this.#parts.conclude(seq, { seq, ...failure, attempts })
    } else if (isPutOff === true) {
      this.#underWay.delete(seq)
      this.#putOff()
    } else {
      this.#parts.conclude(seq, undefined)
    }
  }

  /** The ends of these are on the disk. */
  concluded(seqs: readonly number[]): void {
    for (const seq of seqs) this.#underWay.delete(seq)
    this.poke()
  }

  /** Begins none any more. */
  close(): void {
    this.#isClosed = true
    this.#pause?.cancel()
  }

  #fill(): void {
    const { store, room, inject, log } = this.#parts
    const itemsMax = Math.min(replaysMax - this.#underWay.size, room())
    if (this.#isClosed || itemsMax <= 0) return
    let letters: readonly StoredLetter[] = []
    try {
      if (store.isThere()) letters = store.wanted(itemsMax, this.#underWay)
    } catch (thrown) {
      this.#tellOfTrouble(thrown)
      return
    }
    if (letters.length < itemsMax) this.#isWanted = false
    if (letters.length === 0) return
    log.info('dead-letter.replaying', { letters: letters.length })
    for (const letter of letters) {
      this.#underWay.add(letter.seq)
      inject({ letter })
    }
  }

  #tellOfTrouble(thrown: unknown): void {
    const error = asEdgebootError(thrown)
    this.#parts.occasionally.write('error', 'dead-letter.unreadable', error.code, () => ({
      code: error.code,
      error: errorClause(error),
      fix: error.fix,
    }))
    this.#putOff()
  }

  #putOff(): void {
    this.#isWanted = true
    this.#pause ??= this.#parts.clock.after(pauseMs, () => {
      this.#pause = undefined
      this.poke()
    })
  }
}
