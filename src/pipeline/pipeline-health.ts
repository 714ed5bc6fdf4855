import type { ConnectionState } from '../transport/transport.ts'
import type { PoolState } from './runner-pool.ts'

/** State of a pipeline as its host sees it, with the reason in one sentence. */
export interface PipelineHealth {
  readonly state: 'STARTING' | 'WARMING' | 'READY' | 'DRAINING' | 'BACKOFF' | 'BROKEN'
  readonly reason: string
  readonly engine: string | undefined
}

/** The parts that decide. */
export interface HealthParts {
  readonly pool: PoolState
  readonly source: ConnectionState
  readonly sink: ConnectionState
  /** Why dead letters wait, if they do. */
  readonly deadLetters: string | undefined
  readonly draining: boolean
}

/**
 * One state out of the states of the parts: the worst one names it. A pipeline is READY when its
 * model is loaded, both connections stand, and no dead letter waits for a disk that takes none.
 */
export function pipelineHealth(parts: HealthParts): PipelineHealth {
  const { pool, source, sink, deadLetters, draining } = parts
  const { engine } = pool
  if (draining) return { state: 'DRAINING', reason: 'stopping', engine }
  if (pool.status === 'broken') return { state: 'BROKEN', reason: `model: ${pool.reason}`, engine }
  const reasons: string[] = []
  if (pool.status !== 'ready') reasons.push(`model: ${pool.reason}`)
  if (source.status !== 'connected') reasons.push(`input: ${source.reason}`)
  if (sink.status !== 'connected') reasons.push(`output: ${sink.reason}`)
  if (deadLetters !== undefined) reasons.push(`dead letters: ${deadLetters}`)
  if (reasons.length === 0) return { state: 'READY', reason: '', engine }
  const waits = (state: ConnectionState): boolean =>
    state.status !== 'connected' && state.status !== 'connecting'
  const backsOff =
    pool.status === 'backoff' || waits(source) || waits(sink) || deadLetters !== undefined
  const starts = pool.status === 'warming' ? 'WARMING' : 'STARTING'
  return { state: backsOff ? 'BACKOFF' : starts, reason: reasons.join('; '), engine }
}
