import type { PipelineSettings } from '../config/settings.ts'
import type { ModelPackage } from '../models/model-package.ts'

/** What a pipeline is to be from now on. Without a model, the supervisor gets it itself. */
export interface PipelineTarget {
  readonly pipeline: PipelineSettings
  readonly model?: ModelPackage
}

/** What a pipeline is, with its model on the disk. */
export type LoadedTarget = Required<PipelineTarget>

/** What became of a replacement. */
export type Replacement =
  /** The new one took over; `gapMs` after the old one had read its last, it began to connect. */
  | { readonly kind: 'replaced'; readonly gapMs: number }
  /** The model was exchanged in its host, without a gap. */
  | { readonly kind: 'swapped' }
  /** The old one did not serve: the new one begins in its place, whatever comes of it. */
  | { readonly kind: 'begun' }
  /** The new one cannot load its model, and the old one goes on. `reason` is a clause. */
  | { readonly kind: 'refused'; readonly reason: string }
  /** Everything stops. */
  | { readonly kind: 'stopped' }
