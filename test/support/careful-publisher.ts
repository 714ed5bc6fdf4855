import { setTimeout as sleep } from 'node:timers/promises'
import { connect, type MqttClient } from 'mqtt'

/** A message to publish, at its time. */
export interface ScheduledMessage {
  readonly topic: string
  readonly payload: string
  /** Milliseconds after the beginning. Not decreasing. */
  readonly dueMs: number
}

/** Messages without a PUBACK, at most. */
const inFlightMax = 100

/**
 * A publisher that loses nothing: each message is sent, in order, until it is acknowledged, on as
 * many connections as it takes; and those that a broker acknowledged and then forgot are sent again
 * when it is told of it. MQTT.js with QoS 1, one connection at a time, without its own store.
 */
export class CarefulPublisher {
  readonly #url: string
  readonly #messages: readonly ScheduledMessage[]
  readonly #sent: (index: number) => void
  /** When each was acknowledged, milliseconds since 1970; 0 for not yet. */
  readonly #acknowledgedAt: Float64Array
  #client: MqttClient | undefined
  #next = 0
  #unacknowledged: number
  #closed = false

  /**
   * @param sent - Called for every message that leaves, with its index, each time.
   */
  constructor(url: string, messages: readonly ScheduledMessage[], sent: (index: number) => void) {
    this.#url = url
    this.#messages = messages
    this.#sent = sent
    this.#acknowledgedAt = new Float64Array(messages.length)
    this.#unacknowledged = messages.length
  }

  /** Publishes until it is closed: a broker may forget even the last message. */
  async run(): Promise<void> {
    const begun = performance.now()
    while (!this.#closed) {
      const client = await this.#connect()
      if (client === undefined) continue
      this.#client = client
      this.#next = this.#unacknowledged === 0 ? 0 : this.#acknowledgedAt.indexOf(0)
      await this.#publishOn(client, begun)
      await client.endAsync(true)
    }
  }

  /**
   * The broker was killed, and what it acknowledged after `savedAt`, in milliseconds since 1970, is
   * gone: it is sent again. Call it before the broker is back.
   */
  brokerForgot(savedAt: number): void {
    this.#client?.end(true)
    this.#client = undefined
    for (const [index, at] of this.#acknowledgedAt.entries()) {
      if (at < savedAt) continue
      this.#acknowledgedAt[index] = 0
      this.#unacknowledged += 1
    }
  }

  /** The broker has acknowledged everything. */
  get isDone(): boolean {
    return this.#unacknowledged === 0
  }

  close(): void {
    this.#closed = true
    this.#client?.end(true)
  }

  async #connect(): Promise<MqttClient | undefined> {
    const client = connect(this.#url, { protocolVersion: 4, reconnectPeriod: 0, clean: true })
    client.on('error', () => undefined) // the broker is being killed: the loop tries again
    await new Promise<void>((resolve) => {
      client.once('connect', () => resolve())
      client.once('close', () => resolve())
    })
    if (client.connected) return client
    await client.endAsync(true)
    await sleep(50)
    return undefined
  }

  async #publishOn(client: MqttClient, begun: number): Promise<void> {
    let inFlight = 0
    while (client.connected && !this.#closed) {
      const elapsedMs = performance.now() - begun
      while (inFlight < inFlightMax) {
        const index = this.#next
        const message = this.#messages[index]
        if (message === undefined || message.dueMs > elapsedMs) break
        this.#next += 1
        if (this.#acknowledgedAt[index] !== 0) continue
        inFlight += 1
        this.#sent(index)
        client.publish(message.topic, message.payload, { qos: 1 }, (error) => {
          inFlight -= 1
          if (error || client !== this.#client) return
          if (this.#acknowledgedAt[index] === 0) this.#unacknowledged -= 1
          this.#acknowledgedAt[index] = Date.now()
        })
      }
      await sleep(2)
    }
  }
}
