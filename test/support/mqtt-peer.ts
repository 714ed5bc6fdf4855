import { once } from 'node:events'
import {
  connectAsync,
  type IClientOptions,
  type IClientPublishOptions,
  type MqttClient,
} from 'mqtt'
import { until } from './wait.ts'

/** A message as the peer saw it. */
export interface PeerMessage {
  readonly topic: string
  readonly text: string
  readonly retain: boolean
  readonly userProperties: Readonly<Record<string, string | string[]>> | undefined
}

/** An independent MQTT client, MQTT.js as it comes: it feeds a plant and sees what comes out. */
export class MqttPeer {
  readonly messages: PeerMessage[] = []
  readonly client: MqttClient

  private constructor(client: MqttClient) {
    this.client = client
    client.on('message', (topic, payload, packet) => {
      const userProperties = packet.properties?.userProperties
      this.messages.push({ topic, text: payload.toString(), retain: packet.retain, userProperties })
    })
  }

  /** Connects, with 3.1.1 unless told otherwise, and never again once the connection is lost. */
  static async connect(url: string, options: IClientOptions = {}): Promise<MqttPeer> {
    return new MqttPeer(
      await connectAsync(url, { protocolVersion: 4, reconnectPeriod: 0, ...options }),
    )
  }

  async subscribe(...filters: readonly string[]): Promise<void> {
    await this.client.subscribeAsync([...filters], { qos: 0 })
  }

  async publish(
    topic: string,
    payload: string | Buffer,
    options: IClientPublishOptions = {},
  ): Promise<void> {
    await this.client.publishAsync(topic, payload, options)
  }

  /** Waits until this many messages have come in. */
  async received(count: number): Promise<readonly PeerMessage[]> {
    const { messages } = this
    await until(`${count} messages, ${messages.length} so far`, () => messages.length >= count)
    return messages
  }

  /** Ends the connection in good order, if it has not ended yet. */
  async end(): Promise<void> {
    if (this.client.stream.destroyed) return
    const closed = once(this.client.stream, 'close')
    this.client.end()
    await closed
  }
}
