import { PriorityGroup, type Starter } from '../boot/starter.ts'
import type { StarterContext } from '../boot/starter-context.ts'
import type { BrokerSettings, PipelineSettings } from '../config/settings.ts'
import type { LogLevel } from '../core/log.ts'
import { hostStarter, type StartHostProcess } from '../host/host-process.ts'
import { endAllOf, endOrphans, markOfThisProcess } from '../host/orphan-sweep.ts'
import { PipelineFleet } from '../host/pipeline-fleet.ts'
import { PipelineSupervisor } from '../host/pipeline-supervisor.ts'
import { storeVerdicts } from '../host/store-verdicts.ts'
import { readHostRecord } from '../host/recorder/host-record.ts'
import { runnerEnvironment } from '../runtime/worker-environment.ts'
import { hostEnvironment } from '../host/host-environment.ts'
import {
  embeddedBrokersKey,
  modelStoreKey,
  pipelineFleetKey,
  settingsKey,
  systemViewKey,
} from './services.ts'

/** What the starter is told from outside. */
export interface ProcessorOptions {
  readonly version: string
  readonly logLevel: LogLevel
  /** How long what is in motion may take to come out when everything stops. */
  readonly drainMs: number
  /** Of the main process; hosts and runners are given parts of it. */
  readonly environment: Readonly<Record<string, string | undefined>>
}

/** Runs the pipelines, each in a host process of its own, and keeps them running. */
export class ProcessorStarter implements Starter {
  readonly name = 'processor'
  readonly priorityGroup = PriorityGroup.BasicResources
  readonly priority = 10_000
  readonly blocking = false
  readonly stopDeadlineMs: number
  readonly #options: ProcessorOptions
  #fleet: PipelineFleet | undefined
  /** Of everything that runs for this process; undefined where the system cannot tell. */
  readonly #mark = markOfThisProcess()

  constructor(options: ProcessorOptions) {
    this.#options = options
    this.stopDeadlineMs = options.drainMs + 5000
  }

  init(): void {}

  setup(context: StarterContext): void {
    const { pipelines } = context.get(settingsKey)
    const startHost = hostStarter(context.clock, this.#mark)
    this.#fleet = new PipelineFleet({
      pipelines,
      prepare: (pipeline) => withEmbeddedAddresses(pipeline, context),
      supervise: (pipeline) => this.#supervise(pipeline, context, startHost),
      version: this.#options.version,
      clock: context.clock,
    })
    context.provide(systemViewKey, this.#fleet)
    context.provide(pipelineFleetKey, this.#fleet)
  }

  /** The hosts are on their way when it resolves: what is slow to load in here may come after. */
  async start(context: StarterContext): Promise<void> {
    const orphans = await endOrphans()
    if (orphans.length > 0) context.log.warn('orphans.ended', { pids: orphans })
    await this.#fleet?.start()
  }

  async stop(): Promise<void> {
    await this.#fleet?.stop(this.#options.drainMs)
    if (this.#mark !== undefined) await endAllOf(this.#mark)
  }

  #supervise(
    pipeline: PipelineSettings,
    context: StarterContext,
    startHost: StartHostProcess,
  ): PipelineSupervisor {
    const { environment, logLevel } = this.#options
    const log = context.log.child({ pipeline: pipeline.name, rule: pipeline.rule })
    const store = context.get(modelStoreKey)
    return new PipelineSupervisor({
      pipeline,
      resolveModel: (model, onState) => {
        let address = ''
        return store.resolve(model, {
          signal: context.signal,
          onState: (state, detail) => {
            address = detail
            onState(state, detail)
          },
          onProgress: (bytes, total) =>
            onState('FETCHING', `${address}: ${progress(bytes, total)}`),
        })
      },
      verdicts: storeVerdicts(store, log),
      startHost,
      readHostRecord,
      hostEnvironment: hostEnvironment(environment),
      runnerEnvironment: runnerEnvironment(environment),
      logLevel,
      clock: context.clock,
      random: Math.random,
      log,
    })
  }
}

function withEmbeddedAddresses(
  pipeline: PipelineSettings,
  context: StarterContext,
): PipelineSettings {
  const embedded = context.find(embeddedBrokersKey)
  const resolve = (broker: BrokerSettings): BrokerSettings => {
    const address = embedded?.get(broker.name)
    return address === undefined ? broker : { ...broker, url: address.url }
  }
  const { source, sink } = pipeline
  return {
    ...pipeline,
    source: { ...source, broker: resolve(source.broker) },
    sink: { ...sink, broker: resolve(sink.broker) },
  }
}

/** Such as `12.5 of 300.0 MiB`. */
function progress(bytes: number, total: number | undefined): string {
  const mebibytes = (count: number): string => (count / 1024 ** 2).toFixed(1)
  return total === undefined
    ? `${mebibytes(bytes)} MiB so far`
    : `${mebibytes(bytes)} of ${mebibytes(total)} MiB`
}
