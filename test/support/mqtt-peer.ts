import mqtt, { type IPublishPacket, type MqttClient } from 'mqtt'
import { until } from './wait.ts'

/** A message that the peer saw. */
export interface SeenMessage {
  readonly topic: string
  readonly text: string
  readonly packet: IPublishPacket
}

/** An independent MQTT client, to feed a plant and to look at what comes out. */
export class MqttPeer {
  readonly seen: SeenMessage[] = []
  readonly #client: MqttClient

  private constructor(client: MqttClient) {
    this.#client = client
    client.on('message', (topic, payload, packet) => {
      this.seen.push({ topic, text: payload.toString(), packet })
    })
  }

  /** Connects to a port of the loopback interface and subscribes. */
  static async connect(port: number, filters: readonly string[] = []): Promise<MqttPeer> {
    const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${port}`, { protocolVersion: 4 })
    const peer = new MqttPeer(client)
    for (const filter of filters) await client.subscribeAsync(filter)
    return peer
  }

  async publish(topic: string, payload: string | Buffer): Promise<void> {
    await this.#client.publishAsync(topic, payload)
  }

  /** Waits for this many messages. */
  async messages(count: number): Promise<readonly SeenMessage[]> {
    await until(`${count} messages, ${this.seen.length} so far`, () => this.seen.length >= count)
    return this.seen
  }

  async close(): Promise<void> {
    await this.#client.endAsync(true)
  }
}
