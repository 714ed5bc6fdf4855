import { EdgebootError } from '../core/errors.ts'
import type { Company } from './lanes.ts'
import { type RecordedSuspect, type Recorder, suspectsMax } from './recorder.ts'
import type { Task } from './task.ts'

/**
 * Messages after which a suspect that has not come again is forgotten: more than any broker sends
 * before it has sent again what was not acknowledged.
 */
const patienceMessages = 100_000

interface Suspicion {
  readonly attempts: number
  readonly group: Company
}

/** What {@link Suspects} needs when suspicion is to outlive the host. */
export interface SuspectsOptions {
  readonly recorder: Recorder | undefined
  readonly idOf: (task: Task) => string
  /** Something should be recorded before the next acknowledgement leaves. */
  readonly changed: () => void
}

/**
 * Knows which events may have killed a runner, in which groups they are tried, and how often each
 * was alone when it died. With a recorder that outlives the host: a message that comes again is
 * met with what is held against it. When nobody is suspect, which is nearly always, it costs
 * nothing.
 */
export class Suspects {
  readonly #options: SuspectsOptions
  /** By id, the oldest first. Empty without a recorder. */
  readonly #known = new Map<string, Suspicion>()
  #groups = 0
  #patience = patienceMessages
  #hasChanged = false

  constructor(options: SuspectsOptions) {
    this.#options = options
  }

  /** Takes over what was recorded. */
  load(recorded: readonly RecordedSuspect[]): void {
    const groups = new Map<number, Company>()
    for (const { id, attempts, group: number } of recorded) {
      const group = groups.get(number) ?? { number }
      groups.set(number, group)
      this.#groups = Math.max(this.#groups, number)
      this.#known.set(id, { attempts, group })
    }
  }

  /** An event came: it may be one that is known. Call before it waits in a lane. */
  meet(task: Task): void {
    if (this.#known.size === 0) return
    const suspicion = this.#known.get(this.#options.idOf(task))
    if (suspicion !== undefined) {
      task.attempts = suspicion.attempts
      task.company = suspicion.group
      return
    }
    this.#patience -= 1
    if (this.#patience > 0) return
    this.#known.clear()
    this.#change()
  }

  /**
   * A runner died with these events unanswered: makes them suspects in two groups, each of which is
   * tried by itself. One that was alone has one attempt less. Recorded on return.
   */
  accuse(left: readonly Task[], wasAlone: boolean): void {
    const middle = Math.ceil(left.length / 2)
    const halves = [this.#newGroup(), this.#newGroup()] as const
    left.forEach((task, i) => {
      const group = i < middle ? halves[0] : halves[1]
      if (wasAlone) task.attempts += 1
      task.company = group
      this.#remember(task, group)
    })
    this.#patience = patienceMessages
    this.#hasChanged = this.#options.recorder !== undefined
    this.record()
  }

  /** Suspects were answered, or given up: nothing is held against them any more. */
  forget(batch: readonly Task[]): void {
    if (this.#known.size === 0) return
    let forgotten = false
    for (const task of batch) {
      if (task.company === undefined) continue
      forgotten = this.#known.delete(this.#options.idOf(task)) || forgotten
    }
    if (forgotten) this.#change()
  }

  /** Has what changed recorded. */
  record(): void {
    if (!this.#hasChanged) return
    this.#hasChanged = false
    const all = Array.from(this.#known, ([id, { attempts, group }]) => ({
      id,
      attempts,
      group: group.number,
    }))
    this.#options.recorder?.suspects(all)
  }

  #remember(task: Task, group: Company): void {
    const { recorder, idOf } = this.#options
    if (recorder === undefined) return
    const id = idOf(task)
    this.#known.delete(id)
    this.#known.set(id, { attempts: task.attempts, group })
    if (this.#known.size <= suspectsMax) return
    for (const oldest of this.#known.keys()) {
      this.#known.delete(oldest)
      break
    }
  }

  #change(): void {
    this.#hasChanged = true
    this.#options.changed()
  }

  #newGroup(): Company {
    this.#groups += 1
    return { number: this.#groups }
  }
}

/**
 * Whom to suspect when a host has died: what its runners had in flight, in two halves, or alone with
 * one more attempt used up; and those who were suspect before.
 *
 * @param flights - Ids of the events in each runner.
 */
export function suspectsAfterDeath(
  before: readonly RecordedSuspect[],
  flights: readonly (readonly string[])[],
): readonly RecordedSuspect[] {
  const ids = [...new Set(flights.flat())]
  if (ids.length === 0) return before
  const attempts = new Map(before.map((suspect) => [suspect.id, suspect.attempts]))
  const last = before.reduce((most, { group }) => Math.max(most, group), 0)
  const middle = Math.ceil(ids.length / 2)
  const accused = ids.map((id, i) => ({
    id,
    attempts: (attempts.get(id) ?? 0) + (ids.length === 1 ? 1 : 0),
    group: last + (i < middle ? 1 : 2),
  }))
  const others = before.filter(({ id }) => !ids.includes(id))
  return [...others, ...accused].slice(-suspectsMax)
}

/** Why an event is given up that comes again with its attempts used up. */
export function fatalError({ attempts }: Pick<Task, 'attempts'>): EdgebootError {
  return new EdgebootError(
    'HOST_EXITED',
    `the host died ${attempts} times with this event alone in its runners`,
  )
}
