import type { Socket } from 'node:net'
import type { BrokerSettings } from '../../src/config/settings.ts'
import { brokerSettings } from './broker-settings.ts'
import {
  reply,
  ScriptedBroker,
  type ScriptedPacket,
  type ScriptedPublish,
} from './scripted-broker.ts'
import { until } from './wait.ts'

/** A version of MQTT in the words of the settings. */
export type Protocol = '5' | '3.1.1'

/** A result as it came to the broker. */
export interface ArrivedResult {
  readonly topic: string
  readonly payload: string
  readonly duplicate: boolean
  /** Number of the connection, from 1. */
  readonly connection: number
  /** Sends the PUBACK. */
  confirm(code?: number): void
}

/**
 * One end of a pipeline: a broker that lets everybody in, grants what is asked and answers pings,
 * and for the rest does what a test says.
 */
export class ScriptedEnd {
  /** How the pipeline connects. */
  settings: BrokerSettings
  readonly broker: ScriptedBroker
  readonly results: ArrivedResult[] = []
  /** Properties of the CONNACK, as bytes. MQTT 5 only. */
  properties: readonly number[] = []
  /** Whether it knows the session from the second connection on. */
  keepsSession = true
  /** Confirms every result at once. */
  confirms = false
  /** Reads, and says nothing any more. */
  isMute = false
  readonly #version: 4 | 5
  readonly #connections: Socket[] = []
  #subscribed = 0
  #roundTrips = 0

  private constructor(protocol: Protocol, broker: ScriptedBroker) {
    this.#version = protocol === '5' ? 5 : 4
    this.broker = broker
    this.settings = brokerSettings(broker.url, { protocol, qos: 1, connectTimeoutMs: 5000 })
  }

  static async start(protocol: Protocol): Promise<ScriptedEnd> {
    const broker = await ScriptedBroker.start((packet, socket) => end.#answer(packet, socket))
    const end = new ScriptedEnd(protocol, broker)
    return end
  }

  /** A keep-alive of one second, to find out soon that nobody is there. */
  everySecond(): void {
    this.settings = { ...this.settings, keepAliveSeconds: 1, connectTimeoutMs: 500 }
  }

  get connections(): number {
    return this.#connections.length
  }

  /** Waits until the n-th connection has subscribed. */
  async subscribed(connection = 1): Promise<void> {
    await until(`subscription ${connection}`, () => this.#subscribed >= connection)
  }

  /** Sends messages on the newest connection, with their numbers as packet ids and `n`. */
  send(numbers: readonly number[], more: Partial<ScriptedPublish> = {}): void {
    const packets = numbers.map((n) => {
      const payload = JSON.stringify({ n })
      return reply.publish(this.#version, { topic: 'in/a', payload, qos: 1, id: n, ...more })
    })
    this.write(Buffer.concat(packets))
  }

  /** Sends bytes on the newest connection. */
  write(bytes: Buffer): void {
    this.socket.write(bytes)
  }

  get socket(): Socket {
    const socket = this.#connections.at(-1)
    if (socket === undefined) throw new Error('nobody has connected')
    return socket
  }

  /** Cuts every connection. */
  cut(): void {
    for (const socket of this.broker.sockets) socket.destroy()
  }

  /** Ids of the PUBACKs in the order in which they came. */
  get acknowledged(): number[] {
    return this.broker.packets.flatMap(({ name, decoded }) =>
      name === 'puback' ? [decoded.messageId ?? 0] : [],
    )
  }

  /**
   * Waits until everything has arrived that the pipeline had sent when it read this: it answers any
   * PUBREL with PUBCOMP. In vain while it reads no more, or is not connected.
   */
  async roundTrip(): Promise<void> {
    this.#roundTrips += 1
    const id = 50_000 + this.#roundTrips
    this.write(Buffer.from([0x62, 2, id >> 8, id & 255]))
    await until('PUBCOMP', () =>
      this.broker.packets.some(
        ({ name, decoded }) => name === 'pubcomp' && decoded.messageId === id,
      ),
    )
  }

  #answer(packet: ScriptedPacket, socket: Socket): void {
    const version = this.#version
    if (packet.name === 'connect') this.#connections.push(socket)
    if (packet.decoded.cmd === 'publish') this.#arrived(packet, socket)
    if (this.isMute) return
    if (packet.name === 'connect') {
      const isKept = packet.decoded.cmd === 'connect' && packet.decoded.clean === false
      const present = isKept && this.keepsSession && this.#connections.length > 1
      const connack =
        version === 5 ? reply.connack5(0, this.properties, present) : reply.connack311(0, present)
      socket.write(connack)
    } else if (packet.name === 'subscribe') {
      socket.write(reply.suback(packet, version, 1))
      this.#subscribed += 1
    } else if (packet.name === 'pingreq') socket.write(reply.pingresp())
  }

  #arrived({ decoded }: ScriptedPacket, socket: Socket): void {
    if (decoded.cmd !== 'publish') return
    const confirm = (code = 0): void => {
      socket.write(reply.puback(this.#version, decoded.messageId ?? 0, code))
    }
    this.results.push({
      topic: decoded.topic,
      payload: decoded.payload.toString(),
      duplicate: decoded.dup,
      connection: this.#connections.indexOf(socket) + 1,
      confirm,
    })
    if (this.confirms && !this.isMute) confirm()
  }
}
