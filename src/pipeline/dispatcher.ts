import type { Clock, Timer } from '../core/clock.ts'
import { EdgebootError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import type { InferOutcome } from '../runtime/runner.ts'
import { ContextEncoder } from './context-encoder.ts'
import type { Lanes } from './lanes.ts'
import type { PoolSlot, RunnerPool } from './runner-pool.ts'
import type { Task } from './task.ts'
import type { Flights } from './flights.ts'
import type { Suspects } from './suspects.ts'
import { Trials } from './trials.ts'

/** What the dispatcher needs from around it. */
export interface DispatcherOptions {
  readonly lanes: Lanes<Task>
  readonly pool: RunnerPool
  readonly clock: Clock
  readonly batchSize: number
  /** How long an idle runner waits for a batch to fill; 0 never waits. */
  readonly batchDelayMs: number
  /** One event in the model. */
  readonly timeoutMs: number
  /** Deaths of a runner, of this event for all that is known, after which the event is given up. */
  readonly attempts: number
  /** A runner that dies may end the host: a group of suspects travels when no other batch is under way. */
  readonly sharesHost: boolean
  readonly suspects: Suspects
  /** Absent where a death ends the runner alone, or nothing is recorded. */
  readonly flights: Flights | undefined
  /** Runs a function soon, once for everything that arrived in this turn of the event loop. */
  readonly defer: (run: () => void) => void
  /** False holds the runners back: results would find no place. */
  readonly mayRun: () => boolean
  readonly outcome: (task: Task, outcome: InferOutcome) => void
  readonly givenUp: (task: Task, error: EdgebootError) => void
  readonly retried: (events: number) => void
  /** Room came free in the lanes. */
  readonly taken: () => void
}

/** A batch under way. */
interface Batch {
  readonly tasks: readonly Task[]
  readonly slot: PoolSlot
  /** Outcomes received. */
  done: number
  /** The runner works on it, rather than on one before it. */
  served: boolean
  /** Monotonic milliseconds of the last sign of progress since it is served. */
  progressAt: number
}

/**
 * Gives what waits in the lanes to runners with room, and takes back what a dead runner left.
 *
 * Work-conserving: an idle runner takes what is there, less a share for other idle ones. A runner
 * that dies usually leaves word of the event that it was on: that one alone is suspect, has used up
 * one of its `attempts`, and is tried by itself, after what travelled with it, until it is given up.
 * Where it is not known, as with a model that takes whole batches, all that the runner left
 * unanswered is suspect. It is retried in halves, each in batches of its own, and a half that kills
 * again is halved again, until one event is alone. So the event that kills costs `attempts` runners,
 * or log2(n) + `attempts` where it is one of n; others travel between those trials. One event may
 * keep its runner for `timeoutMs`; then the runner is killed.
 */
export class Dispatcher {
  readonly #options: DispatcherOptions
  readonly #contexts = new ContextEncoder()
  /** Batches by runner, in the order in which it serves them. */
  readonly #underWay = new Map<PoolSlot, Batch[]>()
  #inRunners = 0
  #scheduled = false
  #closed = false
  #fill: Timer | undefined
  #fillIsOver = false
  #watch: Timer | undefined
  #suspectsTurn = true
  /**
   * Suspects and others take turns once a runner has died here. Until then suspects are those of a
   * host that died, and go first: what is answered beyond them cannot be acknowledged before they
   * are, and would come again if this host died as well.
   */
  #takesTurns = false
  readonly #trials = new Trials()

  constructor(options: DispatcherOptions) {
    this.#options = options
  }

  /** Events that are in a runner. */
  get inRunners(): number {
    return this.#inRunners
  }

  /** Something arrived, or room came free: dispatch at the end of this turn. */
  poke(): void {
    if (this.#scheduled || this.#closed) return
    this.#scheduled = true
    this.#options.defer(() => {
      this.#scheduled = false
      this.#dispatch()
    })
  }

  /**
   * Gives out nothing more and cancels its timers. Outcomes of batches under way still count; a
   * runner that is stopped in the midst of one is held against no event.
   */
  close(): void {
    this.#closed = true
    this.#fill?.cancel()
    this.#watch?.cancel()
  }

  #dispatch(): void {
    const { lanes, pool, mayRun } = this.#options
    while (!this.#closed && lanes.size > 0 && mayRun()) {
      const slot = pool.next()
      if (slot === undefined || this.#mustWaitForMore() || this.#mustWaitForRunners()) return
      const tasks = this.#take()
      if (tasks.length === 0) return
      this.#send(tasks, slot)
      this.#options.taken()
    }
  }

  /** Innocents or a group of suspects: whose turn it is, and if none of those can be taken, the others. */
  #take(): Task[] {
    const { lanes, pool, batchSize } = this.#options
    const share = Math.ceil(lanes.size / Math.max(pool.idle, 1))
    const itemsMax = Math.min(share, batchSize)
    if (lanes.suspects === 0) return lanes.take(itemsMax, limits.batchBytesMax)
    const suspectsFirst = this.#suspectsTurn
    for (const suspects of [suspectsFirst, !suspectsFirst]) {
      if (suspects && this.#options.sharesHost && this.#underWay.size > 0) continue
      // A group is small already: what is shared out are the groups.
      const tasks = suspects
        ? lanes.take(batchSize, limits.batchBytesMax, 'suspect')
        : lanes.take(itemsMax, limits.batchBytesMax)
      if (tasks.length === 0) continue
      if (this.#takesTurns) this.#suspectsTurn = !suspects
      return tasks
    }
    return []
  }

  /** Where a death may end the host, suspects have it for themselves: it is known who did it. */
  #mustWaitForRunners(): boolean {
    const { lanes, sharesHost } = this.#options
    if (!sharesHost || this.#underWay.size === 0) return false
    if (this.#trials.isUnderWay) return true
    return this.#suspectsTurn && lanes.suspects > 0
  }

  #mustWaitForMore(): boolean {
    const { lanes, batchSize, batchDelayMs, clock } = this.#options
    if (batchDelayMs === 0 || lanes.size >= batchSize || this.#fillIsOver) return false
    this.#fill ??= clock.after(batchDelayMs, () => {
      this.#fill = undefined
      this.#fillIsOver = true
      this.#dispatch()
      this.#fillIsOver = false
    })
    return true
  }

  #send(tasks: readonly Task[], slot: PoolSlot): void {
    const { clock, timeoutMs } = this.#options
    const batches = this.#underWay.get(slot) ?? []
    const served = batches.length === 0
    if (served) this.#underWay.set(slot, batches)
    const batch: Batch = { tasks, slot, done: 0, served, progressAt: clock.monotonic() }
    batches.push(batch)
    this.#describe(slot, batches)
    this.#inRunners += tasks.length
    const deadline = clock.now() + timeoutMs
    const items = tasks.map((task) => {
      task.release = slot.release
      const { message } = task.origin
      return {
        event: message.payload,
        context: this.#contexts.encode(message, task.device, deadline),
      }
    })
    this.#armWatch(timeoutMs)
    this.#trials.sent(tasks)
    this.#options.flights?.depart(tasks)
    slot.runner.infer(items, {
      outcomes: (first, outcomes) => this.#outcomes(batch, first, outcomes),
      lost: (error, index) => this.#lost(batch, error, index),
    })
  }

  #outcomes(batch: Batch, first: number, outcomes: readonly InferOutcome[]): void {
    batch.done += outcomes.length
    batch.progressAt = this.#options.clock.monotonic()
    this.#inRunners -= outcomes.length
    this.#trials.answered()
    for (let i = 0; i < outcomes.length; i++) {
      this.#options.outcome(batch.tasks[first + i] as Task, outcomes[i] as InferOutcome)
    }
    if (batch.done < batch.tasks.length) return
    const { suspects, flights, lanes } = this.#options
    this.#trials.ended(batch.tasks)
    suspects.forget(batch.tasks)
    flights?.land(batch.tasks)
    const next = this.#remove(batch)[0]
    if (next !== undefined) {
      next.served = true
      next.progressAt = batch.progressAt
    }
    lanes.release(batch.tasks)
    this.poke()
  }

  /** @param index - Of the event that the runner was on, where that is known. */
  #lost(batch: Batch, error: EdgebootError, index: number | undefined): void {
    const { lanes, attempts, givenUp, retried, suspects, flights } = this.#options
    this.#trials.ended(batch.tasks)
    flights?.land(batch.tasks)
    this.#remove(batch)
    const left = batch.tasks.slice(batch.done)
    this.#inRunners -= left.length
    // A batch that waited behind the one being served cannot be to blame.
    const isSuspect = batch.served && !this.#closed && left.length > 0
    const wasSuspect = isSuspect && batch.tasks[0]?.company !== undefined
    const culprit = isSuspect && index !== undefined ? batch.tasks[index] : undefined
    if (isSuspect) this.#accuse(batch, left, culprit)
    // It came past others, although their outcomes did not come any more.
    if (culprit !== undefined && culprit !== left[0]) this.#trials.answered()
    suspects.forget(batch.tasks.slice(0, batch.done))
    const retry: Task[] = []
    for (const task of left) {
      if (task.attempts < attempts) {
        retry.push(task)
        continue
      }
      suspects.forget([task])
      givenUp(task, error)
    }
    if (isSuspect) {
      const othersWait = lanes.suspects > 0
      const isBlamed = retry.length < left.length
      const isKnown = culprit !== undefined
      batch.slot.death = this.#trials.judge({ wasSuspect, othersWait, isBlamed, isKnown })
    }
    if (!this.#closed) retried(retry.length)
    lanes.putBack(retry)
    lanes.release(batch.tasks)
    this.poke()
  }

  #accuse({ tasks }: Batch, left: readonly Task[], culprit: Task | undefined): void {
    const { suspects } = this.#options
    this.#takesTurns = true
    if (culprit === undefined) {
      suspects.accuse(left, tasks.length === 1)
      return
    }
    suspects.accuse([culprit], true)
    // It is the dear one, above all when it hangs: whoever can go without it goes first.
    this.#suspectsTurn = false
  }

  /** @returns The batches that the runner still has. */
  #remove(batch: Batch): Batch[] {
    const batches = (this.#underWay.get(batch.slot) ?? []).filter((other) => other !== batch)
    if (batches.length === 0) this.#underWay.delete(batch.slot)
    else this.#underWay.set(batch.slot, batches)
    this.#describe(batch.slot, batches)
    return batches
  }

  #describe(slot: PoolSlot, batches: readonly Batch[]): void {
    slot.batches = batches.length
    slot.exclusive = batches.some((batch) => batch.tasks[0]?.company !== undefined)
  }

  /** One timer for all runners, armed only while something is under way. */
  #armWatch(delayMs: number): void {
    this.#watch ??= this.#options.clock.after(delayMs, () => {
      this.#watch = undefined
      this.#killOverdue()
    })
  }

  #killOverdue(): void {
    const { clock, timeoutMs } = this.#options
    let nextMs = Infinity
    for (const [slot, batches] of this.#underWay) {
      const leftMs = (batches[0]?.progressAt ?? 0) + timeoutMs - clock.monotonic()
      if (leftMs > 0) nextMs = Math.min(nextMs, leftMs)
      else slot.runner.interrupt(deadlineError(slot.index, timeoutMs))
    }
    if (nextMs < Infinity) this.#armWatch(nextMs)
  }
}

function deadlineError(runner: number, timeoutMs: number): EdgebootError {
  return new EdgebootError(
    'RUNNER_DEADLINE',
    `the model did not answer an event within ${timeoutMs} ms, and its runner was killed`,
    { details: { runner, timeoutMs } },
  )
}
