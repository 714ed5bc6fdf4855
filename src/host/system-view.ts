import type { PipelineStats } from '../pipeline/pipeline-stats.ts'
import type { ExplainQuestion, PipelineExplanation } from './explanation.ts'

export type { ExplainQuestion, PipelineExplanation }

/** States of DESIGN section 9. */
export type PipelineState =
  | 'NEW'
  | 'FETCHING'
  | 'VERIFYING'
  | 'STARTING'
  | 'WARMING'
  | 'READY'
  | 'DRAINING'
  | 'BACKOFF'
  | 'BROKEN'

/** A version of a model that is not, or not for good, in effect. */
export interface UpdateStatus {
  readonly version: string
  /**
   * `loading`: beside the version that serves. `refused`: it did not pass the gate. `probation`: it
   * serves, and may be rolled back. `rolled-back`: it failed its probation.
   */
  readonly state: 'loading' | 'refused' | 'probation' | 'rolled-back'
  /** One sentence. */
  readonly reason: string
  /** Milliseconds since 1970. */
  readonly since: number
}

/** What is known of one pipeline without asking its host. */
export interface PipelineStatus {
  readonly name: string
  readonly rule: string
  readonly model: string
  /** Absent until the package is on the disk. */
  readonly modelVersion?: string
  /** The last version that came, unless it is in effect. */
  readonly update?: UpdateStatus
  /** Such as `Python 3.11.2 (/usr/bin/python3)`; absent until it is loaded. */
  readonly engine?: string
  readonly state: PipelineState
  /** Milliseconds since 1970. */
  readonly since: number
  /** One sentence; empty when READY needs none. */
  readonly reason: string
  /** How often its host was restarted. */
  readonly restarts: number
  /** Process id of its host. */
  readonly pid?: number
}

/** What became of a reload: all of it, a part of it, nothing of it is in effect. */
export const reloadResults = ['applied', 'partial', 'refused'] as const
export type ReloadResult = (typeof reloadResults)[number]

/** One reload. Pipelines are named as their processes are. */
export interface ReloadReport {
  /** Who asked: `SIGHUP`, `watch`, `api`. */
  readonly by: string
  /** When it was over, milliseconds since 1970. */
  readonly at: number
  readonly durationMs: number
  readonly result: ReloadResult
  /** Why it was refused, or which pipeline was and why; empty when all is in effect. */
  readonly reason: string
  /** Of a refusal. */
  readonly code?: string
  readonly unchanged: number
  readonly replaced: readonly string[]
  readonly added: readonly string[]
  readonly removed: readonly string[]
  /** Left as they were, because their new model cannot be had or loaded. */
  readonly refused: readonly { readonly pipeline: string; readonly reason: string }[]
  /** Keys whose change takes effect with a restart of edgeboot. */
  readonly needsRestart: readonly string[]
}

/** What is known of the reloads of this instance. */
export interface ReloadView {
  readonly counts: Readonly<Record<ReloadResult, number>>
  readonly last: ReloadReport | undefined
}

/** What came of the request for a reload, as far as the file can tell at once. */
export type ReloadAnswer =
  /** The file is valid, and these pipelines are being seen to; models are looked at as well. */
  | {
      readonly kind: 'accepted'
      readonly changed: readonly string[]
      readonly added: readonly string[]
      readonly removed: readonly string[]
      readonly needsRestart: readonly string[]
    }
  /** Another change is under way; this one follows. */
  | { readonly kind: 'queued' }
  /** The file cannot be used, and what runs goes on. */
  | { readonly kind: 'refused'; readonly code: string; readonly reason: string }
  | { readonly kind: 'stopping' }

/** What can be asked of the running system. Changes come one after the other. */
export interface SystemControl {
  /**
   * Reads the configuration again and applies what changed.
   *
   * @param by - Who asks, for the log.
   */
  reload(by: string): Promise<ReloadAnswer>
  /**
   * Restarts one pipeline, as soon as nothing else is under way; a broken one begins anew.
   *
   * @returns Whether there is a pipeline of this name.
   */
  restart(name: string): boolean
  /**
   * Looks again at the model of every pipeline that uses it, as soon as nothing else is under way,
   * and exchanges those for which another version is meant now.
   *
   * @returns The names of the pipelines that use it.
   */
  lookAtModel(model: string): readonly string[]
  /**
   * Has every pipeline run the dead letters again that are marked for it in its store.
   *
   * @returns The names of the pipelines that were told.
   */
  replay(): readonly string[]
}

/**
 * The running system as the web, the demo and later the console see it. Asking costs nothing but
 * `stats`, which asks every host and waits a second at most: one that does not answer, or has
 * none, is given its last known counts.
 */
export interface SystemView {
  readonly version: string
  /** Milliseconds since 1970. */
  readonly startedAt: number
  readonly reloads: ReloadView
  pipelines(): readonly PipelineStatus[]
  stats(): Promise<ReadonlyMap<string, PipelineStats>>
  /** What becomes of a message in each pipeline, and where the last ones ended. Waits as `stats` does. */
  explain(question: ExplainQuestion): Promise<readonly PipelineExplanation[]>
  /** False with the reason when something that should beat has stopped beating. */
  liveness(): { readonly alive: boolean; readonly reason: string }
}
