import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import type { StarterContext } from '../boot/starter-context.ts'
import { PriorityGroup, type Starter } from '../boot/starter.ts'
import type { PipelineSettings, Settings } from '../config/settings.ts'
import { sessionsFolder, spoolFolder } from '../config/state-folder.ts'
import type { Logger } from '../core/log.ts'
import type { AbandonedSessions } from '../transport/mqtt/abandoned-sessions.ts'
import { sessionSweepKey, settingsKey, stateLockKey } from './services.ts'

/**
 * Looks after what is left of names that went from the configuration, behind the back of the
 * pipelines: ends what brokers still keep for a client id, where a broker that is away holds
 * nothing up, and tells of results that wait on the disk for nobody. Stopped before the pipelines,
 * so that a restart finds its client ids free.
 */
export class SessionStarter implements Starter {
  readonly name = 'session'
  readonly priorityGroup = PriorityGroup.BasicResources
  readonly priority = 5000
  readonly blocking = false
  readonly stopDeadlineMs = 5000
  #sessions: AbandonedSessions | undefined
  #opening: Promise<void> | undefined
  #stopped = false

  init(context: StarterContext): void {
    context.provide(sessionSweepKey, {
      pause: () => this.#pause(),
      sweep: (settings, former) => this.#sweep(context, settings, former),
    })
  }

  setup(): void {}

  start(context: StarterContext): void {
    this.#sweep(context, context.get(settingsKey), [])
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await this.#pause()
  }

  async #pause(): Promise<void> {
    await this.#opening
    await this.#sessions?.close()
    this.#sessions = undefined
  }

  /** @param former - Brokers that left the configuration: what they keep can still be ended. */
  #sweep(context: StarterContext, settings: Settings, former: Settings['brokers']): void {
    this.#opening = this.#open(context, settings, former)
  }

  /** Never rejects. */
  async #open(
    context: StarterContext,
    { pipelines, stateFolder, ...settings }: Settings,
    former: Settings['brokers'],
  ): Promise<void> {
    // What another edgeboot has in the folder is none of ours.
    if (context.find(stateLockKey) === undefined) return
    const urls = new Set(settings.brokers.map(({ url }) => url))
    const brokers = [...settings.brokers, ...former.filter(({ url }) => !urls.has(url))]
    await tellOfSpools(stateFolder, pipelines, context.log)
    const sources = pipelines.map(({ source }) => source)
    const recordsFolder = sessionsFolder(stateFolder)
    if (!(await hasFiles(recordsFolder))) return
    // Only where there are records does the main process have a use for MQTT.
    const { createAbandonedSessions } = await import('../transport/mqtt/create-mqtt-transport.ts')
    if (this.#stopped) return
    const { clock, log } = context
    this.#sessions = createAbandonedSessions({ recordsFolder, brokers, sources, clock, log })
    this.#sessions.start()
  }
}

async function tellOfSpools(
  stateFolder: string,
  pipelines: readonly PipelineSettings[],
  log: Logger,
): Promise<void> {
  const folder = spoolFolder(stateFolder)
  if (!existsSync(folder)) return
  const { tellOfAbandonedSpools } = await import('../transport/spool/abandoned-spools.ts')
  const inUse = new Set(pipelines.flatMap(({ sink }) => sink.spool?.file ?? []))
  tellOfAbandonedSpools({ folder, inUse, log })
}

async function hasFiles(folder: string): Promise<boolean> {
  try {
    return (await readdir(folder)).length > 0
  } catch {
    // None was ever written; one that cannot be read is the pipelines' to report.
    return false
  }
}
