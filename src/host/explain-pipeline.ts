import type { PipelineSettings } from '../config/settings.ts'
import { dropReasons, type DropReason, type PipelineStats } from '../pipeline/pipeline-stats.ts'
import type { TrailView } from '../pipeline/trail.ts'
import { explainMessage } from './explain-message.ts'
import {
  lastEndingsDefault,
  type ExplainQuestion,
  type PipelineExplanation,
  type RunningFacts,
} from './explanation.ts'
import type { PipelineStatus } from './system-view.ts'

/**
 * The answer of one pipeline, as far as its settings give it: all of it when nothing runs.
 *
 * @param status - When it runs: whether what is taken gets any further.
 */
export function explainPipeline(
  settings: PipelineSettings,
  question: ExplainQuestion,
  status?: Pick<PipelineStatus, 'state' | 'reason'>,
): PipelineExplanation {
  const { name, rule, func, model, source } = settings
  return {
    pipeline: name,
    rule,
    func,
    model: model.name,
    broker: source.broker.name,
    filter: source.topic,
    ...explainMessage(settings, question, status),
  }
}

/** What explaining needs of a pipeline that runs. */
export interface RunningPipeline {
  readonly settings: PipelineSettings
  readonly status: PipelineStatus
  stats(): Promise<PipelineStats>
  trail(topic: string | undefined, lastMax: number): Promise<TrailView>
}

/** The same of one that runs, with its state, its counts and where its last events ended. */
export async function explainRunning(
  running: RunningPipeline,
  question: ExplainQuestion,
): Promise<PipelineExplanation> {
  const { settings, status } = running
  const explanation = explainPipeline(settings, question, status)
  if (explanation.verdict === 'elsewhere') return explanation
  const lastMax = question.last ?? lastEndingsDefault
  const [stats, trail] = await Promise.all([
    running.stats(),
    running.trail(question.topic, lastMax),
  ])
  return { ...explanation, running: runningFacts(status, stats, trail) }
}

function runningFacts(
  { state, since, reason }: PipelineStatus,
  { received, published, spooled, dropped, deadLettered }: PipelineStats,
  trail: TrailView,
): RunningFacts {
  const counted: Partial<Record<DropReason, number>> = {}
  for (const one of dropReasons) if (dropped[one] > 0) counted[one] = dropped[one]
  const counts = { received, published, spooled, dropped: counted, deadLettered }
  return { state, since, reason, ...counts, trail }
}
