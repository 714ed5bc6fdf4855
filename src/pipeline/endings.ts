import type { Clock } from '../core/clock.ts'
import type { AckWindow } from './ack-window.ts'
import type { Ledger } from './ledger.ts'
import type { DropReason } from './pipeline-stats.ts'
import type { Replay } from './replays.ts'
import type { MessageInMotion, Task } from './task.ts'
import type { Trail } from './trail.ts'

/** What endings need from around them. */
export interface EndingsParts {
  readonly ledger: Ledger
  readonly trail: Trail
  readonly window: AckWindow
  readonly clock: Clock
  /** An event of a replay was dropped. */
  readonly replayDropped: (replay: Replay, reason: DropReason) => void
  /** All events of a replay have ended. */
  readonly replayEnded: (replay: Replay) => void
  /** An event is out of the pipeline, settled or not. */
  readonly left: () => void
}

/**
 * How events leave a pipeline: each is counted and remembered, and once all events of a message are
 * done with, the message is acknowledged.
 */
export class Endings {
  readonly #parts: EndingsParts

  constructor(parts: EndingsParts) {
    this.#parts = parts
  }

  published(task: Task, bytes: number): void {
    const { ledger, trail, clock } = this.#parts
    const now = clock.monotonic()
    ledger.published(bytes, now - task.origin.receivedAtMs)
    trail.record('published', task.origin, task.device, now)
    this.finish(task.origin)
  }

  spooled(task: Task): void {
    const { ledger, trail, clock } = this.#parts
    ledger.spooled()
    trail.record('spooled', task.origin, task.device, clock.monotonic())
    this.finish(task.origin)
  }

  /** @param endedAtMs - Monotonic milliseconds; default: now. */
  dropped(
    origin: MessageInMotion,
    reason: DropReason,
    device: string | undefined,
    endedAtMs?: number,
  ): void {
    this.counted(origin, reason, device, endedAtMs)
    if (origin.replay !== undefined) this.#parts.replayDropped(origin.replay, reason)
    this.finish(origin)
  }

  /** It is out, and counted; whether its message is done with is decided elsewhere. */
  counted(
    origin: MessageInMotion,
    reason: DropReason,
    device: string | undefined,
    endedAtMs = this.#parts.clock.monotonic(),
  ): void {
    this.#parts.ledger.dropped(reason)
    this.#parts.trail.record(reason, origin, device, endedAtMs)
  }

  /** It ends with the pipeline, not by itself: never settled where the broker can send it again. */
  interrupted(origin: MessageInMotion, device: string | undefined): void {
    const { entry, sessionsLost } = origin
    const comesAgain = entry !== undefined && sessionsLost === this.#parts.ledger.sessionsLost
    this.counted(origin, comesAgain ? 'unacknowledged' : 'stopped', device)
    this.#parts.left()
  }

  /** An event that is counted needs nothing more. */
  finish(origin: MessageInMotion): void {
    origin.eventsLeft -= 1
    if (origin.eventsLeft === 0) {
      if (origin.entry !== undefined) this.#parts.window.settle(origin.entry)
      else if (origin.replay !== undefined) this.#parts.replayEnded(origin.replay)
    }
    this.#parts.left()
  }
}
