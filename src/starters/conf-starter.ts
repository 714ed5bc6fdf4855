import { PriorityGroup, type Starter } from '../boot/starter.ts'
import type { StarterContext } from '../boot/starter-context.ts'
import { describeFinding } from '../config/finding.ts'
import type { LoadedSettings } from '../config/load.ts'
import { settingsKey } from './services.ts'

/**
 * Offers the configuration to the other starters, and says what in it takes no effect or deserves
 * a second look. It is registered first and stopped last.
 */
export class ConfStarter implements Starter {
  readonly name = 'conf'
  readonly priorityGroup = PriorityGroup.App
  readonly priority = 20_000
  readonly blocking = false
  readonly #load: () => LoadedSettings | Promise<LoadedSettings>

  /** @param load - Reads the file; its `CONFIG_` errors refuse the start. */
  constructor(load: () => LoadedSettings | Promise<LoadedSettings>) {
    this.#load = load
  }

  async init(context: StarterContext): Promise<void> {
    const { settings, notes } = await this.#load()
    context.log.info('config.loaded', {
      file: settings.file,
      brokers: settings.brokers.length,
      pipelines: settings.pipelines.length,
    })
    for (const note of notes) {
      context.log.warn('config.note', { note: describeFinding(note) })
    }
    context.provide(settingsKey, settings)
  }

  setup(): void {}
  start(): void {}
  stop(): void {}
}
