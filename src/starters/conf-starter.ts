import { PriorityGroup, type Starter } from '../boot/starter.ts'
import type { StarterContext } from '../boot/starter-context.ts'
import { describeFinding } from '../config/finding.ts'
import type { LoadedSettings } from '../config/load.ts'
import { StateLock } from '../config/state-lock.ts'
import { settingsKey, stateLockKey } from './services.ts'

/**
 * Offers the configuration to the other starters, and says what in it takes no effect or deserves
 * a second look. It holds the state folder for as long as they run: it is registered first and
 * stopped last.
 */
export class ConfStarter implements Starter {
  readonly name = 'conf'
  readonly priorityGroup = PriorityGroup.App
  readonly priority = 20_000
  readonly blocking = false
  readonly #load: () => LoadedSettings | Promise<LoadedSettings>
  #lock: StateLock | undefined

  /** @param load - Reads the file; its `CONFIG_` errors refuse the start. */
  constructor(load: () => LoadedSettings | Promise<LoadedSettings>) {
    this.#load = load
  }

  /** @throws EdgebootError `CONFIG_STATE_IN_USE`, `CONFIG_STATE_UNUSABLE`; what loading throws. */
  async init(context: StarterContext): Promise<void> {
    const { settings, notes } = await this.#load()
    this.#lock = await StateLock.take(settings)
    context.log.info('config.loaded', {
      file: settings.file,
      brokers: settings.brokers.length,
      pipelines: settings.pipelines.length,
    })
    for (const note of notes) {
      context.log.warn('config.note', { note: describeFinding(note) })
    }
    context.provide(settingsKey, settings)
    if (this.#lock !== undefined) context.provide(stateLockKey, this.#lock)
  }

  setup(): void {}
  start(): void {}

  stop(): void {
    this.#lock?.release()
    this.#lock = undefined
  }
}
