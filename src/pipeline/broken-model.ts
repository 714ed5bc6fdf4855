import type { Lanes } from './lanes.ts'
import type { Task } from './task.ts'

/** What is to be known of events that no runner will take. */
export interface BrokenModelParts {
  readonly lanes: Lanes<Task>
  /** Messages that the broker keeps wait for as long as it takes. */
  readonly blocks: boolean
  readonly dropped: (task: Task) => void
}

/** What becomes of events while the model is given up: the broker keeps them, or they are dropped. */
export class BrokenModel {
  readonly #parts: BrokenModelParts
  #isBroken = false

  constructor(parts: BrokenModelParts) {
    this.#parts = parts
  }

  /** Events that wait in vain. */
  get stuck(): number {
    return this.#isBroken ? this.#parts.lanes.size : 0
  }

  /** Whether the event was dropped, since no runner will ever take it. */
  turnsAway(task: Task): boolean {
    if (!this.#isBroken || this.#mayWait(task)) return false
    this.#parts.dropped(task)
    return true
  }

  /** It turned out whether runners will come. @returns Whether there are none to come. */
  note(isBroken: boolean): boolean {
    this.#isBroken = isBroken
    if (!isBroken) return false
    const { lanes, dropped } = this.#parts
    for (const task of lanes.clear()) {
      // In whatever order: nobody takes them from here.
      if (this.#mayWait(task)) lanes.push(task)
      else dropped(task)
    }
    return true
  }

  /** The broker keeps it, and all behind it, meanwhile. */
  #mayWait(task: Task): boolean {
    return this.#parts.blocks && task.origin.entry !== undefined
  }
}
