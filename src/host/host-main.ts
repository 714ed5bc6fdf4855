/**
 * The entry of a host process: one pipeline, told what to do over a channel by the main process.
 * Started by the supervisor alone. It dies with its parent: a lost channel ends it at once, with its
 * runners and whatever they started.
 */
import { Socket } from 'node:net'
import { systemClock } from '../core/clock.ts'
import { asEdgebootError, type EdgebootError, toWireError, type WireError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import { createLogger } from '../core/log.ts'
import { markVariable } from '../core/process-mark.ts'
import type { PipelineHealth } from '../pipeline/pipeline-health.ts'
import type { Pipeline } from '../pipeline/pipeline.ts'
import { assemblePipeline } from './assemble-pipeline.ts'
import { channelDescriptor, heartbeatIntervalMs, type ToHost } from './host-messages.ts'
import { ModelReleases } from './model-releases.ts'
import { endAllOfNow } from './orphan-sweep.ts'
import { isChannel, ParentChannel } from './parent-channel.ts'
import { watchParent } from './parent-watch.ts'
import { reasonCharsMax } from './parse-from-host.ts'

if (!isChannel(channelDescriptor)) {
  process.stderr.write('edgeboot: this file is started by edgeboot itself, not by hand\n')
  process.exit(2)
}

/** After a SIGTERM: how long the main process may take to say how it wants us to stop. */
const parentsWordMs = 1000

/** In the environment of this process, and so in that of what an inline model starts. */
const mark = process.env[markVariable]

let pipeline: Pipeline | undefined
let releases: ModelReleases | undefined
let stopping = false

const channel = new ParentChannel(new Socket({ fd: channelDescriptor }), {
  received: obey,
  broke: fail,
  ended: () => {
    // Without the parent nobody restarts, counts or stops us.
    pipeline?.abandon()
    endChildren()
    process.exit(stopping ? 0 : 1)
  },
})

function stateChanged({ state, reason, engine }: PipelineHealth): void {
  const told = { type: 'state', state, reason: reason.slice(0, reasonCharsMax) } as const
  channel.tell(engine === undefined ? told : { ...told, engine })
}

async function start(message: ToHost & { type: 'start' }): Promise<void> {
  const log = createLogger(
    (level, event, fields) => channel.log({ type: 'log', level, event, fields }),
    message.logLevel,
  )
  process.title = message.pipeline.name
  // A model in this event loop may block it: the end of the channel would go unnoticed.
  if (message.pipeline.workers === 0 && mark !== undefined) process.on('exit', watchParent(mark))
  const { pipeline: settings, model, judge, onProbation, runnerEnvironment } = message
  const parts = { clock: systemClock, log }
  releases = new ModelReleases(settings, { ...parts, runnerEnvironment, mark })
  const release = releases.release({ model, runners: settings, judge })
  const assembled = assemblePipeline(settings, {
    ...parts,
    model,
    release,
    changed: stateChanged,
    probationDecided: ({ passed, reason }) =>
      channel.tell({ type: 'probation', passed, reason: reason.slice(0, reasonCharsMax) }),
  })
  pipeline = assembled
  setInterval(() => channel.beat(() => assembled.stats()), heartbeatIntervalMs)
  assembled.load({ onProbation })
  if (message.standby !== true) await assembled.connect()
}

async function swap({
  requestId,
  onProbation,
  ...order
}: ToHost & { type: 'swap' }): Promise<void> {
  if (pipeline === undefined || releases === undefined) return
  try {
    await pipeline.swap(releases.release(order), onProbation)
    channel.tell({ type: 'swap', requestId })
  } catch (thrown) {
    channel.tell({ type: 'swap', requestId, error: shortWireError(asEdgebootError(thrown)) })
  }
}

function shortWireError(error: EdgebootError): WireError {
  const { message, ...wire } = toWireError(error)
  return { ...wire, message: message.slice(0, reasonCharsMax) }
}

/** What runners started does not end with them; the main process sweeps up after an ordered stop. */
function endChildren(): void {
  if (mark !== undefined) endAllOfNow(mark)
}

async function stop(drainMs: number): Promise<void> {
  if (stopping) return
  stopping = true
  await pipeline?.stop(drainMs)
  if (pipeline === undefined) process.exit(0)
  // The last counts, so that the books of the main process are complete.
  channel.sayLast({ type: 'stats', stats: pipeline.stats() }, () => process.exit(0))
}

function answer(message: ToHost & { type: 'stats' | 'trail' }, asked: Pipeline): void {
  const { type, requestId } = message
  if (type === 'stats') channel.tell({ type, requestId, stats: asked.stats() })
  else channel.tell({ type, requestId, trail: asked.trail(message.topic, message.lastMax) })
}

function fail(thrown: unknown): void {
  const error = asEdgebootError(thrown)
  process.stderr.write(`${error.stack ?? error.message}\n`)
  channel.sayLast({ type: 'failed', error: shortWireError(error) }, () =>
    process.exit(error.exitCode),
  )
}

function obey(message: ToHost): void {
  if (message.type === 'start') start(message).catch(fail)
  else if (message.type === 'go') pipeline?.connect().catch(fail)
  else if (message.type === 'stop') stop(message.drainMs).catch(fail)
  else if (message.type === 'replay') pipeline?.replay()
  else if (message.type === 'swap') swap(message).catch(fail)
  else if (pipeline !== undefined) answer(message, pipeline)
}

process.on('uncaughtException', fail)
process.on('unhandledRejection', fail)
// Ctrl-C reaches the whole foreground group; the main process asks for an ordered stop.
process.on('SIGINT', () => {})
// So may SIGTERM, and how long to drain is the main process's to say; alone it stops us as well.
process.on('SIGTERM', () => {
  setTimeout(() => void stop(limits.drainMs).catch(fail), parentsWordMs)
})
