import { join } from 'node:path'
import type { StarterContext } from '../boot/starter-context.ts'
import { PriorityGroup, type Starter } from '../boot/starter.ts'
import { readManifest } from '../config/manifest/read-manifest.ts'
import type { ModelSource, Settings } from '../config/settings.ts'
import { FleetChanges } from '../host/fleet-changes.ts'
import { StoreControl } from '../host/model-control.ts'
import { PathWatch, type WatchedPaths } from '../host/path-watch.ts'
import { Reloader } from '../host/reloader.ts'
import { listStore } from '../models/store-listing.ts'
import {
  configurationKey,
  modelControlKey,
  modelStoreKey,
  pipelineFleetKey,
  reloaderKey,
  sessionSweepKey,
  settingsKey,
} from './services.ts'

/** What the starter is told from outside. */
export interface ReloadOptions {
  /** Reload by itself when the configuration file or a local model changes. */
  readonly watch: boolean
  /** How long a pipeline that leaves may drain. */
  readonly drainMs: number
}

/**
 * Offers the reload of the configuration to whoever hears that it is wanted: SIGHUP, the HTTP API,
 * and with `watch` the files themselves. Stopped before the pipelines, so that nothing begins any
 * more.
 */
export class ReloadStarter implements Starter {
  readonly name = 'reload'
  readonly priorityGroup = PriorityGroup.BasicResources
  readonly priority = 4000
  readonly blocking = false
  readonly #options: ReloadOptions
  #reloader: Reloader | undefined
  #watch: PathWatch | undefined

  constructor(options: ReloadOptions) {
    this.#options = options
  }

  init(): void {}
  setup(): void {}

  /** The reloader is there only now: before, there is nothing that it could exchange. */
  async start(context: StarterContext): Promise<void> {
    const { clock, log, signal } = context
    const settings = context.get(settingsKey)
    const fleet = context.get(pipelineFleetKey)
    const store = context.get(modelStoreKey)
    const { drainMs, watch } = this.#options
    const reloader = new Reloader({
      settings,
      load: (running) => context.get(configurationKey).reload(running),
      fleet,
      changes: new FleetChanges({
        fleet,
        resolveModel: (model) => store.resolve(model, { signal }),
        drainMs,
        log,
      }),
      sessions: context.get(sessionSweepKey),
      settled: (now) => void this.#watch?.watch(watchedPaths(now)),
      clock,
      log,
    })
    this.#reloader = reloader
    context.provide(reloaderKey, reloader)
    const models = new StoreControl({
      listing: () => listStore(settings.models.folder, readManifest),
      versions: store.versions,
      lookAtModel: (model) => reloader.lookAtModel(model),
      log,
    })
    context.provide(modelControlKey, models)
    if (!watch) return
    const paths = watchedPaths(settings)
    this.#watch = new PathWatch({
      clock,
      log,
      changed: (what) => void reloader.reload(`watch: the ${what} changed`),
    })
    await this.#watch.watch(paths)
    log.info('reload.watching', { file: settings.file, models: paths.models.length })
  }

  stop(): void {
    this.#watch?.close()
    this.#reloader?.stop()
  }
}

function watchedPaths({ file, models, pipelines }: Settings): WatchedPaths {
  const paths = pipelines.flatMap(({ model }) => modelPaths(model, models.folder))
  return { config: file, models: [...new Set(paths)] }
}

/** Where the store of models looks on the disk. */
function modelPaths({ name, address, module }: ModelSource, folder: string): string[] {
  const placed = join(folder, name)
  const paths = [placed, `${placed}.zip`]
  if (address !== undefined && !/^https?:\/\//i.test(address)) paths.push(address)
  if (module !== undefined) {
    const top = join(folder, module.name.split('.', 1)[0] ?? '')
    paths.push(top, `${top}.py`)
  }
  return paths
}
