import type { WhenFull } from '../config/settings.ts'
import type { Source } from '../transport/transport.ts'
import type { Lanes } from './lanes.ts'
import type { Task } from './task.ts'

/** What admission works on. */
export interface AdmissionParts {
  readonly lanes: Lanes<Task>
  readonly source: Pick<Source, 'pause' | 'resume'>
  readonly whenFull: WhenFull
  readonly itemsMax: number
  readonly bytesMax: number
  /** There was no room for it. */
  readonly turnedAway: (task: Task) => void
}

/**
 * Keeps what waits for runners within bounds, in number and in bytes. When they are reached,
 * `drop-oldest` gives up what has waited longest, `drop-newest` what comes, and `block` pauses the
 * source until half of it is free again: a few messages more may still come.
 */
export class Admission {
  readonly #parts: AdmissionParts
  #isFull = false
  #isHeld = false
  #paused = false

  constructor(parts: AdmissionParts) {
    this.#parts = parts
  }

  admit(task: Task): void {
    const { lanes, whenFull, turnedAway } = this.#parts
    if (whenFull === 'drop-newest' && !this.#hasRoom(task)) {
      turnedAway(task)
      return
    }
    if (whenFull === 'drop-oldest') this.#makeRoom(task)
    lanes.push(task)
    if (whenFull === 'block' && !this.#isFull && this.#hasNoRoom()) {
      this.#isFull = true
      this.#steer()
    }
  }

  /** Something left the lanes. */
  noticeRoom(): void {
    const { lanes, itemsMax, bytesMax } = this.#parts
    if (!this.#isFull || lanes.size > itemsMax / 2 || lanes.bytes > bytesMax / 2) return
    this.#isFull = false
    this.#steer()
  }

  /** Pauses the source for another reason as well, until that is over. */
  hold(isHeld: boolean): void {
    this.#isHeld = isHeld
    this.#steer()
  }

  #steer(): void {
    const { source } = this.#parts
    const paused = this.#isFull || this.#isHeld
    if (paused === this.#paused) return
    this.#paused = paused
    if (paused) source.pause()
    else source.resume()
  }

  #makeRoom(task: Task): void {
    while (!this.#hasRoom(task)) {
      const oldest = this.#parts.lanes.dropOldest()
      if (oldest === undefined) return // one event larger than all the room
      this.#parts.turnedAway(oldest)
    }
  }

  #hasRoom(task: Task): boolean {
    const { lanes, itemsMax, bytesMax } = this.#parts
    return lanes.size < itemsMax && lanes.bytes + task.bytes <= bytesMax
  }

  #hasNoRoom(): boolean {
    const { lanes, itemsMax, bytesMax } = this.#parts
    return lanes.size >= itemsMax || lanes.bytes >= bytesMax
  }
}
