import type { SourceMessage } from '../transport/transport.ts'
import type { WindowEntry } from './ack-window.ts'
import type { LaneItem } from './lanes.ts'

/** A message and how many of its events are still on their way. */
export interface MessageInMotion {
  readonly message: SourceMessage
  /** Monotonic milliseconds, for latency. */
  readonly receivedAtMs: number
  /** Present when the broker waits for an acknowledgement. */
  readonly entry: WindowEntry | undefined
  eventsLeft: number
}

/** One event on its way through the pipeline: a message, seen as one device. */
export interface Task extends LaneItem {
  readonly origin: MessageInMotion
  readonly device: string | undefined
  /** Times that its runner died while it was the only one it could have been. */
  attempts: number
  /** Its runner died: it is retried in a batch of its own, so that it can harm nobody else. */
  alone: boolean
}
