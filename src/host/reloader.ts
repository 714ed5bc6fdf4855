import { compareSettings, type SettingsDiff } from '../config/compare-settings.ts'
import { describeFinding } from '../config/finding.ts'
import type { ReloadedSettings } from '../config/reload-settings.ts'
import type { PipelineSettings, Settings } from '../config/settings.ts'
import type { Clock } from '../core/clock.ts'
import { asEdgebootError, type EdgebootError } from '../core/errors.ts'
import type { Logger } from '../core/log.ts'
import type { ChangeOutcome, FleetChanges } from './fleet-changes.ts'
import type { PipelineFleet } from './pipeline-fleet.ts'
import type { ReloadAnswer, ReloadReport, SystemControl } from './system-view.ts'

/** Restarts that may wait for their turn. */
const waitingMax = 1000

/** Who looks after what brokers keep for client ids that left the configuration. */
export interface SessionSweep {
  /** Leaves the brokers alone, so that a client id may be used again. */
  pause(): Promise<void>
  /** Begins anew for what is in effect now. `former` are brokers that may still keep something. */
  sweep(settings: Settings, former: Settings['brokers']): void
}

/** What a reloader needs from around it. */
export interface ReloaderOptions {
  /** What is in effect when it begins. */
  readonly settings: Settings
  /** Reads the file again. @throws EdgebootError `CONFIG_…` */
  readonly load: (running: Settings) => Promise<ReloadedSettings>
  readonly fleet: PipelineFleet
  readonly changes: FleetChanges
  readonly sessions: SessionSweep
  /** A configuration has been taken over: other files may matter now. */
  readonly settled: (settings: Settings) => void
  readonly clock: Clock
  readonly log: Logger
}

/** A change that waits for its turn. */
type Waiting =
  | { readonly kind: 'reload'; readonly by: string }
  | { readonly kind: 'restart' | 'model'; readonly name: string }

/**
 * Reads the configuration again on request and lets the fleet follow. One change at a time: requests
 * that come meanwhile are one more reload, however many there are, and one restart per pipeline. A
 * file that is not valid is refused as a whole, and everything goes on as it was.
 */
export class Reloader implements SystemControl {
  readonly #options: ReloaderOptions
  #settings: Settings
  /** Warnings that were told already. */
  #told: ReadonlySet<string> | undefined
  readonly #waiting: Waiting[] = []
  #isBusy = false
  #isStopped = false

  constructor(options: ReloaderOptions) {
    this.#options = options
    this.#settings = options.settings
  }

  /** What is in effect. */
  get settings(): Settings {
    return this.#settings
  }

  /** Begins nothing more. What is under way ends with the fleet. */
  stop(): void {
    this.#isStopped = true
    this.#waiting.length = 0
  }

  async reload(by: string): Promise<ReloadAnswer> {
    if (this.#isStopped) return { kind: 'stopping' }
    this.#options.log.info('reload.requested', { by })
    if (this.#isBusy) {
      if (!this.#waiting.some(({ kind }) => kind === 'reload')) {
        this.#waiting.push({ kind: 'reload', by })
      }
      return { kind: 'queued' }
    }
    return await this.#begin(by)
  }

  restart(name: string): boolean {
    const { fleet, log } = this.#options
    if (!fleet.members.some(({ settings }) => settings.name === name)) return false
    if (this.#isStopped) return true
    log.info('reload.restart-requested', { pipeline: name })
    this.#wait('restart', name)
    if (!this.#isBusy) void this.#goOn()
    return true
  }

  lookAtModel(model: string): readonly string[] {
    const users = this.#options.fleet.members.filter(
      ({ settings }) => settings.model.name === model,
    )
    const names = users.map(({ settings }) => settings.name)
    if (this.#isStopped) return names
    for (const name of names) this.#wait('model', name)
    if (!this.#isBusy) void this.#goOn()
    return names
  }

  #wait(kind: 'restart' | 'model', name: string): void {
    const isWaiting = this.#waiting.some((one) => one.kind === kind && one.name === name)
    if (!isWaiting && this.#waiting.length < waitingMax) this.#waiting.push({ kind, name })
  }

  replay(): readonly string[] {
    const { fleet } = this.#options
    for (const { supervisor } of fleet.members) supervisor.replay()
    return fleet.members.map(({ settings }) => settings.name)
  }

  /** Resolves when it is known what is to be done; doing it goes on behind the back. */
  async #begin(by: string): Promise<ReloadAnswer> {
    this.#isBusy = true
    const startedAt = this.#options.clock.monotonic()
    let loaded: ReloadedSettings
    try {
      loaded = await this.#options.load(this.#settings)
    } catch (thrown) {
      const error = asEdgebootError(thrown)
      this.#refused(by, startedAt, error)
      void this.#goOn()
      return { kind: 'refused', code: error.code, reason: error.message }
    }
    const diff = compareSettings(this.#settings, loaded.settings, loaded.asked)
    this.#tellOf(loaded, diff)
    void this.#apply(by, startedAt, loaded.settings, diff).then(() => this.#goOn())
    return {
      kind: 'accepted',
      changed: names(diff.changed),
      added: names(diff.added),
      removed: names(diff.removed),
      needsRestart: diff.needsRestart,
    }
  }

  /** The next change that waits, if any. */
  async #goOn(): Promise<void> {
    this.#isBusy = false
    const next = this.#waiting.shift()
    if (next === undefined || this.#isStopped) return
    if (next.kind === 'reload') {
      await this.#begin(next.by)
      return
    }
    const { fleet, changes } = this.#options
    const member = fleet.members.find(({ settings }) => settings.name === next.name)
    if (member !== undefined) {
      this.#isBusy = true
      await (next.kind === 'model' ? changes.lookAtModel(member) : changes.restart(member))
    }
    await this.#goOn()
  }

  async #apply(by: string, startedAt: number, loaded: Settings, diff: SettingsDiff): Promise<void> {
    const { fleet, changes, sessions, settled } = this.#options
    const before = this.#settings
    await sessions.pause()
    const outcome = await changes.apply(diff)
    if (this.#isStopped) return
    fleet.arrange(loaded.pipelines)
    this.#settings = inEffect(before, loaded, fleet)
    sessions.sweep(this.#settings, before.brokers)
    settled(this.#settings)
    this.#report(by, startedAt, outcome, diff.needsRestart)
  }

  #tellOf({ notes }: ReloadedSettings, { needsRestart }: SettingsDiff): void {
    const { log } = this.#options
    const lines = notes.map(describeFinding)
    for (const note of lines) if (this.#told?.has(note) !== true) log.warn('config.note', { note })
    this.#told = new Set(lines)
    if (needsRestart.length === 0) return
    const meaning = 'these keys changed and take effect when edgeboot is restarted'
    log.warn('reload.needs-restart', { keys: needsRestart, meaning })
  }

  #report(
    by: string,
    startedAt: number,
    outcome: ChangeOutcome,
    needsRestart: readonly string[],
  ): void {
    const { clock, fleet, log } = this.#options
    const { unchanged, replaced, added, removed, refused } = outcome
    const durationMs = Math.round(clock.monotonic() - startedAt)
    const report: ReloadReport = {
      by,
      at: clock.now(),
      durationMs,
      result: refused.length === 0 ? 'applied' : 'partial',
      reason: refused.map(({ pipeline, reason }) => `${pipeline}: ${reason}`).join('; '),
      ...outcome,
      needsRestart,
    }
    fleet.reloads.record(report)
    const isQuiet = [replaced, added, removed, refused].every((list) => list.length === 0)
    if (isQuiet) {
      log.info('reload.nothing-changed', { by, unchanged, durationMs })
      return
    }
    const level = refused.length === 0 ? 'info' : 'warn'
    const fields = { by, unchanged, replaced, added, removed, refused: refused.length, durationMs }
    log.log(level, 'reload.applied', fields)
  }

  #refused(by: string, startedAt: number, error: EdgebootError): void {
    const { clock, fleet, log } = this.#options
    const { code, message, fix } = error
    const durationMs = Math.round(clock.monotonic() - startedAt)
    fleet.reloads.record({
      by,
      at: clock.now(),
      durationMs,
      result: 'refused',
      reason: message,
      code,
      unchanged: fleet.members.length,
      replaced: [],
      added: [],
      removed: [],
      refused: [],
      needsRestart: [],
    })
    const meaning = 'the configuration that runs goes on unchanged'
    log.error('reload.refused', { by, code, error: message, fix, meaning })
  }
}

function names(pipelines: readonly PipelineSettings[]): string[] {
  return pipelines.map(({ name }) => name)
}

/** What the file says, but for what only a restart applies and for pipelines that were refused. */
function inEffect(before: Settings, loaded: Settings, fleet: PipelineFleet): Settings {
  const isEmbedded = ({ url }: { url: string }): boolean => url.startsWith('embedded:')
  return {
    ...before,
    brokers: [
      ...before.brokers.filter(isEmbedded),
      ...loaded.brokers.filter((broker) => !isEmbedded(broker)),
    ],
    pipelines: fleet.members.map(({ settings }) => settings),
  }
}
