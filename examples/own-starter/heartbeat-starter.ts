import { rename, writeFile } from 'node:fs/promises'
import { PriorityGroup, systemViewKey, type Starter, type StarterContext } from 'edgeboot'

/**
 * Writes a small file once in a while: how many pipelines there are and how many are ready. A
 * watchdog that knows nothing of HTTP can look at its age and its content.
 */
export class HeartbeatStarter implements Starter {
  readonly name = 'heartbeat'
  readonly priorityGroup = PriorityGroup.App // stopped after everything that does the work
  readonly priority = 100
  readonly blocking = false
  readonly #file: string
  readonly #everyMs: number
  #timer: { cancel(): void } | undefined

  constructor(file: string, everyMs: number) {
    this.#file = file
    this.#everyMs = everyMs
  }

  init(): void {}

  setup(context: StarterContext): void {
    context.get(systemViewKey) // fails here, and says so, rather than a minute after the start
  }

  async start(context: StarterContext): Promise<void> {
    await this.#beat(context)
    context.log.info('heartbeat.started', { file: this.#file, everyMs: this.#everyMs })
  }

  stop(): void {
    this.#timer?.cancel()
  }

  async #beat(context: StarterContext): Promise<void> {
    const pipelines = context.get(systemViewKey).pipelines()
    const ready = pipelines.filter(({ state }) => state === 'READY').length
    const time = new Date(context.clock.now()).toISOString()
    try {
      const text = `${JSON.stringify({ time, ready, pipelines: pipelines.length })}\n`
      await writeFile(`${this.#file}.new`, text)
      await rename(`${this.#file}.new`, this.#file) // a reader sees the old file or the new one
    } catch (error) {
      context.log.warn('heartbeat.failed', { file: this.#file, error: String(error) })
    }
    if (context.signal.aborted) return
    this.#timer = context.clock.after(this.#everyMs, () => void this.#beat(context))
  }
}
