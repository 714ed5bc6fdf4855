import { MqttPacketError, packetFault } from './packet-error.ts'

/**
 * The topics that a broker abbreviates on one connection (MQTT 5.0, 3.3.2.3.4). Bounded by the
 * number that we announced, and each topic by the protocol.
 */
export class TopicAliases {
  readonly #topics: (string | undefined)[]

  /** @param maximum - The Topic Alias Maximum of our CONNECT. */
  constructor(maximum: number) {
    this.#topics = Array.from({ length: maximum + 1 })
  }

  /**
   * The topic of a PUBLISH with an alias. A topic that is sent along is kept for the next time.
   *
   * @param topic - Empty when only the alias was sent.
   * @throws MqttPacketError for an alias that is 0, above the maximum or not known.
   */
  resolve(alias: number, topic: string): string {
    const maximum = this.#topics.length - 1
    if (alias === 0 || alias > maximum) {
      const message = `PUBLISH: its topic alias is ${alias}, which is not from 1 to ${maximum}`
      throw new MqttPacketError(packetFault.topicAlias, message)
    }
    if (topic !== '') {
      this.#topics[alias] = topic
      return topic
    }
    const known = this.#topics[alias]
    if (known !== undefined) return known
    const message = `PUBLISH: its topic alias ${alias} was never given a topic`
    throw new MqttPacketError(packetFault.protocol, message)
  }
}
