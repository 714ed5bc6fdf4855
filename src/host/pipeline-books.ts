import type { PipelineSettings } from '../config/settings.ts'
import type { DeathKind } from '../core/backoff.ts'
import { addStats, closeBooks, emptyStats } from '../pipeline/ledger.ts'
import type { PipelineStats } from '../pipeline/pipeline-stats.ts'
import { Trials } from '../pipeline/trials.ts'
import type { ReadHostRecord } from './recorder/host-record.ts'

/** What the record of a host that is gone tells. */
export interface LastRecord {
  /** Its model was loaded. */
  readonly hasServed: boolean
  /** What its death says of the model. */
  readonly kind: DeathKind
}

/** What is known of the hosts that serve a pipeline, one after the other: counts, and why they died. */
export class PipelineBooks {
  readonly #readHostRecord: ReadHostRecord
  readonly #trials = new Trials()
  /** Of the hosts that are gone. */
  #earlier: PipelineStats = emptyStats()
  /** What the host has told of itself last. */
  #host: PipelineStats = emptyStats()
  #last: PipelineStats = emptyStats()

  constructor(readHostRecord: ReadHostRecord) {
    this.#readHostRecord = readHostRecord
  }

  /** The last that is known of all hosts together. */
  get stats(): PipelineStats {
    return this.#last
  }

  /** The host told its own counts. */
  told(stats: PipelineStats): void {
    this.#host = stats
    this.#last = addStats(this.#earlier, stats)
  }

  /**
   * The host is gone, and what was in motion in it. It may have come further than it had told of:
   * what it left on record counts.
   *
   * @param pid - Of the host.
   * @returns What it has left on record.
   */
  close(
    { recorder, attempts, source }: PipelineSettings,
    pid: number | undefined,
  ): LastRecord | undefined {
    const record = recorder && this.#readHostRecord(recorder.file, pid, attempts)
    if (record !== undefined) this.told({ ...this.#host, ...record.books })
    // With QoS 1 the broker still has what was not acknowledged, and sends it to the next host.
    this.#last = closeBooks(this.#last, source.qos === 1 ? 'unacknowledged' : 'crash')
    this.#earlier = this.#last
    this.#host = emptyStats()
    return record && { hasServed: record.hasServed, kind: this.#trials.judge(record.death) }
  }
}
