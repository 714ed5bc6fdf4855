/** How long it took until results came again after a fault of one kind. */
export interface RecoveryTimes {
  /** Such as `kill runner`. */
  readonly fault: string
  readonly times: number
  readonly medianMs: number
  readonly worstMs: number
}

interface Open {
  readonly fault: string
  readonly since: number
  /** Pipelines that have not answered since. */
  readonly silent: Set<number>
}

/**
 * Measures recovery: from a fault until every pipeline that it hit has answered a message that was
 * sent after it. Faults overlap, so one may be blamed for another that followed: these are upper
 * bounds. Pure.
 */
export class RecoveryClock {
  readonly #times = new Map<string, number[]>()
  #open: Open[] = []

  /** @param at - Milliseconds, of the same clock as all others. */
  faulted(fault: string, pipelines: readonly number[], at: number): void {
    this.#open.push({ fault, since: at, silent: new Set(pipelines) })
  }

  /** A pipeline answered a message that had been sent at `sentAt`. */
  answered(pipeline: number, sentAt: number, at: number): void {
    if (this.#open.length === 0) return
    for (const open of this.#open) {
      if (sentAt <= open.since || !open.silent.delete(pipeline) || open.silent.size > 0) continue
      const times = this.#times.get(open.fault)
      if (times === undefined) this.#times.set(open.fault, [at - open.since])
      else times.push(at - open.since)
    }
    this.#open = this.#open.filter(({ silent }) => silent.size > 0)
  }

  summary(): readonly RecoveryTimes[] {
    return [...this.#times].map(([fault, unsorted]) => {
      const times = unsorted.toSorted((a, b) => a - b)
      return {
        fault,
        times: times.length,
        medianMs: Math.round(times[Math.floor(times.length / 2)] ?? 0),
        worstMs: Math.round(times.at(-1) ?? 0),
      }
    })
  }
}
