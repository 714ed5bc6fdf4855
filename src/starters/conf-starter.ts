import { PriorityGroup, type Starter } from '../boot/starter.ts'
import type { StarterContext } from '../boot/starter-context.ts'
import { describeFinding } from '../config/finding.ts'
import type { LoadedSettings } from '../config/load.ts'
import { reloadSettings, type LoadPins, type ReloadedSettings } from '../config/reload-settings.ts'
import type { Settings } from '../config/settings.ts'
import { EdgebootError } from '../core/errors.ts'
import { StateLock } from '../config/state-lock.ts'
import { configurationKey, settingsKey, stateLockKey } from './services.ts'

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
  readonly #loadAgain: ((pins: LoadPins) => LoadedSettings) | undefined
  #lock: StateLock | undefined
  #isStopped = false

  /**
   * @param load - Reads the file; its `CONFIG_` errors refuse the start.
   * @param loadAgain - Reads it while the application runs; absent, it cannot be reloaded.
   */
  constructor(
    load: () => LoadedSettings | Promise<LoadedSettings>,
    loadAgain?: (pins: LoadPins) => LoadedSettings,
  ) {
    this.#load = load
    this.#loadAgain = loadAgain
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
    context.provide(configurationKey, { reload: (running) => this.#reload(running, context) })
  }

  setup(): void {}
  start(): void {}

  stop(): void {
    this.#lock?.release()
    this.#lock = undefined
    this.#isStopped = true
  }

  async #reload(running: Settings, context: StarterContext): Promise<ReloadedSettings> {
    const reloaded = reloadSettings(this.#loadAgain ?? refuseToLoad, running)
    if (this.#lock !== undefined) return reloaded
    // With QoS 0 alone nobody needed the state folder so far.
    const lock = await StateLock.take(reloaded.settings)
    if (this.#isStopped) lock?.release()
    else if (lock !== undefined) {
      this.#lock = lock
      context.provide(stateLockKey, lock)
    }
    return reloaded
  }
}

function refuseToLoad(): never {
  const text = 'this application was put together without a way to read its configuration again'
  throw new EdgebootError('CONFIG_INVALID', text, { fix: 'Restart it.' })
}
