import type { PipelineStatus, SystemView } from '../../../src/host/system-view.ts'
import type { PipelineStats } from '../../../src/pipeline/pipeline-stats.ts'
import { noStats } from '../../../src/web/stats-reader.ts'

/** A pipeline that is fine, but for what the test says. */
export function pipeline(changes: Partial<PipelineStatus> = {}): PipelineStatus {
  return {
    name: 'sub_process_plant_threshold_0',
    rule: 'threshold',
    model: 'threshold',
    state: 'READY',
    since: Date.UTC(2026, 0, 2, 3, 4, 5),
    reason: '',
    restarts: 0,
    ...changes,
  }
}

/** Counts that are all 0, but for what the test says. */
export function counts(changes: Partial<PipelineStats> = {}): PipelineStats {
  return { ...noStats, ...changes }
}

/** A running system of which the test says everything. */
export function fakeSystem(
  pipelines: readonly PipelineStatus[],
  stats: Readonly<Record<string, PipelineStats>> = {},
  changes: Partial<SystemView> = {},
): SystemView {
  return {
    version: '1.2.3',
    startedAt: Date.UTC(2026, 0, 1),
    reloads: { counts: { applied: 0, partial: 0, refused: 0 }, last: undefined },
    pipelines: () => pipelines,
    stats: () => Promise.resolve(new Map(Object.entries(stats))),
    explain: () => Promise.resolve([]),
    liveness: () => ({ alive: true, reason: '' }),
    ...changes,
  }
}
