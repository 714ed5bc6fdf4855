import type { Clock, Timer } from '../core/clock.ts'
import { DiskTrouble } from '../core/disk-trouble.ts'
import { asEdgebootError, errorClause, type EdgebootError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import type { Logger } from '../core/log.ts'
import type { OccasionalLog } from '../core/occasional-log.ts'
import type { PublishOutcome } from '../transport/transport.ts'
import type { DeadLetterCopies } from './dead-letter-copies.ts'
import type {
  DeadLetter,
  DeadLetterStore,
  Failure,
  LetterOrigin,
  LetterSubject,
  ReturnedLetter,
} from './dead-letter.ts'
import { payloadBytes } from './intake.ts'
import type { MessageInMotion } from './task.ts'

/** Letters of one commit. */
const groupItemsMax = 1000
const groupBytesMax = 16 * 1024 * 1024
/** Letters that wait for the disk and that no broker keeps (QoS 0). */
const unkeptItemsMax = 1000
const unkeptBytesMax = 16 * 1024 * 1024

/** An event on its way to the store. */
export interface Departed {
  readonly origin: MessageInMotion
  readonly letter: DeadLetter
  /** Of its payload. */
  readonly bytes: number
}

/** What dead letters need from around them. */
export interface DeadLettersParts {
  /** Absent: none are kept. */
  readonly store: DeadLetterStore | undefined
  /** Absent: nobody is told of them. */
  readonly copies: DeadLetterCopies | undefined
  readonly origin: LetterOrigin
  readonly newId: () => string
  readonly clock: Clock
  readonly random: () => number
  readonly log: Logger
  readonly occasionally: OccasionalLog
  readonly defer: (run: () => void) => void
  /** The event is out of the pipeline: in the store, or known to get no place in it. */
  readonly buried: (departed: Departed, isKept: boolean) => void
  /** All is done for an event that was `buried`. */
  readonly finished: (origin: MessageInMotion) => void
  /** The pipeline was stopped before an event was `buried`. */
  readonly interrupted: (departed: Departed) => void
  /** The oldest letters made room. */
  readonly discarded: (letters: number) => void
  /** Replays that came to an end are on the disk. */
  readonly concluded: (seqs: readonly number[]) => void
  /** {@link DeadLetters.problem} or {@link DeadLetters.isFull} changed. */
  readonly changed: () => void
}

/**
 * What becomes of events that are given up: first into the store, then, as a copy, to a topic; only
 * then are they finished, so that a message at QoS 1 is acknowledged when its letter is safe.
 *
 * Letters are written in groups, one commit at the end of a turn of the event loop at most, and
 * commits take no more than half of the time. A store that fails is tried again with backoff.
 * Meanwhile letters at QoS 1 wait, bounded by the source's window; those at QoS 0, which nobody
 * could send again, are counted and go without.
 */
export class DeadLetters {
  readonly #parts: DeadLettersParts
  readonly #trouble: DiskTrouble
  #waiting: Departed[] = []
  #waitingBytes = 0
  #removed: number[] = []
  #returned: ReturnedLetter[] = []
  #isScheduled = false
  #timer: Timer | undefined
  /** Monotonic: not before this is the disk given more. */
  #restsUntil = 0
  #told = ''

  constructor(parts: DeadLettersParts) {
    this.#parts = parts
    this.#trouble = new DiskTrouble({
      ...parts,
      events: { unavailable: 'dead-letter.unavailable', available: 'dead-letter.available' },
    })
  }

  /** Letters that wait for the disk. */
  get waiting(): number {
    return this.#waiting.length
  }

  /** Why letters wait, in a clause; `undefined` when none does for long. */
  get problem(): string | undefined {
    const { error } = this.#trouble
    return error === undefined || this.#waiting.length === 0 ? undefined : errorClause(error)
  }

  /** So many bytes wait that nothing more should come. */
  get isFull(): boolean {
    return this.#waitingBytes >= limits.queueBytesMax
  }

  /**
   * Takes an event that was given up.
   *
   * @returns The id of its letter; `undefined` when nobody wants one.
   */
  take(origin: MessageInMotion, subject: LetterSubject, failure: Failure): string | undefined {
    const { store, copies } = this.#parts
    const letter = this.#write(origin, subject, failure)
    const departed = { origin, letter, bytes: origin.message.payload.byteLength }
    if (store === undefined && copies === undefined) {
      this.#parts.buried(departed, false)
      this.#parts.finished(origin)
      return undefined
    }
    if (store === undefined) this.#copy(departed, false)
    else if (this.#hasRoom(departed)) this.#gather(departed)
    else this.#goWithout(departed)
    return letter.id
  }

  /** A replay came to an end: well, or else with what is new of its letter. */
  conclude(seq: number, returned: ReturnedLetter | undefined): void {
    if (returned === undefined) this.#removed.push(seq)
    else this.#returned.push(returned)
    this.#schedule()
  }

  /** Writes what waits, now. */
  flush(): void {
    this.#trouble.retryNow()
    this.#restsUntil = 0
    while (this.#hasWork && this.#commit()) {
      // One group after another.
    }
  }

  /** Writes what it can, leaves the rest to the broker, and closes the store. */
  close(): void {
    this.flush()
    this.#timer?.cancel()
    for (const departed of this.#waiting.splice(0)) this.#parts.interrupted(departed)
    this.#waitingBytes = 0
    this.#parts.store?.close()
  }

  get #hasWork(): boolean {
    return this.#waiting.length + this.#removed.length + this.#returned.length > 0
  }

  #hasRoom({ origin, bytes }: Departed): boolean {
    if (origin.entry !== undefined) return true
    const hasSpace = this.#waitingBytes + bytes <= unkeptBytesMax
    return this.#trouble.mayTry && this.#waiting.length < unkeptItemsMax && hasSpace
  }

  #write(
    { message }: MessageInMotion,
    { device, version, attempts }: LetterSubject,
    error: Failure,
  ): DeadLetter {
    const { topic, qos, retain, userProperties, receivedAt, oversizeBytes } = message
    return {
      id: this.#parts.newId(),
      ...this.#parts.origin,
      version,
      topic,
      ...(oversizeBytes === undefined ? { payload: message.payload } : {}),
      payloadBytes: payloadBytes(message),
      qos,
      retain,
      ...(userProperties === undefined ? {} : { userProperties }),
      ...(device === undefined ? {} : { device }),
      error,
      attempts,
      receivedAt,
      diedAt: this.#parts.clock.now(),
    }
  }

  #gather(departed: Departed): void {
    this.#waiting.push(departed)
    this.#waitingBytes += departed.bytes
    this.#schedule()
    this.#tellOfChange()
  }

  /** At the end of this turn, or when the disk has rested. */
  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    const { clock, defer } = this.#parts
    const restMs = Math.max(this.#restsUntil - clock.monotonic(), this.#trouble.retryInMs)
    const run = (): void => {
      this.#isScheduled = false
      if (this.#hasWork) this.#commit()
      if (this.#hasWork) this.#schedule()
      this.#tellOfChange()
    }
    if (restMs <= 0) defer(run)
    else this.#timer = clock.after(restMs, run, { keepAlive: true })
  }

  /** One group. @returns Whether it is on the disk. */
  #commit(): boolean {
    const { store, clock } = this.#parts
    if (store === undefined) return false
    const group = this.#nextGroup()
    const began = clock.monotonic()
    let discarded: number
    try {
      discarded = store.write({
        added: group.map(({ letter }) => letter),
        removed: this.#removed,
        returned: this.#returned,
      })
    } catch (thrown) {
      this.#failed(asEdgebootError(thrown))
      return false
    }
    const now = clock.monotonic()
    this.#restsUntil = now + (now - began)
    this.#trouble.worked()
    this.#written(group, discarded)
    return true
  }

  #nextGroup(): readonly Departed[] {
    let bytes = 0
    let items = 0
    for (const departed of this.#waiting) {
      if (items === groupItemsMax || (items > 0 && bytes + departed.bytes > groupBytesMax)) break
      items += 1
      bytes += departed.bytes
    }
    return this.#waiting.slice(0, items)
  }

  #written(group: readonly Departed[], discarded: number): void {
    this.#waiting = this.#waiting.slice(group.length)
    const concluded = [...this.#removed, ...this.#returned.map(({ seq }) => seq)]
    this.#removed = []
    this.#returned = []
    for (const { bytes } of group) this.#waitingBytes -= bytes
    if (discarded > 0) this.#tellOfDiscarded(discarded)
    for (const departed of group) {
      this.#parts.buried(departed, true)
      this.#copy(departed, true)
    }
    if (concluded.length > 0) this.#parts.concluded(concluded)
  }

  #failed(error: EdgebootError): void {
    const unkept = this.#waiting.filter(({ origin }) => origin.entry === undefined)
    this.#waiting = this.#waiting.filter(({ origin }) => origin.entry !== undefined)
    this.#trouble.failed(error, this.#waiting.length)
    for (const departed of unkept) {
      this.#waitingBytes -= departed.bytes
      this.#goWithout(departed)
    }
  }

  /** Nobody could send it again, so it does not wait for a disk. */
  #goWithout(departed: Departed): void {
    const { letter } = departed
    this.#parts.occasionally.write('warn', 'dead-letter.unkept', 'unkept', () => ({
      topic: letter.topic,
      device: letter.device,
      kind: letter.error.kind,
      reason: this.#trouble.error?.message ?? 'too many wait for the disk',
    }))
    this.#parts.buried(departed, false)
    this.#copy(departed, true)
  }

  /** @param isBuried - False: the topic alone decides whether the letter is kept. */
  #copy(departed: Departed, isBuried: boolean): void {
    const { copies, buried, finished, interrupted } = this.#parts
    const { origin, letter } = departed
    const settled = (outcome: PublishOutcome | undefined): void => {
      if (!isBuried && outcome === 'closed') {
        interrupted(departed)
        return
      }
      if (!isBuried) buried(departed, outcome === 'published' || outcome === 'spooled')
      // Closed before it was sent: where the broker still has the message, it comes again.
      if (outcome !== 'closed') finished(origin)
    }
    if (copies === undefined) settled(undefined)
    else copies.publish(letter, settled)
  }

  #tellOfDiscarded(letters: number): void {
    this.#parts.discarded(letters)
    this.#parts.occasionally.write('warn', 'dead-letter.discarded', 'discarded', () => ({
      letters,
      meaning: 'the store is full, and its oldest letters made room',
    }))
  }

  #tellOfChange(): void {
    const now = `${this.problem ?? ''} ${this.isFull}`
    if (now === this.#told) return
    this.#told = now
    this.#parts.changed()
  }
}
