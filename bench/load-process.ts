import { fork, type ChildProcess } from 'node:child_process'
import { endProcess, nextMessage } from './child.ts'
import type { FromLoad, LoadCounts, ToLoad } from './load-messages.ts'

/** The process that publishes and counts, as the measuring process sees it. */
export class LoadProcess {
  readonly #child: ChildProcess

  private constructor(child: ChildProcess) {
    this.#child = child
  }

  /** Connects both its sockets; publishes nothing yet. */
  static async start(port: number, qos: 0 | 1, signal: AbortSignal): Promise<LoadProcess> {
    const child = fork(`${import.meta.dirname}/load.ts`, [String(port), String(qos)])
    const load = new LoadProcess(child)
    try {
      await nextMessage(child, signal)
    } catch (error) {
      await load[Symbol.asyncDispose]()
      throw error
    }
    return load
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  /** Messages per second from now on. */
  rate(perSecond: number): void {
    this.#child.send({ type: 'rate', perSecond } satisfies ToLoad)
  }

  /** Counts so far. */
  count(signal: AbortSignal): Promise<LoadCounts> {
    return this.#ask({ type: 'count' }, signal)
  }

  /** Publishes no more; gives the counts once all results are there, or none comes any more. */
  finish(signal: AbortSignal): Promise<LoadCounts> {
    return this.#ask({ type: 'finish' }, signal)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return endProcess(this.#child)
  }

  async #ask(message: ToLoad, signal: AbortSignal): Promise<LoadCounts> {
    const answer = nextMessage(this.#child, signal)
    this.#child.send(message)
    const told = (await answer) as FromLoad
    if (told.type !== 'counts') throw new Error('the load process did not tell its counts')
    return told
  }
}
