import type { OrderBy } from '../config/settings.ts'
import type { SourceMessage } from '../transport/transport.ts'
import { decodePayload, tooLarge } from './decode.ts'
import { matchEvent, type Matcher } from './match.ts'
import type { OccasionalLog } from '../core/occasional-log.ts'
import type { Failure } from './dead-letter.ts'
import type { DropReason } from './pipeline-stats.ts'
import type { MessageInMotion, Task } from './task.ts'

/** What the intake needs from around it. */
export interface IntakeParts {
  readonly matcher: Matcher
  readonly orderBy: OrderBy
  /** False: messages that the broker had kept are left out. */
  readonly retained: boolean
  readonly occasionally: OccasionalLog
  /** Events beyond the one that the message counts for. */
  readonly fannedOut: (events: number) => void
  readonly accepted: (task: Task) => void
  readonly dropped: (
    origin: MessageInMotion,
    reason: DropReason,
    device: string | undefined,
  ) => void
  /** It is no event. @returns The id of its dead letter, if there is one. */
  readonly undecodable: (origin: MessageInMotion, failure: Failure) => string | undefined
  /** What there is to say about a drop that comes next. */
  readonly why: (reason: DropReason, text: string) => void
}

/**
 * The way into a pipeline: makes events of a message, one for each device entry that it fits, and
 * gives a reason for every one that goes no further. Each event ends in `accepted`, `dropped` or `undecodable`.
 */
export class Intake {
  readonly #parts: IntakeParts

  constructor(parts: IntakeParts) {
    this.#parts = parts
  }

  /** @param origin - A message with one event left: itself. */
  take(origin: MessageInMotion): void {
    const { message } = origin
    if (message.stray === true) {
      this.#parts.dropped(origin, 'unsubscribed', undefined)
      return
    }
    // A dead letter was wanted when it came.
    const mayBeRetained = this.#parts.retained || origin.replay !== undefined
    if (message.retain && !mayBeRetained) {
      this.#parts.dropped(origin, 'retained', undefined)
      return
    }
    const decoded =
      message.oversizeBytes === undefined
        ? decodePayload(message.payload)
        : tooLarge(message.oversizeBytes)
    if (!decoded.ok) {
      const { fault, detail } = decoded
      this.#parts.why('decode', `${fault}: ${detail}`)
      const letter = this.#parts.undecodable(origin, { kind: 'decode', code: fault, text: detail })
      this.#parts.occasionally.write('warn', 'message.undecodable', fault, () => ({
        topic: message.topic,
        bytes: payloadBytes(message),
        fault,
        detail,
        letter,
      }))
      return
    }
    this.#match(origin, decoded.event)
  }

  #match(origin: MessageInMotion, event: unknown): void {
    const all = matchEvent(this.#parts.matcher, event, origin.message.topic)
    const only = origin.replay?.letter.device
    const { matches, misses } = only === undefined ? all : ofDevice(only, all)
    const rejected = misses.filter(({ stage }) => stage === 'when')
    const events = matches.length + rejected.length
    if (events === 0) {
      this.#parts.dropped(origin, 'device', undefined)
      return
    }
    origin.eventsLeft = events
    this.#parts.fannedOut(events - 1)
    for (const { device } of rejected) this.#parts.dropped(origin, 'when', device)
    const { orderBy } = this.#parts
    for (const { device } of matches) {
      this.#parts.accepted({
        origin,
        device,
        key: laneKey(orderBy, origin.message.topic, event, device),
        bytes: origin.message.payload.byteLength,
        release: undefined,
        attempts: 0,
        company: undefined,
        id: undefined,
      })
    }
  }
}

/** What an event is kept in order with; `undefined` for nothing. */
export function laneKey(
  orderBy: OrderBy,
  topic: string,
  event: unknown,
  device: string | undefined,
): string | undefined {
  if (orderBy === 'none') return undefined
  if (orderBy === 'topic') return topic
  return device ?? deviceNameOf(event) ?? topic
}

/** A dead letter is the event of one device: those of the others have ended long ago. */
function ofDevice(
  name: string,
  { matches, misses }: ReturnType<typeof matchEvent>,
): ReturnType<typeof matchEvent> {
  return {
    matches: matches.filter(({ device }) => device === name),
    misses: misses.filter(({ device }) => device === name),
  }
}

/** Bytes that the payload had when it came, kept or not. */
export function payloadBytes(message: SourceMessage): number {
  return message.oversizeBytes ?? message.payload.byteLength
}

/** pyboot's place for it; a func without devices keeps the order of each device all the same. */
function deviceNameOf(event: unknown): string | undefined {
  if (typeof event !== 'object' || event === null || !('deviceInfo' in event)) return undefined
  const info = event.deviceInfo
  if (typeof info !== 'object' || info === null || !('deviceName' in info)) return undefined
  return typeof info.deviceName === 'string' ? info.deviceName : undefined
}
