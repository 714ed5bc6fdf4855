/** Reason codes of MQTT 5 for what is wrong with a packet (MQTT 5.0, 2.4). */
export const packetFault = {
  malformed: 0x81,
  protocol: 0x82,
  topicAlias: 0x94,
  tooLarge: 0x95,
} as const

/**
 * Says what is wrong with a packet from the broker, so that it can be told and the operator too.
 * The message names the packet and the rule, and never holds a payload.
 */
export class MqttPacketError extends Error {
  /** For the DISCONNECT that answers it on MQTT 5 (MQTT 5.0, 4.13). */
  readonly reasonCode: number

  constructor(reasonCode: number, message: string, options?: { readonly cause: unknown }) {
    super(message, options)
    this.name = 'MqttPacketError'
    this.reasonCode = reasonCode
  }
}

/** A Malformed Packet: it cannot be what it says it is (MQTT 5.0, 1.2). */
export function malformed(packet: string, what: string): MqttPacketError {
  return new MqttPacketError(packetFault.malformed, `${packet}: ${what}`)
}
