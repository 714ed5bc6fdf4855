import type { Clock } from '../core/clock.ts'
import type { Logger } from '../core/log.ts'
import type { OccasionalLog } from '../core/occasional-log.ts'
import type { PublishOutcome, Sink, SourceMessage } from '../transport/transport.ts'
import { DeadLetterCopies } from './dead-letter-copies.ts'
import { DeadLetters } from './dead-letters.ts'
import type { DeadLetterStore, Failure, LetterOrigin, LetterSubject } from './dead-letter.ts'
import type { Endings } from './endings.ts'
import type { Ledger } from './ledger.ts'
import { publishReason } from './outlet.ts'
import type { DropReason } from './pipeline-stats.ts'
import { Replays, type Replay } from './replays.ts'
import type { MessageInMotion } from './task.ts'

/** What a pipeline does with events that are given up, besides counting them. */
export interface DeadLetterHandling {
  /** Absent: none are kept. */
  readonly store?: DeadLetterStore
  /** Topic of the copy of a letter; `undefined` when MQTT forbids what comes out. Absent: no copies. */
  readonly topic?: (sourceTopic: string, device: string | undefined) => string | undefined
  readonly origin: LetterOrigin
  /** A short name for a letter. */
  readonly newId: () => string
  /** Source in [0, 1). */
  readonly random: () => number
}

/** What the office needs from around it. */
export interface DeadLetterOfficeParts {
  readonly handling: DeadLetterHandling
  readonly ledger: Ledger
  readonly sink: Sink
  readonly sharedProperties: (version: string) => Readonly<Record<string, string>>
  readonly clock: Clock
  readonly log: Logger
  readonly occasionally: OccasionalLog
  readonly defer: (run: () => void) => void
  readonly endings: Endings
  /** Of the model that serves now. */
  readonly version: () => string
  /** How many replays the pipeline could take in now. */
  readonly room: () => number
  readonly inject: (origin: MessageInMotion) => void
  /** The problem, or whether it is full, changed. */
  readonly changed: () => void
}

/** Reasons that pass by themselves: a replay that ends so is tried again. */
const passing: ReadonlySet<DropReason> = new Set(['queue-full', 'publish', 'broken'])

/**
 * The dead letters of one pipeline: where events go that are given up, and from where they come back
 * when they are replayed. Keeps the books of both.
 */
export class DeadLetterOffice {
  readonly #parts: DeadLetterOfficeParts
  readonly #letters: DeadLetters
  readonly #replays: Replays | undefined

  constructor(parts: DeadLetterOfficeParts) {
    this.#parts = parts
    const { handling, ledger, endings, changed } = parts
    const { store, origin, newId, random } = handling
    const { clock, log, occasionally, defer } = parts
    const surroundings = { clock, log, occasionally, defer }
    this.#letters = new DeadLetters({
      ...surroundings,
      store,
      copies: this.#createCopies(),
      origin,
      newId,
      random,
      buried: ({ origin, letter }, isKept) => {
        endings.counted(origin, letter.error.kind, letter.device)
        if (isKept) ledger.deadLettered()
      },
      finished: (origin) => endings.finish(origin),
      interrupted: ({ origin, letter }) => endings.interrupted(origin, letter.device),
      discarded: (letters) => ledger.deadLettersDiscarded(letters),
      concluded: (seqs) => this.#replays?.concluded(seqs),
      changed,
    })
    if (store === undefined) return
    this.#replays = new Replays({
      ...surroundings,
      store,
      room: parts.room,
      inject: (replay) => this.#inject(replay),
      conclude: (seq, returned) => this.#letters.conclude(seq, returned),
    })
  }

  /** Letters that wait for the disk. */
  get waiting(): number {
    return this.#letters.waiting
  }

  /** Why the store takes nothing, in a clause, while letters wait for it. */
  get problem(): string | undefined {
    return this.#letters.problem
  }

  /** So much waits that nothing more should come. */
  get isFull(): boolean {
    return this.#letters.isFull
  }

  /**
   * Takes an event that is given up. It ends later or at once.
   *
   * @returns The id of its letter, if there is one.
   */
  giveUp(origin: MessageInMotion, subject: LetterSubject, failure: Failure): string | undefined {
    const { replay } = origin
    if (replay === undefined) return this.#letters.take(origin, subject, failure)
    // Its letter is on the disk, and stays there.
    const { device, version, attempts } = subject
    replay.failure = { error: failure, version, attempts, diedAt: this.#parts.clock.now() }
    this.#parts.endings.counted(origin, failure.kind, device)
    this.#parts.ledger.deadLettered()
    this.#parts.endings.finish(origin)
    return replay.letter.id
  }

  /** Takes a message that cannot be read, and so was given to no model. @returns As {@link giveUp}. */
  undecodable(origin: MessageInMotion, failure: Failure): string | undefined {
    const version = this.#parts.version()
    return this.giveUp(origin, { device: undefined, version, attempts: 0 }, failure)
  }

  /** Looks for letters that somebody wants to be replayed. */
  replay(): void {
    this.#replays?.look()
  }

  /** There may be room for replays. Costs next to nothing. */
  poke(): void {
    this.#replays?.poke()
  }

  /** An event of a replay was dropped for this reason. */
  dropped(replay: Replay, reason: DropReason): void {
    if (passing.has(reason)) replay.isPutOff = true
  }

  /** All events of a replay have ended. */
  ended(replay: Replay): void {
    this.#replays?.ended(replay)
  }

  /** Begins no replay any more. */
  drain(): void {
    this.#replays?.close()
  }

  /** Writes what waits, now, so that copies can still go out. */
  flush(): void {
    this.#letters.flush()
  }

  /** Writes what it can, leaves the rest to the broker. */
  close(): void {
    this.#letters.close()
  }

  #createCopies(): DeadLetterCopies | undefined {
    const { handling, sink, sharedProperties, occasionally, ledger } = this.#parts
    const { topic } = handling
    if (topic === undefined) return undefined
    return new DeadLetterCopies({
      sink,
      topic,
      sharedProperties,
      occasionally,
      copying: () => ledger.copying(),
      copied: (outcome, bytes) => this.#countCopy(outcome, bytes),
    })
  }

  #countCopy(outcome: PublishOutcome, bytes: number): void {
    const { ledger } = this.#parts
    if (outcome === 'published') ledger.copied(bytes)
    else if (outcome === 'spooled') ledger.spooled()
    else ledger.dropped(outcome === 'closed' ? 'stopped' : publishReason(outcome))
  }

  #inject(replay: Replay): void {
    const { ledger, clock } = this.#parts
    ledger.replayed()
    this.#parts.inject({
      message: messageOf(replay),
      receivedAtMs: clock.monotonic(),
      entry: undefined,
      sessionsLost: ledger.sessionsLost,
      replay,
      eventsLeft: 1,
    })
  }
}

/** The message as it came, but for its acknowledgement: its result gets the same id. */
function messageOf({ letter }: Replay): SourceMessage {
  const { topic, payload, payloadBytes, qos, retain, userProperties, receivedAt } = letter
  return {
    topic,
    payload: payload ?? Buffer.alloc(0),
    ...(payload === undefined ? { oversizeBytes: payloadBytes } : {}),
    qos,
    retain,
    duplicate: false,
    ...(userProperties === undefined ? {} : { userProperties }),
    receivedAt,
  }
}
