/**
 * As much of MQTT 3.1.1 as a yardstick needs, in as few instructions as it can: the bytes of
 * PUBLISH and PUBACK, and where packets end. No checks, no limits: the other side is a broker that
 * this command started.
 */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { generate } from 'mqtt-packet'

/** First byte of a packet without its flags. */
export const packetType = { publish: 0x30, puback: 0x40, suback: 0x90, connack: 0x20 } as const

/** Opens a clean session, and subscribes when a filter is given. @returns The socket, paused: `resume` it. */
export async function openRawSession(
  port: number,
  clientId: string,
  subscription?: { readonly filter: string; readonly qos: 0 | 1 },
): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  await once(socket, 'connect')
  const hello = { cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, clean: true } as const
  socket.write(generate({ ...hello, clientId, keepalive: 0 }))
  await answer(socket, packetType.connack)
  if (subscription === undefined) return socket
  const { filter, qos } = subscription
  socket.write(
    generate({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: filter, qos }] }),
  )
  await answer(socket, packetType.suback)
  return socket
}

/** Nothing else is under way when this is called, so that an answer comes in one piece, alone. */
async function answer(socket: Socket, type: number): Promise<void> {
  const answered = once(socket, 'data')
  socket.resume()
  const [chunk] = (await answered) as [Buffer]
  socket.pause()
  const code = chunk.at(-1) ?? 0x80
  const isRefusal = type === packetType.connack ? code !== 0 : code >= 0x80
  if (chunk[0] !== type || isRefusal) {
    throw new Error(`the broker answered ${chunk.toString('hex')} where ${type} was due`)
  }
}

/** Cuts what comes from a socket into packets. */
export class PacketSplitter {
  #rest: Buffer | undefined
  readonly #packet: (packet: Buffer, bodyAt: number) => void

  /** @param packet - Gets each packet as a view, and where its body begins. */
  constructor(packet: (packet: Buffer, bodyAt: number) => void) {
    this.#packet = packet
  }

  take(chunk: Buffer): void {
    const bytes = this.#rest === undefined ? chunk : Buffer.concat([this.#rest, chunk])
    let at = 0
    while (at + 2 <= bytes.length) {
      let bodyAt = at + 1
      let length = 0
      for (let shift = 0; ; shift += 7) {
        const byte = bytes[bodyAt++] ?? 0x80
        length |= (byte & 0x7f) << shift
        if (byte < 0x80 || bodyAt > bytes.length) break
      }
      const end = bodyAt + length
      if (bodyAt > bytes.length || end > bytes.length) break
      this.#packet(bytes.subarray(at, end), bodyAt - at)
      at = end
    }
    this.#rest = at < bytes.length ? bytes.subarray(at) : undefined
  }
}

/** Where the topic and the payload of a PUBLISH begin. */
export function publishParts(
  packet: Buffer,
  bodyAt: number,
): { qos: number; topicEnd: number; payloadAt: number } {
  const qos = ((packet[0] ?? 0) >> 1) & 3
  const topicEnd = bodyAt + 2 + packet.readUInt16BE(bodyAt)
  return { qos, topicEnd, payloadAt: qos === 0 ? topicEnd : topicEnd + 2 }
}

/**
 * The bytes of a PUBLISH.
 *
 * @param id - Present for QoS 1.
 */
export function encodePublish(topic: string, payload: Uint8Array, id?: number): Buffer {
  const topicBytes = Buffer.byteLength(topic)
  const remaining = 2 + topicBytes + (id === undefined ? 0 : 2) + payload.length
  const lengthBytes = remaining < 128 ? 1 : remaining < 16_384 ? 2 : 3
  const packet = Buffer.allocUnsafe(1 + lengthBytes + remaining)
  let at = packet.writeUInt8(packetType.publish | (id === undefined ? 0 : 2), 0)
  for (let rest = remaining, i = lengthBytes; i > 0; i--, rest >>>= 7) {
    at = packet.writeUInt8((rest & 0x7f) | (i > 1 ? 0x80 : 0), at)
  }
  at = packet.writeUInt16BE(topicBytes, at)
  at += packet.write(topic, at, 'latin1')
  if (id !== undefined) at = packet.writeUInt16BE(id, at)
  packet.set(payload, at)
  return packet
}

/** The bytes of PUBACKs, in order. */
export function encodePubacks(ids: readonly number[]): Buffer {
  const packets = Buffer.allocUnsafe(4 * ids.length)
  for (const [i, id] of ids.entries()) packets.writeUInt32BE(0x40020000 + id, i * 4)
  return packets
}

/** The packet id after this one. */
export function nextId(id: number): number {
  return id === 65_535 ? 1 : id + 1
}
