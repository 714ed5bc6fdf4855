import { PriorityGroup, type Starter } from '../boot/starter.ts'
import type { StarterContext } from '../boot/starter-context.ts'
import { EmbeddedBroker } from '../transport/embedded-broker.ts'
import { embeddedBrokersKey, settingsKey, type EmbeddedBrokerAddress } from './services.ts'

/**
 * Runs the brokers whose address is `embedded://` inside the main process, for demos and tests. It
 * listens from `setup` on, so that pipelines find it, and is stopped after them.
 */
export class EmbeddedBrokerStarter implements Starter {
  readonly name = 'embedded-broker'
  readonly priorityGroup = PriorityGroup.App
  readonly priority = 10_000
  readonly blocking = false
  readonly #brokers: EmbeddedBroker[] = []

  init(): void {}

  async setup(context: StarterContext): Promise<void> {
    const addresses = new Map<string, EmbeddedBrokerAddress>()
    for (const { name, url } of context.get(settingsKey).brokers) {
      if (!url.startsWith('embedded:')) continue
      const { hostname, port } = new URL(url)
      const broker = await EmbeddedBroker.start({
        host: hostname === '' ? '127.0.0.1' : hostname,
        port: port === '' ? 0 : Number(port),
        log: context.log.child({ broker: name }),
      })
      this.#brokers.push(broker)
      addresses.set(name, { url: broker.url })
      context.log.info('embedded-broker.listening', { broker: name, url: broker.url })
    }
    context.provide(embeddedBrokersKey, addresses)
  }

  start(): void {}

  async stop(): Promise<void> {
    await Promise.all(this.#brokers.splice(0).map((broker) => broker.close()))
  }
}
