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

/** What is known of one pipeline without asking its host. */
export interface PipelineStatus {
  readonly name: string
  readonly rule: string
  readonly model: string
  /** Absent until the package is on the disk. */
  readonly modelVersion?: string
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

/**
 * The running system as the web, the demo and later the console see it. Asking costs nothing but
 * `stats`, which asks every host and waits a second at most: one that does not answer, or has
 * none, is given its last known counts.
 */
export interface SystemView {
  readonly version: string
  /** Milliseconds since 1970. */
  readonly startedAt: number
  pipelines(): readonly PipelineStatus[]
  stats(): Promise<ReadonlyMap<string, PipelineStats>>
  /** What becomes of a message in each pipeline, and where the last ones ended. Waits as `stats` does. */
  explain(question: ExplainQuestion): Promise<readonly PipelineExplanation[]>
  /** False with the reason when something that should beat has stopped beating. */
  liveness(): { readonly alive: boolean; readonly reason: string }
}
