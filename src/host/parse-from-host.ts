import { catalogue, type ErrorCode } from '../core/error-catalogue.ts'
import type { ErrorDetails, WireError } from '../core/errors.ts'
import { logLevels, type LogFields, type LogLevel } from '../core/log.ts'
import { emptyStats } from '../pipeline/ledger.ts'
import type { PipelineHealth } from '../pipeline/pipeline-health.ts'
import { dropReasons, type PipelineStats } from '../pipeline/pipeline-stats.ts'
import { endings, trailEndingsMax, type TrailView } from '../pipeline/trail.ts'
import { hostFault } from './host-channel.ts'
import type { FromHost } from './host-messages.ts'

type HostState = PipelineHealth['state']
const hostStates: readonly HostState[] = [
  'STARTING',
  'WARMING',
  'READY',
  'DRAINING',
  'BACKOFF',
  'BROKEN',
]
/** Longest text that says why; a host cuts its own. */
export const reasonCharsMax = 8192
/** Who speaks is for the main process to say. */
const namesOfSpeaker: ReadonlySet<string> = new Set(['pipeline', 'rule', 'successor'])

/**
 * Checks a message from a host in every part that is used. A model in the host's process can send
 * messages of its own making: it may lie about its pipeline, but not name another one, make the
 * main process throw, or turn sums that others are part of into something that is no number.
 *
 * @throws HOST_PROTOCOL
 */
export function parseFromHost(body: Record<string, unknown>): FromHost {
  const { type } = body
  if (typeof type !== 'string' || !Object.hasOwn(parsers, type)) {
    throw hostFault('a message of an unknown type')
  }
  return parsers[type as FromHost['type']](body)
}

const parsers: Readonly<Record<FromHost['type'], (body: Record<string, unknown>) => FromHost>> = {
  state: parseState,
  stats: parseStats,
  trail: parseTrail,
  log: parseLog,
  failed: parseFailed,
  swap: parseSwap,
  probation: parseProbation,
}

function parseState({ state, reason, engine }: Record<string, unknown>): FromHost {
  const isKnown = hostStates.includes(state as HostState)
  if (!isKnown || !isText(reason) || (engine !== undefined && !isText(engine))) {
    throw hostFault('a state that is none, or without its reason')
  }
  const told = { type: 'state', state: state as HostState, reason } as const
  return engine === undefined ? told : { ...told, engine }
}

function parseStats({ requestId, stats }: Record<string, unknown>): FromHost {
  if (requestId !== undefined && !isCount(requestId)) throw hostFault('counts that answer nothing')
  if (!isLike(emptyStats(), stats)) throw hostFault('counts that are not the counts of a pipeline')
  const told = { type: 'stats', stats: stats as PipelineStats } as const
  return requestId === undefined ? told : { ...told, requestId }
}

function parseTrail({ requestId, trail }: Record<string, unknown>): FromHost {
  if (!isCount(requestId)) throw hostFault('a trail that answers nothing')
  if (!isTrail(trail)) throw hostFault('a trail that is none')
  return { type: 'trail', requestId, trail }
}

function parseLog({ level, event, fields }: Record<string, unknown>): FromHost {
  const isEvent = typeof event === 'string' && /^[a-z][a-z0-9.-]{0,99}$/.test(event)
  if (!isEvent || !logLevels.includes(level as LogLevel) || !isRecord(fields)) {
    throw hostFault('a log line without its level, event and fields')
  }
  return { type: 'log', level: level as LogLevel, event, fields: fieldsOf(fields) }
}

function parseFailed({ error }: Record<string, unknown>): FromHost {
  return { type: 'failed', error: wireErrorOf(error) }
}

function parseSwap({ requestId, error }: Record<string, unknown>): FromHost {
  if (!isCount(requestId)) throw hostFault('the end of a swap that nobody asked for')
  const told = { type: 'swap', requestId } as const
  return error === undefined ? told : { ...told, error: wireErrorOf(error) }
}

function parseProbation({ passed, reason }: Record<string, unknown>): FromHost {
  if (typeof passed !== 'boolean' || !isText(reason)) throw hostFault('a verdict that is none')
  return { type: 'probation', passed, reason }
}

function wireErrorOf(error: unknown): WireError {
  if (!isRecord(error)) throw hostFault('a failure without its error')
  const { code, message, fix, details } = error
  const isKnown = typeof code === 'string' && Object.hasOwn(catalogue, code)
  if (!isKnown || !isText(message) || !isText(fix) || !isRecord(details)) {
    throw hostFault('a failure with an error that is none of ours')
  }
  const { where, ...more } = fieldsOf(details)
  const told: ErrorDetails = isText(where) ? { ...more, where } : more
  return { code: code as ErrorCode, message, fix, details: told }
}

/** Facts for a line of the log, which cuts what is deep or long: without those that only the main process may add. */
function fieldsOf(fields: Record<string, unknown>): LogFields {
  return Object.fromEntries(Object.entries(fields).filter(([name]) => !namesOfSpeaker.has(name)))
}

function isTrail(value: unknown): value is TrailView {
  if (!isRecord(value)) return false
  const { remembered, byEnding, last, reasons } = value
  return (
    isCount(remembered) &&
    isRecord(byEnding) &&
    Object.entries(byEnding).every(([ending, count]) => isEnding(ending) && isCount(count)) &&
    Array.isArray(last) &&
    last.length <= trailEndingsMax &&
    last.every(isTrailEntry) &&
    isRecord(reasons) &&
    Object.entries(reasons).every(([reason, said]) => isDropReason(reason) && isReason(said))
  )
}

function isTrailEntry(value: unknown): boolean {
  if (!isRecord(value)) return false
  const { topic, device, ending, at, latencyMs } = value
  return (
    typeof topic === 'string' &&
    (device === undefined || typeof device === 'string') &&
    isEnding(ending) &&
    isNumber(at) &&
    isNumber(latencyMs)
  )
}

const isReason = (value: unknown): boolean =>
  isRecord(value) && isText(value['text']) && isNumber(value['at'])

const isEnding = (value: unknown): boolean => (endings as readonly unknown[]).includes(value)

const isDropReason = (value: unknown): boolean =>
  (dropReasons as readonly unknown[]).includes(value)

/** Numbers where the pattern has numbers, under the same keys and nothing else. */
function isLike(pattern: unknown, value: unknown): boolean {
  if (typeof pattern === 'number') return isNumber(value)
  if (Array.isArray(pattern)) {
    const isAsLong = Array.isArray(value) && value.length === pattern.length
    return isAsLong && value.every((item, i) => isLike(pattern[i], item))
  }
  if (!isRecord(pattern) || !isRecord(value)) return false
  const keys = Object.keys(pattern)
  const hasAll = keys.every((key) => Object.hasOwn(value, key) && isLike(pattern[key], value[key]))
  return hasAll && Object.keys(value).length === keys.length
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.length <= reasonCharsMax
}

/** Sums of such numbers stay finite. */
function isNumber(value: unknown): value is number {
  return typeof value === 'number' && Math.abs(value) <= Number.MAX_SAFE_INTEGER
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}
