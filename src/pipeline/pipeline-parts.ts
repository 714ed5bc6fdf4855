import type { OrderBy, ProbationSettings, WhenFull } from '../config/settings.ts'
import type { Clock } from '../core/clock.ts'
import type { Logger } from '../core/log.ts'
import type { Sink, Source, SourceMessage } from '../transport/transport.ts'
import type { DeadLetterHandling } from './dead-letter-office.ts'
import type { Matcher } from './match.ts'
import type { ResultProperties } from './outlet.ts'
import type { PipelineHealth } from './pipeline-health.ts'
import type { ProbationVerdict } from './probation.ts'
import type { Recorder } from './recorder.ts'
import type { RunnerPool } from './runner-pool.ts'

/** What a pipeline is made of. */
export interface PipelineParts {
  readonly source: Source
  readonly sink: Sink
  readonly matcher: Matcher
  /** Made with the callbacks that the pipeline gives: it must know when runners change. */
  readonly createPool: (callbacks: { changed: () => void; room: () => void }) => RunnerPool
  /** The topic of a result; `undefined` when the template gives one that MQTT forbids. */
  readonly resultTopic: (sourceTopic: string, device: string | undefined) => string | undefined
  /** What is sent with a result. */
  readonly resultProperties: ResultProperties
  /** Names the result of an event: the same when the message comes again. */
  readonly identify: (message: SourceMessage, device: string | undefined) => string
  /** Keeps what must outlive the host; absent where nothing has to. */
  readonly recorder: Recorder | undefined
  readonly deadLetters: DeadLetterHandling
  readonly clock: Clock
  readonly log: Logger
  readonly defer: (run: () => void) => void
  /** A release that was on probation has passed, or failed. */
  readonly probationDecided: (verdict: ProbationVerdict) => void
  /** State or reason changed. */
  readonly changed: (health: PipelineHealth) => void
}

/** How a pipeline behaves. */
export interface PipelineLimits {
  readonly orderBy: OrderBy
  readonly queue: { readonly size: number; readonly whenFull: WhenFull }
  /**
   * Runners wait while as many results as the queue holds, or as many bytes, are unsettled. Needed
   * for a sink that gives up none by itself; always so with `block`.
   */
  readonly holdsBack: boolean
  readonly batch: { readonly size: number; readonly delayMs: number }
  readonly timeoutMs: number
  /** What a release on probation has to show; absent: none is. */
  readonly probation: ProbationSettings | undefined
  readonly attempts: number
  /** Runners are threads of the host, or the host itself: one that dies may take it along. */
  readonly sharesHost: boolean
  /** False: messages that the broker had kept are left out. */
  readonly retained: boolean
}
