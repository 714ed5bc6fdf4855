/** The packets that are written rarely, by `mqtt-packet`. */
import { generate, type IConnectPacket, type Packet, type QoS, writeToStream } from 'mqtt-packet'
import type { WillSettings } from '../../config/settings.ts'
import type { MqttProtocol } from './mqtt-session.ts'

// Otherwise the first packet makes a table of 65,536 little buffers, some megabytes in each process.
writeToStream.cacheNumbers = false

/** What a CONNECT says. */
export interface ConnectSettings {
  readonly protocol: MqttProtocol
  readonly clientId: string
  /** Forget the session that the broker may have of this client (MQTT 5.0, 3.1.2.4). */
  readonly clean: boolean
  readonly keepAliveSeconds: number
  readonly username?: string
  readonly password?: string
  readonly will?: WillSettings
  /** How long the broker keeps the session after the connection ends; MQTT 5 only. */
  readonly sessionExpirySeconds: number
  /** QoS 1 messages that the broker may send without an acknowledgement, from 1; MQTT 5 only. */
  readonly receiveMaximum: number
  /** How many topic aliases the broker may use; MQTT 5 only. */
  readonly topicAliasMaximum: number
}

/**
 * Encodes a CONNECT (MQTT 5.0, 3.1; MQTT 3.1.1, 3.1). No Maximum Packet Size is announced: a broker
 * silently discards what is larger, and nothing may be lost in silence.
 */
export function encodeConnect(settings: ConnectSettings): Buffer {
  const { protocol, password } = settings
  // 3.1.1 forbids a password without a user name (3.1.2.9); 5 does not, but `mqtt-packet` does.
  const username = settings.username ?? (password === undefined ? undefined : '')
  return encode(
    {
      cmd: 'connect',
      protocolId: 'MQTT',
      protocolVersion: versionOf(protocol),
      clientId: settings.clientId,
      clean: settings.clean,
      keepalive: settings.keepAliveSeconds,
      ...(username !== undefined && { username }),
      ...(password !== undefined && { password: Buffer.from(password) }),
      ...(settings.will && {
        will: { ...settings.will, payload: Buffer.from(settings.will.payload) },
      }),
      ...(protocol === '5' && { properties: connectProperties(settings) }),
    },
    protocol,
  )
}

function connectProperties(settings: ConnectSettings): NonNullable<IConnectPacket['properties']> {
  return {
    sessionExpiryInterval: settings.sessionExpirySeconds,
    receiveMaximum: settings.receiveMaximum,
    topicAliasMaximum: settings.topicAliasMaximum,
  }
}

/**
 * Encodes a SUBSCRIBE to one filter (MQTT 5.0, 3.8; MQTT 3.1.1, 3.8).
 *
 * @param id - The packet id, 1 to 65,535.
 * @param options.retained - Which of the messages that it had kept the broker sends (MQTT 5.0,
 * 3.8.3.1, Retain Handling). 3.1.1 has no such choice and sends all.
 */
export function encodeSubscribe(
  protocol: MqttProtocol,
  id: number,
  filter: string,
  options: { readonly qos: QoS; readonly retained: 'all' | 'new' | 'none' },
): Buffer {
  const subscription = { topic: filter, qos: options.qos, rh: retainHandling[options.retained] }
  return encode({ cmd: 'subscribe', messageId: id, subscriptions: [subscription] }, protocol)
}

const retainHandling = { all: 0, new: 1, none: 2 } as const

/**
 * Encodes an UNSUBSCRIBE from one filter (MQTT 5.0, 3.10; MQTT 3.1.1, 3.10).
 *
 * @param id - The packet id, 1 to 65,535.
 */
export function encodeUnsubscribe(protocol: MqttProtocol, id: number, filter: string): Buffer {
  return encode({ cmd: 'unsubscribe', messageId: id, unsubscriptions: [filter] }, protocol)
}

/**
 * Encodes a DISCONNECT (MQTT 5.0, 3.14; MQTT 3.1.1, 3.14).
 *
 * @param code - Why, 0 for a normal end; left out on 3.1.1, which has no place for it.
 */
export function encodeDisconnect(protocol: MqttProtocol, code = 0): Buffer {
  return encode({ cmd: 'disconnect', reasonCode: code }, protocol)
}

/** A PINGREQ: the same two bytes in both versions. Not to be written to. */
export const pingreqPacket: Buffer = generate({ cmd: 'pingreq' })

function encode(packet: Packet, protocol: MqttProtocol): Buffer {
  return generate(packet, { protocolVersion: versionOf(protocol) })
}

function versionOf(protocol: MqttProtocol): 4 | 5 {
  return protocol === '5' ? 5 : 4
}
