import { once } from 'node:events'
import { connectAsync, type IClientPublishOptions, type MqttClient } from 'mqtt'

/** A message as the observer saw it. */
export interface ObservedMessage {
  readonly topic: string
  readonly payload: Buffer
  readonly retain: boolean
  readonly userProperties: Readonly<Record<string, string | string[]>> | undefined
}

/** The far side of a transport in a test: an independent MQTT client, MQTT.js as it comes. */
export class MqttObserver {
  readonly messages: ObservedMessage[] = []
  readonly client: MqttClient

  private constructor(client: MqttClient) {
    this.client = client
    client.on('message', (topic, payload, packet) => {
      const userProperties = packet.properties?.userProperties
      this.messages.push({ topic, payload, retain: packet.retain, userProperties })
    })
  }

  static async connect(
    url: string,
    options: { readonly version?: 4 | 5; readonly clientId?: string } = {},
  ): Promise<MqttObserver> {
    const { version = 4, clientId } = options
    const client = await connectAsync(url, {
      protocolVersion: version,
      reconnectPeriod: 0,
      ...(clientId !== undefined && { clientId }),
    })
    return new MqttObserver(client)
  }

  async subscribe(filter: string): Promise<void> {
    await this.client.subscribeAsync(filter, { qos: 0 })
  }

  async publish(
    topic: string,
    payload: string | Buffer,
    options: IClientPublishOptions = {},
  ): Promise<void> {
    await this.client.publishAsync(topic, payload, options)
  }

  /** Ends the connection in good order, if it has not ended yet. */
  async end(): Promise<void> {
    if (this.client.stream.destroyed) return
    const closed = once(this.client.stream, 'close')
    this.client.end()
    await closed
  }
}
