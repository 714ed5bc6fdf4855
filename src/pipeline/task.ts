import type { SourceMessage } from '../transport/transport.ts'
import type { WindowEntry } from './ack-window.ts'
import type { Company, LaneItem } from './lanes.ts'
import type { ModelRelease } from './model-release.ts'
import type { Replay } from './replays.ts'

/** A message, and how many of its events are not settled. */
export interface MessageInMotion {
  readonly message: SourceMessage
  /** Monotonic milliseconds, for latency. */
  readonly receivedAtMs: number
  /** Present when the broker waits for an acknowledgement. */
  readonly entry: WindowEntry | undefined
  /** Sessions lost before it came. After one more, the broker no longer knows of it. */
  readonly sessionsLost: number
  /** Present when it is a dead letter that is run again. */
  readonly replay: Replay | undefined
  /** Events on their way, and those left to the broker: while there is one, it is not acknowledged. */
  eventsLeft: number
}

/** One event on its way through the pipeline: a message, seen as one device. */
export interface Task extends LaneItem {
  readonly origin: MessageInMotion
  readonly device: string | undefined
  /** What it was given to last. */
  release: ModelRelease | undefined
  /** Times that its runner died while it was the only one it could have been. */
  attempts: number
  /** Its runner died: it is retried with its group of suspects alone, so that it harms nobody else. */
  company: Company | undefined
  /** The `edgeboot-id` of its result, once somebody has asked for it: it costs a hash. */
  id: string | undefined
}
