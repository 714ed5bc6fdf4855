import { setImmediate } from 'node:timers/promises'
import { pipelineKey } from '../config/compare-settings.ts'
import type { PipelineSettings } from '../config/settings.ts'
import type { Clock } from '../core/clock.ts'
import type { ModelPackage } from '../models/model-package.ts'
import type { PipelineStats } from '../pipeline/pipeline-stats.ts'
import { explainRunning } from './explain-pipeline.ts'
import type { ExplainQuestion, PipelineExplanation } from './explanation.ts'
import { heartbeatIntervalMs } from './host-messages.ts'
import type { PipelineSupervisor } from './pipeline-supervisor.ts'
import { ReloadJournal } from './reload-journal.ts'
import type { PipelineStatus, SystemView } from './system-view.ts'

/** Silence of a host, or of our own event loop, that liveness no longer excuses. */
const silenceMsMax = 8 * heartbeatIntervalMs

/** What a fleet needs from around it. */
export interface PipelineFleetOptions {
  readonly pipelines: readonly PipelineSettings[]
  /** Fills in what only the running instance knows, such as the ports of embedded brokers. */
  readonly prepare: (pipeline: PipelineSettings) => PipelineSettings
  /** Makes the supervisor of a prepared pipeline. */
  readonly supervise: (pipeline: PipelineSettings) => PipelineSupervisor
  readonly version: string
  readonly clock: Clock
}

/** One pipeline of a fleet. */
export interface FleetMember {
  /** As the configuration had it that is in effect for this one. */
  readonly settings: PipelineSettings
  readonly supervisor: PipelineSupervisor
}

/**
 * All pipelines of an instance, and the view on them that the web and the terminal share. A reload
 * adds, exchanges and removes some while the others run.
 */
export class PipelineFleet implements SystemView {
  readonly version: string
  readonly startedAt: number
  readonly reloads = new ReloadJournal()
  readonly #options: PipelineFleetOptions
  #members: FleetMember[]
  #stopping = false

  constructor(options: PipelineFleetOptions) {
    this.#options = options
    this.#members = options.pipelines.map((settings) => this.#recruit(settings))
    this.version = options.version
    this.startedAt = options.clock.now()
  }

  /** Starts all at once. Resolves when every one has begun, ready or not. */
  async start(): Promise<void> {
    await Promise.all(this.#members.map(({ supervisor }) => supervisor.start()))
  }

  /** Stops all at once, each within the drain and a little more. Never rejects. */
  async stop(drainMs: number): Promise<void> {
    this.#stopping = true
    await Promise.all(this.#members.map(({ supervisor }) => supervisor.stop(drainMs)))
  }

  /** In the order of the configuration. */
  get members(): readonly FleetMember[] {
    return this.#members
  }

  /** The member of this rule and func. */
  find(pipeline: Pick<PipelineSettings, 'rule' | 'func'>): FleetMember | undefined {
    const key = pipelineKey(pipeline)
    return this.#members.find(({ settings }) => pipelineKey(settings) === key)
  }

  /** Adds a pipeline and starts it. Does nothing once the fleet is being stopped. */
  async add(settings: PipelineSettings): Promise<void> {
    if (this.#stopping) return
    const member = this.#recruit(settings)
    this.#members = [...this.#members, member]
    await member.supervisor.start()
  }

  /** Lets a pipeline drain, and forgets it and its counts. */
  async remove(settings: PipelineSettings, drainMs: number): Promise<void> {
    const member = this.find(settings)
    await member?.supervisor.stop(drainMs)
    this.#members = this.#members.filter((other) => other !== member)
  }

  /** See {@link PipelineSupervisor.replace}. What is refused stays in effect as it was. */
  async replace(
    settings: PipelineSettings,
    model: ModelPackage | undefined,
    drainMs: number,
  ): ReturnType<PipelineSupervisor['replace']> {
    const member = this.find(settings)
    if (member === undefined) return { kind: 'stopped' }
    const target = this.#target(settings, model)
    const replacement = await member.supervisor.replace(target, drainMs)
    if (replacement.kind !== 'refused' && replacement.kind !== 'stopped') this.#note(settings)
    return replacement
  }

  /** The second half of an exchange that began with the supervisor's `halt`. */
  begin(settings: PipelineSettings, model: ModelPackage | undefined): void {
    this.find(settings)?.supervisor.begin(this.#target(settings, model))
    this.#note(settings)
  }

  /** Puts the pipelines into the order of the configuration; those that are not in it come last. */
  arrange(order: readonly PipelineSettings[]): void {
    const keys = order.map(pipelineKey)
    const place = ({ settings }: FleetMember): number => {
      const at = keys.indexOf(pipelineKey(settings))
      return at < 0 ? keys.length : at
    }
    this.#members = this.#members.toSorted((a, b) => place(a) - place(b))
  }

  pipelines(): readonly PipelineStatus[] {
    return this.#members.map(({ supervisor }) => supervisor.status)
  }

  async stats(): Promise<ReadonlyMap<string, PipelineStats>> {
    const entries = this.#members.map(
      async ({ supervisor }) => [supervisor.status.name, await supervisor.stats()] as const,
    )
    return new Map(await Promise.all(entries))
  }

  async explain(question: ExplainQuestion): Promise<readonly PipelineExplanation[]> {
    let turn = Promise.resolve()
    const explanations = this.#members.map(({ supervisor }) => {
      // A turn of the event loop for each: a large message in many pipelines holds up nobody else.
      turn = turn.then(() => setImmediate())
      return turn.then(() => explainRunning(supervisor, question))
    })
    return Promise.all(explanations)
  }

  /** That this answers at all proves the main process; the hosts prove themselves by their heartbeats. */
  liveness(): { alive: boolean; reason: string } {
    for (const { supervisor } of this.#members) {
      if (supervisor.silenceMs <= silenceMsMax) continue
      const seconds = Math.round(supervisor.silenceMs / 1000)
      const reason = `the host of ${supervisor.status.name} said nothing for ${seconds} s`
      return { alive: false, reason }
    }
    return { alive: true, reason: '' }
  }

  #recruit(settings: PipelineSettings): FleetMember {
    const { prepare, supervise } = this.#options
    return { settings, supervisor: supervise(prepare(settings)) }
  }

  #target(
    settings: PipelineSettings,
    model: ModelPackage | undefined,
  ): { pipeline: PipelineSettings; model?: ModelPackage } {
    const pipeline = this.#options.prepare(settings)
    return model === undefined ? { pipeline } : { pipeline, model }
  }

  #note(settings: PipelineSettings): void {
    const key = pipelineKey(settings)
    this.#members = this.#members.map((member) =>
      pipelineKey(member.settings) === key ? { ...member, settings } : member,
    )
  }
}
