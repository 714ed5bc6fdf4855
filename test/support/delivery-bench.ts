import type { TestContext } from 'node:test'
import type { EffectiveSettings, SinkSettings, SourceSettings } from '../../src/config/settings.ts'
import { systemClock } from '../../src/core/clock.ts'
import { assemblePipeline } from '../../src/host/assemble-pipeline.ts'
import { ModelReleases } from '../../src/host/model-releases.ts'
import type { ModelPackage } from '../../src/models/model-package.ts'
import type { DropReason, PipelineStats } from '../../src/pipeline/pipeline-stats.ts'
import type { Pipeline } from '../../src/pipeline/pipeline.ts'
import { assertBalanced } from './pipeline-bench.ts'
import { pipelineSettings } from './pipeline-settings.ts'
import { RecordedLog } from './recorded-log.ts'
import { Scratch } from './scratch.ts'
import { type Protocol, ScriptedEnd } from './scripted-end.ts'
import { until } from './wait.ts'

/** What a test may say of its bench. */
export interface DeliveryOptions {
  /** The model; default: one that repeats what it is given. */
  readonly model?: string
  readonly source?: Partial<SourceSettings>
  readonly sink?: (scratch: Scratch) => Partial<SinkSettings>
  readonly more?: Partial<EffectiveSettings>
  /** Called with both ends before the pipeline starts. */
  readonly before?: (ends: { input: ScriptedEnd; output: ScriptedEnd }) => void
  /** Does not wait for the connections. */
  readonly unconnected?: boolean
}

const echo = 'export const handler = (event) => event\n'

/** A whole pipeline with QoS 1, its model in the same process, between two scripted brokers. */
export class DeliveryBench {
  readonly input: ScriptedEnd
  readonly output: ScriptedEnd
  readonly scratch: Scratch
  pipeline: Pipeline
  readonly log = new RecordedLog()
  /** States of the pipeline with their reasons. */
  readonly states: string[] = []

  readonly #options: DeliveryOptions
  readonly #entryFile: string

  private constructor(
    options: DeliveryOptions,
    ends: Pick<DeliveryBench, 'input' | 'output' | 'scratch'>,
    entryFile: string,
  ) {
    this.#options = options
    this.#entryFile = entryFile
    this.input = ends.input
    this.output = ends.output
    this.scratch = ends.scratch
    this.pipeline = this.#assemble()
  }

  static async start(
    context: TestContext,
    protocol: Protocol,
    options: DeliveryOptions = {},
  ): Promise<DeliveryBench> {
    const scratch = await Scratch.make()
    const input = await ScriptedEnd.start(protocol)
    const output = await ScriptedEnd.start(protocol)
    options.before?.({ input, output })
    const entryFile = await scratch.write('models/echo/index.mjs', options.model ?? echo)
    const bench = new DeliveryBench(options, { input, output, scratch }, entryFile)
    context.after(async () => {
      await bench.pipeline.stop(0)
      await Promise.all([input.broker.stop(), output.broker.stop()])
      await scratch[Symbol.asyncDispose]()
    })
    await bench.pipeline.start()
    if (options.unconnected !== true) await bench.ready()
    return bench
  }

  /** Starts the pipeline anew, as after a restart of its host. The test has stopped it. */
  async startAgain(): Promise<void> {
    this.pipeline = this.#assemble()
    await this.pipeline.start()
    await this.ready()
  }

  ready(): Promise<unknown> {
    return until(`READY, not ${this.states.at(-1)}`, () => this.pipeline.health.state === 'READY')
  }

  get stats(): PipelineStats {
    const stats = this.pipeline.stats()
    assertBalanced(stats)
    return stats
  }

  /** Waits until nothing is in motion or without an acknowledgement. */
  async settled(): Promise<PipelineStats> {
    return until(`an empty pipeline, not ${JSON.stringify(this.pipeline.stats())}`, () => {
      const { stats } = this
      return stats.inMotion + stats.unacknowledged === 0 ? stats : undefined
    })
  }

  /** Reasons with a count. */
  get dropped(): Partial<Record<DropReason, number>> {
    return Object.fromEntries(Object.entries(this.stats.dropped).filter(([, count]) => count > 0))
  }

  /** Waits for so many results at the output. */
  async arrived(count: number): Promise<void> {
    await until(`${count} results`, () => this.output.results.length >= count)
  }

  /** `n` of the results, in the order in which they arrived. */
  get numbers(): unknown[] {
    return this.output.results.map(({ payload }) => (JSON.parse(payload) as { n: unknown }).n)
  }

  /** Waits for so many PUBACKs at the input. */
  async acknowledged(count: number): Promise<readonly number[]> {
    await until(`${count} PUBACKs`, () => this.input.acknowledged.length >= count)
    return this.input.acknowledged
  }

  /**
   * Lets everything happen that was about to: what was sent has been through the model, and what
   * follows from that has arrived at both ends.
   */
  async quiet(): Promise<void> {
    await this.input.roundTrip()
    await this.resultsQuiet()
    await this.input.roundTrip()
  }

  /** The same without the input, when that is not read or not connected. */
  async resultsQuiet(): Promise<void> {
    await until('an idle model', () => this.stats.preQueue + this.stats.inRunners === 0)
    await this.output.roundTrip()
  }

  #assemble(): Pipeline {
    const { source, sink, more } = this.#options
    const plain = pipelineSettings({ queue: { size: 1000, whenFull: 'block' }, workers: 0 })
    const settings: EffectiveSettings = {
      ...plain,
      ...more,
      source: {
        ...plain.source,
        broker: this.input.settings,
        qos: 1,
        sessionExpirySeconds: 600,
        recordsFolder: this.scratch.path('sessions'),
        ...source,
      },
      sink: { ...plain.sink, broker: this.output.settings, qos: 1, ...sink?.(this.scratch) },
    }
    const model: ModelPackage = {
      name: 'echo',
      version: 'folder',
      runtime: 'javascript',
      format: 'module',
      folder: this.scratch.path('models/echo'),
      entryFile: this.#entryFile,
      modelsFolder: this.scratch.path('models'),
    }
    const parts = { clock: systemClock, log: this.log.logger }
    const releases = new ModelReleases(settings, {
      ...parts,
      mark: undefined,
      runnerEnvironment: {},
    })
    return assemblePipeline(settings, {
      ...parts,
      model,
      release: releases.release({ model, runners: settings, judge: false }),
      probationDecided: () => {},
      changed: ({ state, reason }) => this.states.push(`${state}: ${reason}`),
    })
  }
}
