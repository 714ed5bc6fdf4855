import type { DropReason } from './pipeline-stats.ts'

/** The reasons for which an event is given up, and could be tried again once something was mended. */
export const deadLetterKinds = [
  'decode',
  'model',
  'deadline',
  'crash',
  'topic',
  'too-large',
  'refused',
] as const satisfies readonly DropReason[]

/** See {@link deadLetterKinds}. */
export type DeadLetterKind = (typeof deadLetterKinds)[number]

/** What an event was given up for. */
export interface Failure {
  readonly kind: DeadLetterKind
  /** A code of the catalogue, the type of the model's exception, or what is wrong with a payload. */
  readonly code: string
  readonly text: string
  /** Place in the model's own files, `file:line`. */
  readonly where?: string
  /** Traceback, or what the model's stacks looked like when it was killed. */
  readonly stack?: string
}

/** Whose events they are. */
export interface LetterOrigin {
  readonly rule: string
  readonly func: string
  readonly model: string
}

/** How an event was seen, and what it met with. */
export interface LetterSubject {
  /** Absent before that is known. */
  readonly device: string | undefined
  /** Of the model that it was given to last, or would have been. */
  readonly version: string
  /** How often the model was given it. */
  readonly attempts: number
}

/** An event that was given up, with all that is needed to understand it and to run it again. */
export interface DeadLetter extends LetterOrigin {
  /** Of the model. */
  readonly version: string
  /** A few characters, for people; two may be equal. */
  readonly id: string
  readonly topic: string
  /** The payload as it came; absent when it was too large to be kept. */
  readonly payload?: Uint8Array
  /** Bytes that it had when it came. */
  readonly payloadBytes: number
  readonly qos: 0 | 1 | 2
  readonly retain: boolean
  readonly userProperties?: Readonly<Record<string, string | string[]>>
  /** The device that it was seen as; absent before that is known. */
  readonly device?: string
  readonly error: Failure
  /** How often the model was given it. */
  readonly attempts: number
  /** Milliseconds since 1970. */
  readonly receivedAt: number
  /** When it was given up, milliseconds since 1970. */
  readonly diedAt: number
}

/** A letter in a store. */
export interface StoredLetter extends DeadLetter {
  /** Its number in this store. */
  readonly seq: number
}

/** A letter that failed when it was replayed: it stays, with what is new of it. */
export interface ReturnedLetter {
  readonly seq: number
  readonly error: Failure
  /** Of the model that it failed with. */
  readonly version: string
  /** All of them, those before included. */
  readonly attempts: number
  readonly diedAt: number
}

/** What happens to a store in one go. */
export interface LetterChanges {
  readonly added: readonly DeadLetter[]
  /** Replayed with success: removed. */
  readonly removed: readonly number[]
  /** Replayed without: no longer to be replayed. */
  readonly returned: readonly ReturnedLetter[]
}

/**
 * Where dead letters are kept, within bounds. Others may read and change it at the same time, so a
 * letter may be gone whenever it is asked for.
 *
 * Everything throws `EdgebootError` when the disk does not do what it should; damage is never
 * thrown.
 */
export interface DeadLetterStore {
  /** Whether an earlier run left one. Asking makes nothing. */
  isThere(): boolean
  /**
   * Makes the changes, all of them or none; durable on return. At the bound the oldest letters make
   * room.
   *
   * @returns How many made room.
   */
  write(changes: LetterChanges): number
  /** Letters that somebody wants to be replayed, oldest first, without those of `except`. */
  wanted(itemsMax: number, except: ReadonlySet<number>): readonly StoredLetter[]
  /** Idempotent; never throws. */
  close(): void
}
