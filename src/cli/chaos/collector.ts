import { join } from 'node:path'
import type { BrokerSettings } from '../../config/settings.ts'
import { systemClock } from '../../core/clock.ts'
import { EdgebootError } from '../../core/errors.ts'
import type { Logger } from '../../core/log.ts'
import { resultIdProperty } from '../../pipeline/result-id.ts'
import { createMqttSource } from '../../transport/mqtt/create-mqtt-transport.ts'
import type { Source } from '../../transport/transport.ts'

/** Messages that may be without an acknowledgement. */
const window = 1000
/** A broker on loopback that has not answered by then will not. */
const connectMs = 10_000

/** What a collector is told. */
export interface CollectorOptions {
  readonly broker: BrokerSettings
  readonly filter: string
  /** Where it is written down what the broker keeps for it. */
  readonly recordsFolder: string
  readonly log: Logger
  /** A result came; again, when a fault made it come again. */
  readonly result: (id: string) => void
}

/**
 * Reads results at QoS 1 in a session that the broker keeps: whoever is to see all results of a
 * plant does the same. Results are known by their id; everything else on the topics is passed over.
 */
export class ChaosCollector {
  #source: Source
  readonly #options: CollectorOptions

  constructor(options: CollectorOptions) {
    this.#options = options
    this.#source = this.#createSource()
  }

  /** Resolves when it is subscribed. */
  async start(): Promise<void> {
    const subscribed = Promise.withResolvers<void>()
    const timer = setTimeout(() => {
      const { name, url } = this.#options.broker
      subscribed.reject(
        new EdgebootError('BROKER_UNREACHABLE', `no answer from the broker of "${name}" at ${url}`),
      )
    }, connectMs)
    const source = this.#source
    await source.start({
      message: (message) => {
        const id = message.userProperties?.[resultIdProperty]
        if (typeof id === 'string') this.#options.result(id)
        if (message.ack !== undefined) source.acknowledge(message.ack)
      },
      state: ({ status }) => {
        if (status === 'connected') subscribed.resolve()
      },
      sessionLost: () => {},
    })
    await subscribed.promise
    clearTimeout(timer)
  }

  /** The broker is back: connects at once, which a source would not do after several outages. */
  async reconnect(): Promise<void> {
    await this.#source.close()
    this.#source = this.#createSource()
    await this.start()
  }

  async close(): Promise<void> {
    await this.#source.close()
  }

  #createSource(): Source {
    const { broker, filter, recordsFolder, log } = this.#options
    return createMqttSource(
      {
        broker,
        clientId: 'edgeboot-chaos-collector',
        qos: 1,
        sessionExpirySeconds: 3600,
        window,
        recordsFolder: join(recordsFolder, broker.name),
        topic: filter,
        retained: false,
      },
      { clock: systemClock, log },
    )
  }
}

/** A filter that takes whatever a topic template gives. */
export function filterOf(template: string): string {
  const levels: string[] = []
  for (const level of template.split('/')) {
    // A whole topic takes as many levels as it has.
    if (level.includes('${topic}')) return [...levels, '#'].join('/')
    levels.push(level.includes('${') ? '+' : level)
  }
  return levels.join('/')
}
