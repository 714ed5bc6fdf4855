import type { Recorder } from './recorder.ts'
import type { Task } from './task.ts'

/** What {@link Flights} needs. */
export interface FlightsOptions {
  readonly recorder: Recorder
  readonly idOf: (task: Task) => string
  /** A batch is out: to be recorded at the end of this turn. */
  readonly landed: () => void
}

/**
 * Has it recorded which events are in runners that may take the host with them. All batches of a
 * runner, the one that waits included: such a runner begins it before the host has heard of the end
 * of the one before.
 */
export class Flights {
  readonly #options: FlightsOptions
  /** Whose batch is in which place. */
  readonly #places: (readonly Task[] | undefined)[] = []
  /** Places whose batch is out, and that still stand in the records. */
  readonly #landed = new Set<number>()

  constructor(options: FlightsOptions) {
    this.#options = options
  }

  /** Recorded on return: call before the runner gets it. */
  depart(batch: readonly Task[]): void {
    const { recorder, idOf } = this.#options
    const free = this.#places.indexOf(undefined)
    const place = free === -1 ? this.#places.length : free
    this.#places[place] = batch
    this.#landed.delete(place)
    recorder.flight(place, batch.map(idOf))
  }

  /** Everything of it was answered, or its runner died without the host. */
  land(batch: readonly Task[]): void {
    const place = this.#places.indexOf(batch)
    if (place === -1) return
    this.#places[place] = undefined
    this.#landed.add(place)
    this.#options.landed()
  }

  /** Clears places that nobody took meanwhile. */
  record(): void {
    for (const place of this.#landed) this.#options.recorder.flight(place, [])
    this.#landed.clear()
  }
}
