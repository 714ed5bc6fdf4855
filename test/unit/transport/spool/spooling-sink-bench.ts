import type { SpoolSettings } from '../../../../src/config/settings.ts'
import { MemorySink } from '../../../../src/transport/memory-sink.ts'
import { SpoolingSink } from '../../../../src/transport/spool/spooling-sink.ts'
import type {
  ConnectionState,
  DiscardReason,
  PublishOutcome,
} from '../../../../src/transport/transport.ts'
import { FakeClock } from '../../../support/fake-clock.ts'
import { MemorySpool } from '../../../support/memory-spool.ts'
import { RecordedLog } from '../../../support/recorded-log.ts'

/** What a bench may be told to do differently. */
export interface BenchOptions {
  readonly settings?: Partial<SpoolSettings>
  readonly store?: MemorySpool
  readonly itemsMax?: number
  readonly openStore?: () => MemorySpool
  readonly hasStore?: boolean
  readonly clock?: FakeClock
}

/** A spooling sink over memory, whose results are numbers. The broker answers when it is told to. */
export class SpoolingSinkBench {
  readonly clock: FakeClock
  readonly log = new RecordedLog()
  readonly store: MemorySpool
  readonly inner: MemorySink
  readonly sink: SpoolingSink
  readonly outcomes = new Map<number, PublishOutcome[]>()
  readonly states: ConnectionState[] = []
  readonly discarded: [DiscardReason, number][] = []
  readonly recovered: number[] = []
  forwarded = 0

  constructor(options: BenchOptions = {}) {
    this.clock = options.clock ?? new FakeClock()
    this.store = options.store ?? new MemorySpool()
    this.inner = new MemorySink(this.clock)
    this.inner.hold()
    const settings: SpoolSettings = {
      file: '/state/spool',
      bytesMax: 1_000_000,
      whenFull: 'block',
      ...options.settings,
    }
    this.sink = new SpoolingSink({
      inner: this.inner,
      settings,
      clock: this.clock,
      log: this.log.logger,
      timeoutMs: 30_000,
      itemsMax: options.itemsMax ?? 50,
      openStore: options.openStore ?? (() => this.store),
      hasStore: () => options.hasStore ?? this.store.records.length > 0,
      random: () => 0,
    })
  }

  start(): Promise<void> {
    return this.sink.start({
      state: (state) => void this.states.push(state),
      recovered: (results) => void this.recovered.push(results),
      forwarded: () => void (this.forwarded += 1),
      discarded: (reason, results) => void this.discarded.push([reason, results]),
    })
  }

  publish(...numbers: readonly number[]): void {
    for (const number of numbers) {
      const message = { topic: 't', payload: Buffer.from(String(number).padStart(9, '0')) }
      this.sink.publish(message, (outcome) => {
        this.outcomes.set(number, [...(this.outcomes.get(number) ?? []), outcome])
      })
    }
  }

  lose(): void {
    this.inner.tell({ status: 'waiting', reason: 'the broker is away' })
  }

  connect(): void {
    this.inner.tell({ status: 'connected', protocol: 'memory' })
  }

  /** Sends and confirms the oldest with the broker. */
  confirm(count: number): void {
    for (const held of this.inner.held.slice(0, count)) held.settle()
  }

  /** Confirms until nothing waits any more. */
  drain(): void {
    for (let i = 0; i < 100_000 && (this.sink.pending > 0 || this.sink.spooled > 0); i++) {
      this.confirm(this.inner.held.length)
      this.clock.advance(50)
    }
  }

  get published(): number[] {
    return this.inner.published.map(({ payload }) => Number(Buffer.from(payload).toString()))
  }

  get onDisk(): number[] {
    return this.store.records.map(({ message }) => Number(Buffer.from(message.payload).toString()))
  }

  outcomeOf(number: number): PublishOutcome | undefined {
    return this.outcomes.get(number)?.[0]
  }
}
