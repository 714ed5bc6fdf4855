import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { entryPath } from '../../core/entry.ts'
import { EdgebootError } from '../../core/errors.ts'
import type { PipelineStatus } from '../../host/system-view.ts'
import type { PipelineStats } from '../../pipeline/pipeline-stats.ts'
import { descendantsOf, isAlive, signal } from './process-tree.ts'

/** Children of a main process that was killed go within this time, or something is wrong. */
const orphansMs = 15_000
/** An orderly stop may drain for 20 s, and more. */
const stopMs = 40_000
const answerMs = 3000

/** How an edgeboot of a chaos run is started. */
export interface InstanceOptions {
  readonly config: string
  readonly webPort: number
  /** Where it writes its log, run after run. */
  readonly logFile: string
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
}

/** A pipeline as the API tells of it. */
type ToldPipeline = PipelineStatus & { readonly stats: PipelineStats }

/** `edgeboot run` as a user starts it, in a process of its own, started again after a kill. */
export class ChaosInstance {
  readonly #options: InstanceOptions
  #child: ChildProcess | undefined

  constructor(options: InstanceOptions) {
    this.#options = options
  }

  start(): void {
    const { config, logFile, env, cwd } = this.#options
    const log = openSync(logFile, 'a')
    const args = ['run', '--config', config, '--log-format', 'json']
    this.#child = spawn(process.execPath, [entryPath('../../main', import.meta.url), ...args], {
      stdio: ['ignore', log, log],
      // Ctrl-C is for the chaos run, which stops it in order.
      detached: true,
      cwd,
      env: { ...env },
    })
    closeSync(log)
  }

  get pid(): number | undefined {
    return this.#child?.pid
  }

  /** It ended, though nobody asked it to. */
  get hasExited(): boolean {
    const child = this.#child
    return child !== undefined && (child.exitCode !== null || child.signalCode !== null)
  }

  /** Its pipelines; `undefined` while it does not answer. */
  async pipelines(): Promise<readonly ToldPipeline[] | undefined> {
    try {
      const response = await fetch(`http://127.0.0.1:${this.#options.webPort}/api/v1/pipelines`, {
        signal: AbortSignal.timeout(answerMs),
      })
      const { pipelines } = (await response.json()) as { pipelines: readonly ToldPipeline[] }
      return pipelines
    } catch {
      return undefined
    }
  }

  /** Every pipeline is READY, and nothing is in motion, on the disk, or unacknowledged. */
  async isAtRest(): Promise<boolean> {
    const pipelines = await this.pipelines()
    return (
      pipelines?.every(
        ({ state, stats: { inMotion, spooled, unacknowledged } }) =>
          state === 'READY' && inMotion + spooled + unacknowledged === 0,
      ) === true
    )
  }

  /**
   * Waits until every pipeline is READY.
   *
   * @throws EdgebootError `CLI_CHAOS_NOT_READY` with the reasons of those that are not.
   */
  async ready(limitMs: number): Promise<void> {
    const end = performance.now() + limitMs
    let last: readonly ToldPipeline[] | undefined
    while (performance.now() < end && !this.hasExited) {
      last = (await this.pipelines()) ?? last
      if (last !== undefined && last.every(({ state }) => state === 'READY')) return
      if (last?.some(({ state }) => state === 'BROKEN') === true) break
      await sleep(50)
    }
    const reasons = (last ?? [])
      .filter(({ state }) => state !== 'READY')
      .map(({ name, state, reason }) => `${name} is ${state}: ${reason}`)
    const why = this.hasExited ? 'edgeboot exited' : reasons.join('; ') || 'it did not answer'
    throw new EdgebootError('CLI_CHAOS_NOT_READY', `the pipelines did not become READY: ${why}`, {
      details: { where: this.#options.logFile },
    })
  }

  /**
   * SIGKILL to the main process. Resolves when all that it had started is gone as well; then another
   * may be started.
   *
   * @returns Process ids of those that outlived it, after a while.
   */
  async kill(): Promise<readonly number[]> {
    const child = this.#child
    if (child?.pid === undefined) return []
    const family = descendantsOf(child.pid)
    signal(child.pid, 'SIGKILL')
    if (!this.hasExited) await once(child, 'exit')
    const end = performance.now() + orphansMs
    while (family.some(isAlive) && performance.now() < end) await sleep(10)
    const orphans = family.filter(isAlive)
    for (const orphan of orphans) signal(orphan, 'SIGKILL')
    return orphans
  }

  /** An orderly stop, then a kill. @returns The exit status, `null` after a kill. */
  async stop(): Promise<number | null> {
    const child = this.#child
    if (child?.pid === undefined || this.hasExited) return child?.exitCode ?? null
    signal(child.pid, 'SIGTERM')
    const timer = setTimeout(() => void this.kill(), stopMs)
    const [code] = (await once(child, 'exit')) as [number | null]
    clearTimeout(timer)
    return code
  }
}
