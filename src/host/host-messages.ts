import type { EffectiveSettings } from '../config/settings.ts'
import type { WireError } from '../core/errors.ts'
import type { LogFields, LogLevel } from '../core/log.ts'
import type { ModelPackage } from '../models/model-package.ts'
import type { PipelineStats } from '../pipeline/pipeline-stats.ts'
import type { ProbationVerdict } from '../pipeline/probation.ts'
import type { TrailView } from '../pipeline/trail.ts'
import type { Direction } from './host-channel.ts'
import type { ReleaseOrder } from './model-releases.ts'
import type { PipelineState } from './system-view.ts'

/** From the main process to a host. Plain JSON: it travels over a `HostChannel`. */
export type ToHost =
  | {
      readonly type: 'start'
      readonly pipeline: EffectiveSettings
      readonly model: ModelPackage
      /** Its samples decide whether it may serve. */
      readonly judge: boolean
      /** It has to show yet that it is good. */
      readonly onProbation: boolean
      /** The whole environment of the model. */
      readonly runnerEnvironment: Readonly<Record<string, string>>
      readonly logLevel: LogLevel
      /** Load the model, and connect to nothing until told to `go`: another host still serves. */
      readonly standby?: boolean
    }
  /**
   * Load another version of the model beside the one that serves, and let it take over. Holds nothing
   * of the settings that a model may not read.
   */
  | ({
      readonly type: 'swap'
      readonly requestId: number
      readonly onProbation: boolean
    } & ReleaseOrder)
  /** To a host that stands by: the other one is gone, connect. */
  | { readonly type: 'go' }
  | { readonly type: 'stats'; readonly requestId: number }
  /** Where the last events ended: of one topic, or of all. */
  | {
      readonly type: 'trail'
      readonly requestId: number
      readonly topic?: string
      readonly lastMax: number
    }
  /** Somebody wants dead letters to be run again: those that are marked for it in the store. */
  | { readonly type: 'replay' }
  | { readonly type: 'stop'; readonly drainMs: number }

/** From a host to the main process. */
export type FromHost =
  | {
      readonly type: 'state'
      readonly state: PipelineState
      readonly reason: string
      readonly engine?: string
    }
  /** The answer to a question, or without one the heartbeat: it turns, and this is where it stands. */
  | { readonly type: 'stats'; readonly requestId?: number; readonly stats: PipelineStats }
  | { readonly type: 'trail'; readonly requestId: number; readonly trail: TrailView }
  /** The model that was on probation has passed, or failed. */
  | ({ readonly type: 'probation' } & ProbationVerdict)
  /** The end of a swap; with an error when the version before goes on. */
  | { readonly type: 'swap'; readonly requestId: number; readonly error?: WireError }
  | {
      readonly type: 'log'
      readonly level: LogLevel
      readonly event: string
      readonly fields: LogFields
    }
  /** It cannot go on and exits. */
  | { readonly type: 'failed'; readonly error: WireError }

/** Of a host: its end of the channel. */
export const channelDescriptor = 3

/**
 * Of a host: a pipe that the main process holds and nothing comes through. Its end is that of the
 * main process.
 */
export const lifelineDescriptor = 4

/**
 * What travels to a host. The largest is the order to start, with parameters of up to a mebibyte; it
 * is also the only one that holds a secret, and is read before the model is loaded, which could read
 * those that follow.
 */
export const toHost: Direction = { type: 1, bytesMax: 16 * 1024 ** 2 }
/** What travels from a host. The largest is a trail of a thousand long topics. */
export const fromHost: Direction = { type: 129, bytesMax: 4 * 1024 ** 2 }
/** What the main process reads from one host; log lines beyond it wait, and then are dropped. */
export const fromHostBytesPerSecondMax = 1024 ** 2

/** A host tells its counts at least this often. */
export const heartbeatIntervalMs = 5000
