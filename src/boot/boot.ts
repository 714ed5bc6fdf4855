import { systemClock, type Clock } from '../core/clock.ts'
import { withDeadline } from '../core/deadline.ts'
import { EdgebootError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import type { Logger } from '../core/log.ts'
import { errorFields } from './error-fields.ts'
import { createStarterContext, Services, type StarterContext } from './starter-context.ts'
import type { Starter } from './starter.ts'
import { stopOrder } from './stop-order.ts'

/** How long one phase of one starter may take to come up, when it does not say itself. */
const startDeadlineMsDefault = 5 * 60_000
/** Longest that a timer can wait; used to keep the process alive without waking it. */
const timerMsMax = 2 ** 31 - 1

/** What a {@link Boot} is made of. */
export interface BootOptions {
  /** In the order of registration; the hook starter last. */
  readonly starters: readonly Starter[]
  readonly log: Logger
  readonly clock?: Clock
  /** For each `init`, `setup` and `start`, unless the starter declares its own; default 5 min. */
  readonly startDeadlineMs?: number
  /** For each `stop`, unless the starter declares its own; default `limits.starterStopMs`. */
  readonly stopDeadlineMs?: number
}

/** What came of {@link Boot.start}: it serves, or a stop was asked for before it did. */
export type StartOutcome = 'serving' | 'stopped'

type Phase = 'init' | 'setup' | 'start'

interface Member {
  readonly starter: Starter
  readonly priorityGroup: number
  readonly priority: number
  readonly context: StarterContext
}

/**
 * Brings the starters up in order and takes them down in order.
 *
 * `start` initialises all, sets all up, then starts all, in the order of registration with the
 * blocking ones last. `stop` goes by {@link stopOrder}, gives each its deadline, and reaches
 * every one of them whatever the others do. Both may be called again, and at the same time: the
 * work is done once.
 */
export class Boot {
  readonly #starters: readonly Starter[]
  readonly #log: Logger
  readonly #clock: Clock
  readonly #startDeadlineMs: number
  readonly #stopDeadlineMs: number
  readonly #stopping = new AbortController()
  /** Those whose `init` was reached, in the order of registration. */
  readonly #reached: Member[] = []
  /** What the start is doing, for the log. */
  #step = 'start'
  #startPromise: Promise<StartOutcome> | undefined
  /** The part of `start` that a stop has to wait for. */
  #ascent: Promise<void> | undefined
  readonly #leftBehind = Promise.withResolvers<void>()
  #stopPromise: Promise<void> | undefined
  #stopError: EdgebootError | undefined
  #unorderly = false

  constructor(options: BootOptions) {
    this.#starters = options.starters
    this.#log = options.log
    this.#clock = options.clock ?? systemClock
    this.#startDeadlineMs = options.startDeadlineMs ?? startDeadlineMsDefault
    this.#stopDeadlineMs = options.stopDeadlineMs ?? limits.starterStopMs
  }

  /**
   * Brings everything up.
   *
   * A phase that throws stops what had been reached and rejects with that very error. A stop
   * that is asked for on the way ends it without an error, as `stopped`, once all is down.
   *
   * @throws EdgebootError `CLI_APP_INVALID` when two starters share a name,
   * `BOOT_START_TIMEOUT` when a phase takes too long; else whatever a starter threw.
   */
  start(): Promise<StartOutcome> {
    this.#startPromise ??= this.#start()
    return this.#startPromise
  }

  /**
   * Takes everything down. Never rejects: what goes wrong is logged.
   *
   * @param reason - For the log, in a few words.
   */
  stop(reason = 'stop was called'): Promise<void> {
    if (this.#stopPromise === undefined) {
      // Set before the signal is aborted: those who hear it may ask for a stop themselves.
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#stopPromise = promise
      void this.#stop(reason).then(resolve, resolve)
    }
    return this.#stopPromise
  }

  /** See {@link StarterContext.requestStop}. The first error decides the exit status. */
  requestStop(reason: string, error?: EdgebootError): void {
    this.#stopError ??= error
    void this.stop(reason)
  }

  /**
   * The whole life: start, wait until somebody asks for a stop, stop.
   *
   * @returns Exit status: 0 after an orderly stop; that of the error which asked for the stop;
   * 1 when a starter could not be stopped.
   * @throws Whatever made the start fail; see {@link start}.
   */
  async run(): Promise<number> {
    const alive = this.#keepAlive()
    try {
      await this.start()
      if (!this.#stopping.signal.aborted) {
        await new Promise((resolve) => {
          this.#stopping.signal.addEventListener('abort', resolve, { once: true })
        })
      }
      await this.stop()
    } finally {
      alive.cancel()
    }
    return this.#stopError?.exitCode ?? (this.#unorderly ? 1 : 0)
  }

  async #start(): Promise<StartOutcome> {
    const startedAt = this.#clock.monotonic()
    this.#ascent = this.#ascend()
    try {
      await Promise.race([this.#ascent, this.#leftBehind.promise])
    } catch (error) {
      if (this.#stopping.signal.aborted) {
        // It was told to give up; the way in which it did so is of no more interest than this.
        this.#log.debug('boot.start.cut-short', errorFields(error))
      } else {
        this.#log.error('boot.start.failed', errorFields(error))
        await this.stop('the start failed')
        throw error
      }
    }
    if (this.#stopping.signal.aborted) {
      await this.stop()
      return 'stopped'
    }
    const durationMs = Math.round(this.#clock.monotonic() - startedAt)
    this.#log.info('boot.started', { starters: this.#starters.length, durationMs })
    return 'serving'
  }

  async #ascend(): Promise<void> {
    const registered = this.#names()
    const services = new Services()
    const signal = this.#stopping.signal
    const all = this.#starters.map((starter) => ({
      starter,
      priorityGroup: starter.priorityGroup,
      priority: starter.priority,
      context: createStarterContext({
        starter: starter.name,
        log: this.#log,
        clock: this.#clock,
        signal,
        services,
        registered,
        requestStop: (reason, error) => this.requestStop(reason, error),
      }),
    }))
    const blockingLast = [
      ...all.filter(({ starter }) => !starter.blocking),
      ...all.filter(({ starter }) => starter.blocking),
    ]
    for (const member of all) {
      if (signal.aborted) return
      this.#reached.push(member)
      await this.#take(member, 'init')
    }
    for (const member of all) {
      if (signal.aborted) return
      await this.#take(member, 'setup')
    }
    for (const member of blockingLast) {
      if (signal.aborted) return
      await this.#take(member, 'start')
    }
  }

  #names(): ReadonlySet<string> {
    const names = new Set<string>()
    for (const { name } of this.#starters) {
      if (names.has(name)) {
        throw new EdgebootError(
          'CLI_APP_INVALID',
          `Two starters are called "${name}": a name is how the others and the log know one.`,
          { details: { where: `starter "${name}"` }, fix: 'Give one of them another name.' },
        )
      }
      names.add(name)
    }
    return names
  }

  async #take({ starter, context }: Member, phase: Phase): Promise<void> {
    this.#step = `${phase} of starter "${starter.name}"`
    const limitMs = starter.startDeadlineMs ?? this.#startDeadlineMs
    const startedAt = this.#clock.monotonic()
    const work = Promise.resolve().then(() => starter[phase](context))
    await withDeadline(work, limitMs, this.#clock, () => {
      const where = `starter "${starter.name}"`
      const text = `The ${phase} of ${where} was not over after ${limitMs} ms.`
      return new EdgebootError('BOOT_START_TIMEOUT', text, { details: { where, phase, limitMs } })
    })
    const durationMs = Math.round(this.#clock.monotonic() - startedAt)
    this.#log.debug(`boot.${phase}`, { starter: starter.name, durationMs })
  }

  async #stop(reason: string): Promise<void> {
    const startedAt = this.#clock.monotonic()
    this.#log.info('boot.stopping', { reason })
    this.#stopping.abort()
    await this.#endOfAscent()
    for (const member of stopOrder(this.#reached)) await this.#stopOne(member)
    const durationMs = Math.round(this.#clock.monotonic() - startedAt)
    this.#log.info('boot.stopped', { durationMs })
  }

  /** Lets the phase that is under way see the signal and return, but not for ever. */
  async #endOfAscent(): Promise<void> {
    if (this.#ascent === undefined) return
    const quiet = this.#ascent.catch(() => {}) // #start sees to the error
    const limitMs = this.#stopDeadlineMs
    try {
      await withDeadline(quiet, limitMs, this.#clock, () => {
        const text = `The ${this.#step} did not end within ${limitMs} ms of the stop.`
        return new EdgebootError('BOOT_STOP_TIMEOUT', text)
      })
    } catch (error) {
      this.#unorderly = true
      this.#log.error('boot.start.left-behind', errorFields(error))
      this.#leftBehind.resolve()
    }
  }

  async #stopOne({ starter, context }: Member): Promise<void> {
    const limitMs = starter.stopDeadlineMs ?? this.#stopDeadlineMs
    const startedAt = this.#clock.monotonic()
    try {
      const work = Promise.resolve().then(() => starter.stop(context))
      await withDeadline(work, limitMs, this.#clock, () => {
        const where = `starter "${starter.name}"`
        const text = `The stop of ${where} was not over after ${limitMs} ms.`
        return new EdgebootError('BOOT_STOP_TIMEOUT', text, { details: { where, limitMs } })
      })
      const durationMs = Math.round(this.#clock.monotonic() - startedAt)
      this.#log.debug('boot.stop', { starter: starter.name, durationMs })
    } catch (error) {
      this.#unorderly = true
      this.#log.error('boot.stop.failed', { starter: starter.name, ...errorFields(error) })
    }
  }

  /** Nothing else may hold the event loop, such as when every broker is away. */
  #keepAlive(): { cancel(): void } {
    let timer = this.#clock.after(timerMsMax, again, { keepAlive: true })
    const clock = this.#clock
    function again(): void {
      timer = clock.after(timerMsMax, again, { keepAlive: true })
    }
    return { cancel: () => timer.cancel() }
  }
}
