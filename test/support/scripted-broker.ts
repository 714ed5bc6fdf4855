import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'

/** Packet types by their first four bits. */
const packetNames: Readonly<Record<number, string>> = {
  1: 'connect',
  3: 'publish',
  8: 'subscribe',
  12: 'pingreq',
  14: 'disconnect',
}

/** One packet as it came, with its name and everything behind the fixed header. */
export interface ScriptedPacket {
  readonly name: string
  readonly body: Buffer
  /** Version byte of a CONNECT: 4 or 5. */
  readonly version: number
}

/** Bytes that a script often sends. */
export const reply = {
  connack311: (code: number): Buffer => Buffer.from([0x20, 2, 0, code]),
  connack5: (code: number, properties: readonly number[] = []): Buffer =>
    Buffer.from([0x20, 3 + properties.length, 0, code, properties.length, ...properties]),
  /** Answers a SUBSCRIBE of either version. */
  suback: (packet: ScriptedPacket, version: number, code: number): Buffer => {
    const id = [packet.body[0] ?? 0, packet.body[1] ?? 0]
    return version === 5
      ? Buffer.from([0x90, 4, ...id, 0, code])
      : Buffer.from([0x90, 3, ...id, code])
  },
  disconnect5: (code: number): Buffer => Buffer.from([0xe0, 2, code, 0]),
  /** A PUBLISH with QoS 0 on 3.1.1, of less than 2 MiB. */
  publish311: (topic: string, payload: Buffer): Buffer => {
    const name = Buffer.from(topic)
    const remaining = 2 + name.length + payload.length
    const length: number[] = []
    let rest = remaining
    do {
      length.push(rest > 127 ? (rest & 127) | 128 : rest)
      rest >>>= 7
    } while (rest > 0)
    return Buffer.concat([
      Buffer.from([0x30, ...length, name.length >> 8, name.length & 255]),
      name,
      payload,
    ])
  },
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
    let bytes = Buffer.alloc(0)
    socket.on('data', (chunk) => {
      bytes = Buffer.concat([bytes, chunk])
      for (;;) {
        const packet = cutPacket(bytes)
        if (packet === undefined) return
        bytes = bytes.subarray(packet.length)
        this.packets.push(packet.packet)
        script(packet.packet, socket)
      }
    })
  }
}

function cutPacket(bytes: Buffer): { packet: ScriptedPacket; length: number } | undefined {
  let remaining = 0
  for (let i = 1; i < bytes.length; i++) {
    const byte = bytes[i] ?? 0
    remaining += (byte & 127) << (7 * (i - 1))
    if (byte > 127) continue
    const length = 1 + i + remaining
    if (bytes.length < length) return undefined
    const body = bytes.subarray(1 + i, length)
    const name = packetNames[(bytes[0] ?? 0) >> 4] ?? 'other'
    return { packet: { name, body, version: name === 'connect' ? (body[6] ?? 0) : 0 }, length }
  }
  return undefined
}
