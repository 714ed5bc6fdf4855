import type { DropReason } from '../pipeline/pipeline-stats.ts'
import type { TrailView } from '../pipeline/trail.ts'
import type { PipelineState } from './system-view.ts'

/** Endings that are listed when nobody says how many. */
export const lastEndingsDefault = 10

/** What is asked: about a topic, a message, or both. */
export interface ExplainQuestion {
  /** Without one, each pipeline is asked with a topic that its own filter matches. */
  readonly topic?: string
  /** Without one, only the topic is explained. */
  readonly payload?: Uint8Array
  /** Whether the message comes as one that the broker had kept. */
  readonly retain: boolean
  /** Of a running pipeline: how many of the last endings to list; default {@link lastEndingsDefault}. */
  readonly last?: number
}

/** A place on the way of a message, in the order of the way. */
export type ExplainStepName = 'topic' | 'retained' | 'decode' | 'device' | 'when' | 'next'

/** What one step says of a message. Texts are short, however large the message. */
export interface ExplainStep {
  readonly step: ExplainStepName
  /** False where the message, or this event of it, goes no further. */
  readonly passed: boolean
  /** For a person, in a sentence without a full stop. */
  readonly text: string
  /** The device entry that it is about. */
  readonly device?: string
  /** The attribute of it that does not hold, in the words of the file. */
  readonly attribute?: string
  /** The condition that does not hold, as it stands in the file. */
  readonly condition?: string
  /** What the message has, and what the condition wants. */
  readonly actual?: string
  readonly expected?: string
}

/** What becomes of a message in one pipeline. */
export interface Explanation {
  /** The one asked for, or one made up for the filter. */
  readonly topic: string
  readonly isTopicMadeUp: boolean
  /**
   * `elsewhere`: its topic is not subscribed to. `subscribed`: it is, and there was no message to
   * say more of. `dropped`: no event of it reaches the model. `taken`: at least one does.
   */
  readonly verdict: 'elsewhere' | 'subscribed' | 'dropped' | 'taken'
  /** Under what it is counted; with `dropped`. */
  readonly reason?: DropReason
  /** Events of it that reach the model. */
  readonly events: number
  readonly steps: readonly ExplainStep[]
  /** Device entries that are not among the steps, which have those that fit first. */
  readonly entriesLeftOut: number
}

/** What is known of a pipeline that runs. */
export interface RunningFacts {
  readonly state: PipelineState
  /** Milliseconds since 1970. */
  readonly since: number
  readonly reason: string
  readonly received: number
  readonly published: number
  readonly spooled: number
  /** Those that are not 0, of all topics and since the start. */
  readonly dropped: Readonly<Partial<Record<DropReason, number>>>
  /** How many of the dropped are kept as dead letters, or were. */
  readonly deadLettered: number
  /** Of the topic that was asked for, or without one of all. */
  readonly trail: TrailView
}

/** The answer for one pipeline. */
export interface PipelineExplanation extends Explanation {
  readonly pipeline: string
  readonly rule: string
  readonly func: string
  readonly model: string
  readonly broker: string
  readonly filter: string
  /** Absent when nothing runs, and for a topic that is not subscribed to. */
  readonly running?: RunningFacts
}
