import type { EdgebootError } from '../core/errors.ts'
import type { ResultPiece } from './batch-codec.ts'
import { protocolError } from './frame.ts'
import type { Progress } from './progress-mark.ts'
import type { BatchListener } from './runner.ts'

interface OpenBatch {
  readonly id: number
  readonly count: number
  readonly listener: BatchListener
  /** Index of the first item without an outcome. */
  next: number
}

/** Batches that a runner owes answers to, in the order in which it got them. */
export class BatchLedger {
  readonly #open: OpenBatch[] = []
  #nextId = 1

  /** How many batches are under way. */
  get size(): number {
    return this.#open.length
  }

  /** Enters a batch and returns the id under which it is sent. */
  add(count: number, listener: BatchListener): number {
    const id = this.#nextId
    this.#nextId = id === 0xffffffff ? 1 : id + 1
    this.#open.push({ id, count, listener, next: 0 })
    return id
  }

  /**
   * Passes outcomes on to whom they belong.
   *
   * @throws RUNNER_PROTOCOL for a batch that is not the oldest, a gap, or more outcomes than items.
   */
  accept(piece: ResultPiece): void {
    const batch = this.#open[0]
    const { batchId, first, outcomes } = piece
    if (batch?.id !== batchId) throw protocolError(`results for batch ${batchId}, not under way`)
    if (first !== batch.next || outcomes.length === 0) {
      throw protocolError(`${outcomes.length} results from ${first} where ${batch.next} is next`)
    }
    const next = first + outcomes.length
    if (next > batch.count) throw protocolError(`${next} results for a batch of ${batch.count}`)
    batch.next = next
    if (next === batch.count) this.#open.shift()
    batch.listener.outcomes(first, outcomes)
  }

  /**
   * Tells everyone who still waits that nothing will come, and the oldest batch which of its items
   * the runner was on.
   *
   * @param progress - What the runner left of itself; believed if it can be true.
   */
  lose(error: EdgebootError, progress?: Progress): void {
    const [served, ...waiting] = this.#open.splice(0)
    served?.listener.lost(error, itemUnderWay(served, progress))
    for (const { listener } of waiting) listener.lost(error)
  }
}

function itemUnderWay(
  { id, next, count }: OpenBatch,
  progress: Progress | undefined,
): number | undefined {
  if (progress?.batchId !== id) return undefined
  const { index } = progress
  return index >= next && index < count ? index : undefined
}
