import { connect, type MqttClient } from 'mqtt'
import { until } from './wait.ts'

/**
 * An independent subscriber, MQTT.js as it comes, that itself loses nothing: QoS 1, a session that
 * the broker keeps, and a new attempt whenever the connection is lost.
 */
export class PersistentCollector {
  readonly #client: MqttClient
  #received = 0

  private constructor(client: MqttClient) {
    this.#client = client
  }

  /**
   * Connects and subscribes.
   *
   * @param options.message - Gets every message, redelivered ones too, from the first moment: a
   * broker sends what it had kept right after its CONNACK.
   */
  static async open(
    url: string,
    options: {
      readonly clientId: string
      readonly filter: string
      readonly message?: (payload: Buffer, topic: string) => void
    },
  ): Promise<PersistentCollector> {
    const { clientId } = options
    const client = connect(url, {
      clientId,
      clean: false,
      protocolVersion: 4,
      reconnectPeriod: 100,
      connectTimeout: 5_000,
    })
    const collector = new PersistentCollector(client)
    client.on('message', (topic, payload) => {
      collector.#received += 1
      options.message?.(payload, topic)
    })
    client.on('error', () => undefined) // the broker is being killed: it tries again by itself
    await new Promise<void>((resolve) => client.once('connect', () => resolve()))
    await client.subscribeAsync(options.filter, { qos: 1 })
    return collector
  }

  /** Messages so far, each as often as it came. */
  get received(): number {
    return this.#received
  }

  /** Waits until this many messages have come. */
  async receives(count: number, limitMs?: number): Promise<void> {
    await until(`${count} messages`, () => this.#received >= count, limitMs).catch(
      (error: unknown) => {
        throw new Error(`${this.#received} of ${count} messages have come`, { cause: error })
      },
    )
  }

  /** Disconnects, and leaves the session with the broker. */
  async close(): Promise<void> {
    await this.#client.endAsync(!this.#client.connected)
  }
}
