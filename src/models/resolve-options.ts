import type { ModelsSettings } from '../config/settings.ts'
import type { Clock } from '../core/clock.ts'
import type { Logger } from '../core/log.ts'
import type { ReadManifest } from './detect-entry.ts'
import type { PythonEnvironments } from './environments/python-environments.ts'
import type { FetchReport } from './package-fetcher.ts'

/** What a store works with. */
export interface ModelStoreOptions {
  readonly settings: ModelsSettings
  readonly clock: Clock
  readonly log: Logger
  readonly readManifest: ReadManifest
  /** Default: none are built, and a package keeps the interpreter that it finds. */
  readonly environments?: Pick<PythonEnvironments, 'prepare'>
  /** Default: Node's own. */
  readonly fetch?: typeof globalThis.fetch
}

/** What one caller of {@link ModelStore.resolve} wants besides the package. None may throw. */
export interface ResolveOptions {
  /** Leaves; the fetch goes on while somebody else waits for it. */
  readonly signal?: AbortSignal
  /** Called on every change; `detail` is the address without credentials, or the path. */
  readonly onState?: (state: 'FETCHING' | 'VERIFYING', detail: string) => void
  /** Called for every chunk of a download, with its size when the server says. */
  readonly onProgress?: (bytes: number, total?: number) => void
}

/** Tells one caller how far a fetch is. */
export function tell(report: FetchReport, options: ResolveOptions): void {
  if (report.kind === 'state') options.onState?.(report.state, report.detail)
  else if (report.total === undefined) options.onProgress?.(report.bytes)
  else options.onProgress?.(report.bytes, report.total)
}
