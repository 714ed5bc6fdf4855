import type { EventEmitter } from 'node:events'
import { errorFields } from '../boot/error-fields.ts'
import type { StarterContext } from '../boot/starter-context.ts'
import type { Starter } from '../boot/starter.ts'
import { asEdgebootError, EdgebootError } from '../core/errors.ts'
import { reloaderKey } from './services.ts'

/**
 * The same signal within this time is the same one: npm hands on the SIGINT that the terminal
 * has sent to the whole process group already, so one Ctrl-C arrives twice.
 */
const sameSignalWithinMs = 300

const exitCodes = { SIGINT: 130, SIGTERM: 143 } as const
type StopSignal = keyof typeof exitCodes

/** The part of `process` that the starter uses, so that tests can stand in for it. */
export type ProcessEvents = Pick<EventEmitter, 'on' | 'off'>

/** What a {@link HookStarter} acts on; the real process unless told otherwise. */
export interface HookStarterOptions {
  readonly process?: ProcessEvents
  readonly exit?: (code: number) => void
}

/**
 * Owns the signals of the process. Registered last, stopped last.
 *
 * The first SIGINT or SIGTERM asks for an orderly stop; a second one exits at once with 130 or
 * 143. SIGHUP asks for a reload of the configuration. An exception or a rejection that nobody caught is logged and ends the
 * application, in order, with exit status 1: what state it left behind nobody knows.
 */
export class HookStarter implements Starter {
  readonly name = 'hook'
  /** Below every group: the second signal must be heard while the others are stopping. */
  readonly priorityGroup = 0
  readonly priority = Number.MAX_SAFE_INTEGER
  readonly blocking = false
  readonly #process: ProcessEvents
  readonly #exit: (code: number) => void
  #listeners: readonly (readonly [string, (thrown: unknown) => void])[] = []
  #first: { readonly signal: StopSignal; readonly at: number } | undefined

  constructor(options: HookStarterOptions = {}) {
    this.#process = options.process ?? process
    this.#exit = options.exit ?? ((code) => process.exit(code))
  }

  /** Listens from here on, so that a Ctrl-C during a long start is an orderly stop as well. */
  init(context: StarterContext): void {
    this.#listeners = [
      ['SIGINT', () => this.#signalled('SIGINT', context)],
      ['SIGTERM', () => this.#signalled('SIGTERM', context)],
      ['SIGHUP', () => hangUp(context)],
      ['uncaughtException', (thrown: unknown) => fault(thrown, 'uncaughtException', context)],
      ['unhandledRejection', (thrown: unknown) => fault(thrown, 'unhandledRejection', context)],
    ]
    for (const [event, listener] of this.#listeners) this.#process.on(event, listener)
  }

  setup(): void {}

  start(): void {}

  stop(): void {
    for (const [event, listener] of this.#listeners) this.#process.off(event, listener)
    this.#listeners = []
  }

  #signalled(signal: StopSignal, context: StarterContext): void {
    const now = context.clock.monotonic()
    const first = this.#first
    if (first === undefined) {
      this.#first = { signal, at: now }
      context.log.info('signal.received', { signal })
      context.requestStop(`${signal} was received`)
      return
    }
    if (signal === first.signal && now - first.at < sameSignalWithinMs) return
    context.log.warn('signal.received-again', { signal, exitCode: exitCodes[signal] })
    this.#exit(exitCodes[signal])
  }
}

/** Asks for a reload, once there is something that could be reloaded. */
function hangUp(context: StarterContext): void {
  const reloader = context.find(reloaderKey)
  if (reloader === undefined) context.log.info('signal.ignored', { signal: 'SIGHUP' })
  else void reloader.reload('SIGHUP')
}

function fault(thrown: unknown, kind: string, context: StarterContext): void {
  const known = asEdgebootError(thrown)
  const error = new EdgebootError('INTERNAL_UNEXPECTED', known.message, {
    cause: thrown,
    details: { ...known.details, kind },
  })
  context.log.error('process.fault', { kind, ...errorFields(error) })
  context.requestStop(`nobody caught an error (${kind})`, error)
}
