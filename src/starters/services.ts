/** Keys of the services that edgeboot's own starters share. */
import { serviceKey } from '../boot/starter-context.ts'
import type { Settings } from '../config/settings.ts'
import type { StateLock } from '../config/state-lock.ts'
import type { ReloadedSettings } from '../config/reload-settings.ts'
import type { ModelControl } from '../host/model-control.ts'
import type { PipelineFleet } from '../host/pipeline-fleet.ts'
import type { SessionSweep } from '../host/reloader.ts'
import type { SystemControl, SystemView } from '../host/system-view.ts'
import type { ModelStore } from '../models/model-store.ts'

/** The configuration after everything has been decided, as it was at the start. */
export const settingsKey = serviceKey<Settings>('settings', 'conf')

/** The configuration file, to be read again. */
export const configurationKey = serviceKey<ConfigurationFile>('configuration', 'conf')

/** Proof that the state folder is ours alone; there when it is. */
export const stateLockKey = serviceKey<StateLock>('state-lock', 'conf')

/** The running system, for those who show it. */
export const systemViewKey = serviceKey<SystemView>('system-view', 'processor')

/** The pipelines, to be changed while they run. */
export const pipelineFleetKey = serviceKey<PipelineFleet>('pipeline-fleet', 'processor')

/** Ends what brokers keep for client ids that left the configuration. */
export const sessionSweepKey = serviceKey<SessionSweep>('session-sweep', 'session')

/** What can be asked of the running system; there once its pipelines have begun. */
export const reloaderKey = serviceKey<SystemControl>('reloader', 'reload')

/** The versions of models, to be changed while they run; there with the reloader. */
export const modelControlKey = serviceKey<ModelControl>('model-control', 'reload')

/** Where the web server listens, such as `http://127.0.0.1:5888`; there once it does. */
export const webAddressKey = serviceKey<string>('web-address', 'web')

/** Gets models onto the disk. */
export const modelStoreKey = serviceKey<ModelStore>('model-store', 'model')

/** Where the embedded brokers listen, by the name that the configuration gives them. */
export const embeddedBrokersKey = serviceKey<ReadonlyMap<string, EmbeddedBrokerAddress>>(
  'embedded-brokers',
  'embedded-broker',
)

/** The configuration file of a running instance. */
export interface ConfigurationFile {
  /**
   * Reads it again, and takes hold of the state folder if it is needed now.
   *
   * @throws EdgebootError `CONFIG_…`; what runs is not touched.
   */
  reload(running: Settings): Promise<ReloadedSettings>
}

/** Address of a broker that runs inside edgeboot. */
export interface EmbeddedBrokerAddress {
  /** Such as `mqtt://127.0.0.1:1883`. */
  readonly url: string
}
