import assert from 'node:assert/strict'
import type { DeadLetterHandling } from '../../src/pipeline/dead-letter-office.ts'
import type { Matcher } from '../../src/pipeline/match.ts'
import type { DropReason, PipelineStats } from '../../src/pipeline/pipeline-stats.ts'
import type { PipelineLimits } from '../../src/pipeline/pipeline-parts.ts'
import { Pipeline } from '../../src/pipeline/pipeline.ts'
import type { ProbationVerdict } from '../../src/pipeline/probation.ts'
import type { Recorder } from '../../src/pipeline/recorder.ts'
import { MemorySink } from '../../src/transport/memory-sink.ts'
import { MemorySource } from '../../src/transport/memory-source.ts'
import { FakeClock } from './fake-clock.ts'
import { echo, fakePool, fakeRelease, type FakeRunner } from './fake-runner.ts'
import { RecordedLog } from './recorded-log.ts'

/** What a test may say of its bench. */
export interface PipelineBenchOptions {
  readonly limits?: Partial<PipelineLimits>
  readonly matcher?: Matcher
  readonly resultTopic?: (topic: string, device: string | undefined) => string | undefined
  readonly workers?: number
  readonly deadLetters?: Partial<DeadLetterHandling>
  readonly source?: MemorySource
  readonly sink?: MemorySink
  readonly recorder?: Recorder
  /** Of the model that it begins with. */
  readonly version?: string
}

/** A pipeline between memory and fake runners. Work that is deferred runs at `turn`. */
export class PipelineBench {
  readonly clock = new FakeClock()
  readonly source: MemorySource
  readonly sink: MemorySink
  readonly runners: FakeRunner[] = []
  readonly #log = new RecordedLog()
  readonly lines = this.#log.lines
  readonly states: string[] = []
  readonly verdicts: ProbationVerdict[] = []
  readonly #deferred: (() => void)[] = []
  readonly pipeline: Pipeline

  constructor(options: PipelineBenchOptions = {}) {
    const log = this.#log.logger
    this.source = options.source ?? new MemorySource()
    this.sink = options.sink ?? new MemorySink(this.clock)
    this.pipeline = new Pipeline(
      {
        source: this.source,
        sink: this.sink,
        matcher: options.matcher ?? { devices: [] },
        createPool: (callbacks) =>
          fakePool(this.runners, {
            size: options.workers ?? 1,
            clock: this.clock,
            log,
            release: fakeRelease(this.runners, options.version, true),
            ...callbacks,
          }),
        resultTopic: options.resultTopic ?? ((topic) => `out/${topic}`),
        resultProperties: { shared: (version) => ({ version }), own: () => ({}) },
        identify: ({ payload }, device) => `${device} ${new TextDecoder().decode(payload)}`,
        recorder: options.recorder,
        deadLetters: { ...plainHandling(), ...options.deadLetters },
        clock: this.clock,
        log,
        defer: (run) => this.#deferred.push(run),
        probationDecided: (verdict) => this.verdicts.push(verdict),
        changed: ({ state, reason }) =>
          this.states.push(reason === '' ? state : `${state}: ${reason}`),
      },
      {
        orderBy: 'device',
        queue: { size: 1000, whenFull: 'drop-oldest' },
        holdsBack: false,
        batch: { size: 64, delayMs: 0 },
        timeoutMs: 1000,
        probation: undefined,
        attempts: 3,
        sharesHost: false,
        retained: true,
        ...options.limits,
      },
    )
  }

  /** Started, with its model loaded. */
  static async ready(options: PipelineBenchOptions = {}): Promise<PipelineBench> {
    const bench = new PipelineBench(options)
    await bench.pipeline.start()
    for (const runner of bench.runners) await runner.load()
    bench.turn()
    return bench
  }

  /**
   * Begins to exchange the model.
   *
   * @returns Whether the new version took over, once that is known.
   */
  swap(version: string, onProbation = false): Promise<boolean> {
    return this.pipeline.swap(fakeRelease(this.runners, version, true), onProbation).then(
      () => true,
      () => false,
    )
  }

  turn(): void {
    for (const run of this.#deferred.splice(0)) run()
  }

  /** Runs everything that waits through a model that repeats what it is given. */
  answerAll(): void {
    for (;;) {
      this.turn()
      const busy = this.runners.find(({ serving, gone }) => !gone && serving.length > 0)
      if (busy === undefined) return
      busy.answer(echo)
    }
  }

  get stats(): PipelineStats {
    return this.pipeline.stats()
  }

  get published(): string[] {
    return this.sink.published.map(({ payload }) => new TextDecoder().decode(payload))
  }

  /** Reasons with a count. */
  get dropped(): Partial<Record<DropReason, number>> {
    return Object.fromEntries(Object.entries(this.stats.dropped).filter(([, count]) => count > 0))
  }
}

/** Keeps no letters; their ids count up. */
function plainHandling(): DeadLetterHandling {
  let ids = 0
  return {
    origin: { rule: 'r', func: 'f', model: 'm' },
    newId: () => `id-${++ids}`,
    random: () => 0,
  }
}

/** A payload of a device. */
export const event = (device: string, serial: number): string =>
  JSON.stringify({ deviceInfo: { deviceName: device }, telemetry: { serial } })

/** The sum that {@link PipelineStats} promises. */
export function assertBalanced(stats: PipelineStats): void {
  const { received, fannedOut, recovered, replayed, deadLetterCopies } = stats
  const { published, dropped, deadLettered, inMotion, spooled } = stats
  const droppedSum = Object.values(dropped).reduce((sum, count) => sum + count, 0)
  assert.equal(
    received + fannedOut + recovered + replayed + deadLetterCopies,
    published + droppedSum + inMotion + spooled,
  )
  assert.ok(deadLettered <= droppedSum)
}
