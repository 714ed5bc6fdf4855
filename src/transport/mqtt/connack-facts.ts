import type { IConnackPacket } from 'mqtt-packet'
import type { SessionFacts, SessionOptions } from './mqtt-session.ts'
import { MqttPacketError, packetFault } from './packet-error.ts'

/** What a broker said in its CONNACK, with the defaults of the standard. */
export interface ConnackFacts {
  /** 0 for success; a refusal of the broker's own version otherwise. */
  readonly code: number
  readonly facts: SessionFacts
  /** QoS 1 messages that it takes without having confirmed them. */
  readonly receiveMaximum: number
  /** The broker's word overrules ours (MQTT 5.0, 3.2.2.3.14). */
  readonly keepAliveSeconds: number
}

/**
 * Reads a CONNACK (MQTT 5.0, 3.2; MQTT 3.1.1, 3.2). A client id that the broker assigned is
 * ignored: we always send one.
 *
 * @throws MqttPacketError for a session that we did not ask for.
 */
export function readConnack(
  packet: IConnackPacket,
  options: Pick<SessionOptions, 'protocol' | 'keptForSeconds' | 'broker'>,
): ConnackFacts {
  const code = (options.protocol === '5' ? packet.reasonCode : packet.returnCode) ?? 0
  const { sessionPresent } = packet
  // MQTT 5.0, 3.2.2.1.1; MQTT 3.1.1, 3.2.2.2.
  if (code === 0 && sessionPresent && options.keptForSeconds === 0) {
    const message = 'CONNACK: it says that a session is present after a clean start'
    throw new MqttPacketError(packetFault.protocol, message)
  }
  const { properties } = packet
  // What these may be was checked when they were read.
  return {
    code,
    facts: {
      sessionPresent,
      keptForSeconds: properties?.sessionExpiryInterval ?? options.keptForSeconds,
      packetBytesMax: properties?.maximumPacketSize ?? Number.POSITIVE_INFINITY,
      qosMax: maximumQos(properties?.maximumQoS),
      retainAvailable: properties?.retainAvailable ?? true,
    },
    receiveMaximum: properties?.receiveMaximum ?? 65_535,
    keepAliveSeconds: properties?.serverKeepAlive ?? options.broker.keepAliveSeconds,
  }
}

/** MQTT 5.0, 3.2.2.3.4: 0 or 1, and absent for 2. */
function maximumQos(announced: number | undefined): 0 | 1 | 2 {
  if (announced === undefined) return 2
  return announced === 0 ? 0 : 1
}
