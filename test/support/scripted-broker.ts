import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { generate, type IPublishPacket, type Packet, type Parser, parser } from 'mqtt-packet'

/** One packet as it came. */
export interface ScriptedPacket {
  readonly name: Packet['cmd']
  /** Everything behind the fixed header. */
  readonly body: Buffer
  /** What `mqtt-packet` makes of it. */
  readonly decoded: Packet
  /** Version byte of the CONNECT of this connection: 4 or 5. */
  readonly version: number
}

/** A PUBLISH to be sent; QoS 0 and no flags where nothing is said. */
export interface ScriptedPublish {
  readonly topic: string
  readonly payload?: string | Buffer
  readonly qos?: 0 | 1 | 2
  /** Needed above QoS 0. */
  readonly id?: number
  readonly retain?: boolean
  readonly duplicate?: boolean
  readonly properties?: NonNullable<IPublishPacket['properties']>
}

/** Bytes that a script often sends. */
export const reply = {
  connack311: (code: number, sessionPresent = false): Buffer =>
    Buffer.from([0x20, 2, sessionPresent ? 1 : 0, code]),
  connack5: (code: number, properties: readonly number[] = [], sessionPresent = false): Buffer =>
    Buffer.concat([
      Buffer.from([0x20, 3 + properties.length, sessionPresent ? 1 : 0, code, properties.length]),
      Buffer.from(properties),
    ]),
  /** Answers a SUBSCRIBE of either version. */
  suback: (packet: ScriptedPacket, version: number, code: number): Buffer => {
    const id = [packet.body[0] ?? 0, packet.body[1] ?? 0]
    return version === 5
      ? Buffer.from([0x90, 4, ...id, 0, code])
      : Buffer.from([0x90, 3, ...id, code])
  },
  /** Answers an UNSUBSCRIBE of either version; 3.1.1 has no place for the code. */
  unsuback: (packet: ScriptedPacket, version: number, code = 0): Buffer => {
    const id = [packet.body[0] ?? 0, packet.body[1] ?? 0]
    return version === 5 ? Buffer.from([0xb0, 4, ...id, 0, code]) : Buffer.from([0xb0, 2, ...id])
  },
  pingresp: (): Buffer => Buffer.from([0xd0, 0]),
  disconnect5: (code: number): Buffer => Buffer.from([0xe0, 2, code, 0]),
  publish: (version: number, message: ScriptedPublish): Buffer =>
    generate(
      {
        cmd: 'publish',
        topic: message.topic,
        payload: message.payload ?? '',
        qos: message.qos ?? 0,
        retain: message.retain ?? false,
        dup: message.duplicate ?? false,
        ...(message.id !== undefined && { messageId: message.id }),
        ...(message.properties !== undefined && { properties: message.properties }),
      },
      { protocolVersion: version },
    ),
  /** Confirms a PUBLISH of the client; 3.1.1 has no place for the code. */
  puback: (version: number, id: number, code = 0): Buffer =>
    version === 5 && code !== 0
      ? Buffer.from([0x40, 3, id >> 8, id & 255, code])
      : Buffer.from([0x40, 2, id >> 8, id & 255]),
}

/** A server that answers MQTT packets as a test says: for what real brokers cannot be made to do. */
export class ScriptedBroker {
  readonly url: string
  readonly packets: ScriptedPacket[] = []
  readonly sockets = new Set<Socket>()
  readonly #server: Server

  private constructor(server: Server, port: number) {
    this.#server = server
    this.url = `mqtt://127.0.0.1:${port}`
  }

  /** @param script - Called for every packet; answers by writing to the socket. */
  static async start(
    script: (packet: ScriptedPacket, socket: Socket) => void,
  ): Promise<ScriptedBroker> {
    const server = createServer()
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    if (address === null || typeof address === 'string') throw new Error('no port')
    const broker = new ScriptedBroker(server, address.port)
    server.on('connection', (socket) => broker.#serve(socket, script))
    return broker
  }

  async stop(): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    for (const socket of this.sockets) socket.destroy()
    await closed
  }

  #serve(socket: Socket, script: (packet: ScriptedPacket, socket: Socket) => void): void {
    this.sockets.add(socket)
    socket.on('close', () => this.sockets.delete(socket))
    socket.on('error', () => {})
    const parsing = parser()
    // Whatever cannot be parsed is missing from `packets`, which is what a test then says.
    parsing.on('error', () => socket.destroy())
    let bytes = Buffer.alloc(0)
    let version = 0
    socket.on('data', (chunk) => {
      bytes = Buffer.concat([bytes, chunk])
      for (;;) {
        const length = packetLength(bytes)
        if (length === undefined) return
        const decoded = decode(parsing, bytes.subarray(0, length.total))
        if (decoded === undefined) return
        if (decoded.cmd === 'connect') version = decoded.protocolVersion ?? 0
        const body = bytes.subarray(length.head, length.total)
        const packet = { name: decoded.cmd, body, decoded, version }
        bytes = bytes.subarray(length.total)
        this.packets.push(packet)
        script(packet, socket)
      }
    })
  }
}

/** The parser learns the version from the CONNECT that it parses first. */
function decode(parsing: Parser, bytes: Buffer): Packet | undefined {
  let decoded: Packet | undefined
  parsing.once('packet', (packet) => (decoded = packet))
  parsing.parse(bytes)
  return decoded
}

/** How long the first packet is, and its fixed header, once all of it is there. */
function packetLength(bytes: Buffer): { head: number; total: number } | undefined {
  let remaining = 0
  for (let i = 1; i < bytes.length; i++) {
    const byte = bytes[i] ?? 0
    remaining += (byte & 127) << (7 * (i - 1))
    if (byte > 127) continue
    const head = 1 + i
    return bytes.length < head + remaining ? undefined : { head, total: head + remaining }
  }
  return undefined
}
