/** Keys of the services that edgeboot's own starters share. */
import { serviceKey } from '../boot/starter-context.ts'
import type { Settings } from '../config/settings.ts'
import type { StateLock } from '../config/state-lock.ts'
import type { SystemView } from '../host/system-view.ts'
import type { ModelStore } from '../models/model-store.ts'

/** The configuration after everything has been decided. */
export const settingsKey = serviceKey<Settings>('settings', 'conf')

/** Proof that the state folder is ours alone; there when it is. */
export const stateLockKey = serviceKey<StateLock>('state-lock', 'conf')

/** The running system, for those who show it. */
export const systemViewKey = serviceKey<SystemView>('system-view', 'processor')

/** Where the web server listens, such as `http://127.0.0.1:5888`; there once it does. */
export const webAddressKey = serviceKey<string>('web-address', 'web')

/** Gets models onto the disk. */
export const modelStoreKey = serviceKey<ModelStore>('model-store', 'model')

/** Where the embedded brokers listen, by the name that the configuration gives them. */
export const embeddedBrokersKey = serviceKey<ReadonlyMap<string, EmbeddedBrokerAddress>>(
  'embedded-brokers',
  'embedded-broker',
)

/** Address of a broker that runs inside edgeboot. */
export interface EmbeddedBrokerAddress {
  /** Such as `mqtt://127.0.0.1:1883`. */
  readonly url: string
}
