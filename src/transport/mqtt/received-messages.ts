import type { SourceMessage } from '../transport.ts'
import { MqttPacketError, packetFault } from './packet-error.ts'
import type { IncomingPublish } from './publish-decoder.ts'
import { TopicAliases } from './topic-aliases.ts'

/** Enough for the topics of a plant's gateway, and at most four MiB of them. */
const topicAliasMaximum = 64

/**
 * The messages that came on one connection and wait for their acknowledgement. As many as there are
 * identifiers, 65,535, at most: whoever wants fewer stops reading.
 */
export class ReceivedMessages {
  /** For the CONNECT. */
  readonly topicAliasMaximum = topicAliasMaximum
  readonly #epoch: number
  readonly #aliases = new TopicAliases(topicAliasMaximum)
  /** QoS of those not acknowledged, by packet identifier. */
  readonly #unacknowledged = new Map<number, 1 | 2>()

  constructor(epoch: number) {
    this.#epoch = epoch
  }

  /**
   * Takes a PUBLISH.
   *
   * One that is sent again (DUP) while its first copy waits for the acknowledgement is nothing new:
   * MQTT 5 does not allow it on one connection (4.4), brokers with a timer for it exist, and the one
   * PUBACK will answer both. Without DUP it is another message under an identifier in use (MQTT
   * 5.0, 2.2.1): the two could not be acknowledged apart, one would be lost in silence, so that is
   * an error. The broker then sends both again on the next connection.
   *
   * More than our Receive Maximum is no error here (MQTT 5.0, 3.3.4, would have it one): Mosquitto
   * 2.0.11, which Debian 12 has, leaks beyond it.
   *
   * @returns `undefined` for one that is not to be passed on.
   * @throws MqttPacketError
   */
  message(packet: IncomingPublish, receivedAt: number): SourceMessage | undefined {
    const { payload, qos, retain, duplicate, id } = packet
    const topic =
      packet.topicAlias === undefined
        ? packet.topic
        : this.#aliases.resolve(packet.topicAlias, packet.topic)
    const message: { -readonly [Name in keyof SourceMessage]: SourceMessage[Name] } = {
      topic,
      payload,
      qos,
      retain,
      duplicate,
      receivedAt,
    }
    if (qos !== 0) {
      if (this.#unacknowledged.has(id)) {
        if (duplicate) return undefined
        const what = `its packet id ${id} belongs to a message that is not acknowledged`
        throw new MqttPacketError(packetFault.protocol, `PUBLISH: ${what}`)
      }
      this.#unacknowledged.set(id, qos)
      message.ack = { epoch: this.#epoch, id }
    }
    if (packet.oversizeBytes !== undefined) message.oversizeBytes = packet.oversizeBytes
    if (packet.userProperties !== undefined) message.userProperties = packet.userProperties
    return message
  }

  /** @returns What answers this message; `undefined` when none waits under this identifier. */
  acknowledge(id: number): 'puback' | 'pubrec' | undefined {
    const qos = this.#unacknowledged.get(id)
    if (qos === undefined) return undefined
    this.#unacknowledged.delete(id)
    return qos === 1 ? 'puback' : 'pubrec'
  }
}
