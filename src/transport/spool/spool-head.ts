import { Deque } from '../../core/deque.ts'
import type { UnsettledResult } from '../transport.ts'
import type { HandedRecord } from './spool-queue.ts'

/** A result in memory, or a record of the disk that was taken back from the inner sink. */
export type HeadItem =
  | { readonly kind: 'result'; readonly result: UnsettledResult }
  | { readonly kind: 'record'; readonly handed: HandedRecord }

/** What was taken back from the inner sink, oldest first: it comes before everything on the disk. */
export class SpoolHead {
  #items = new Deque<HeadItem>()
  #results = 0

  get length(): number {
    return this.#items.length
  }

  /** How many are not on the disk. */
  get results(): number {
    return this.#results
  }

  get items(): readonly HeadItem[] {
    return [...this.#items]
  }

  /**
   * Puts back what was withdrawn, in front of what is here.
   *
   * @param failed - Records that the inner sink had given back by itself, oldest first.
   * @param recordOf - The record that a withdrawn result is; `undefined` when it is none.
   */
  putBack(
    withdrawn: readonly UnsettledResult[],
    failed: readonly HandedRecord[],
    recordOf: (settled: UnsettledResult['settled']) => HandedRecord | undefined,
  ): void {
    const front: HeadItem[] = []
    const hold = (handed: HandedRecord): void => {
      handed.status = 'held'
      front.push({ kind: 'record', handed })
    }
    let held = 0
    const holdFailedBefore = (seq: number): void => {
      for (let next = failed[held]; next && next.record.seq < seq; next = failed[held]) {
        hold(next)
        held += 1
      }
    }
    for (const result of withdrawn) {
      const handed = recordOf(result.settled)
      if (handed === undefined) {
        front.push({ kind: 'result', result })
        this.#results += 1
      } else {
        holdFailedBefore(handed.record.seq)
        hold(handed)
      }
    }
    holdFailedBefore(Number.POSITIVE_INFINITY)
    for (const item of front.toReversed()) this.#items.unshift(item)
  }

  shift(): HeadItem | undefined {
    const item = this.#items.shift()
    if (item?.kind === 'result') this.#results -= 1
    return item
  }

  /** Leaves records out that are published or given up. */
  dropDone(): void {
    this.#keep((item) => item.kind === 'result' || item.handed.status !== 'done')
  }

  /** Takes out results that are not on the disk, those of which `isTaken` says so. */
  takeResults(isTaken: (result: UnsettledResult) => boolean): readonly UnsettledResult[] {
    const taken: UnsettledResult[] = []
    this.#keep((item) => {
      if (item.kind !== 'result' || !isTaken(item.result)) return true
      taken.push(item.result)
      return false
    })
    this.#results -= taken.length
    return taken
  }

  clear(): void {
    this.#items = new Deque()
    this.#results = 0
  }

  #keep(isKept: (item: HeadItem) => boolean): void {
    const kept = new Deque<HeadItem>()
    for (const item of this.#items) if (isKept(item)) kept.push(item)
    this.#items = kept
  }
}
