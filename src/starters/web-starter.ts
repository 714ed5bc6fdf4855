import type { StarterContext } from '../boot/starter-context.ts'
import { defaultPriority, PriorityGroup, type Starter } from '../boot/starter.ts'
import type { WebServer } from '../web/fastify-server.ts'
import { checkListen } from '../web/listen-check.ts'
import {
  modelControlKey,
  reloaderKey,
  settingsKey,
  systemViewKey,
  webAddressKey,
} from './services.ts'

/** Serves health, metrics, the API and the status page over HTTP, unless `web.enabled` is false. */
export class WebStarter implements Starter {
  readonly name = 'web'
  readonly priorityGroup = PriorityGroup.System
  readonly priority = defaultPriority
  readonly blocking = true
  readonly stopDeadlineMs = 5000
  #server: WebServer | undefined

  init(): void {}

  /** @throws EdgebootError `WEB_PORT_IN_USE` or `WEB_ADDRESS_INVALID`, before any pipeline runs. */
  async setup(context: StarterContext): Promise<void> {
    const { enabled, host, port } = context.get(settingsKey).web
    if (enabled) await checkListen(host, port)
  }

  /** @throws EdgebootError `WEB_PORT_IN_USE`, `WEB_ADDRESS_INVALID` or `WEB_TOKEN_MISSING`. */
  async start(context: StarterContext): Promise<void> {
    const { enabled, ...web } = context.get(settingsKey).web
    if (!enabled) return
    // A tenth of a second of loading, which the pipelines should not wait for.
    const [{ buildRoutes }, { startFastifyServer }] = await Promise.all([
      import('../web/routes.ts'),
      import('../web/fastify-server.ts'),
    ])
    const control = context.find(reloaderKey)
    const models = context.find(modelControlKey)
    const { clock, log } = context
    const routes = buildRoutes(context.get(systemViewKey), clock, log, control, models)
    const server = await startFastifyServer({ ...web, routes, log: context.log })
    this.#server = server
    context.provide(webAddressKey, server.address)
    context.log.info('web.listening', { address: server.address })
  }

  async stop(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    await server?.close()
  }
}
