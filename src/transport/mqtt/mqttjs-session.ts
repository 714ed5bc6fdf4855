/**
 * The one file that knows MQTT.js. It lends its CONNECT, its parser, its keep-alive and its
 * SUBSCRIBE; results are written around it, because its own way out costs several writes and
 * objects per packet and loses callbacks when the socket breaks.
 */
import type { Duplex } from 'node:stream'
import { type IConnackPacket, type IPublishPacket, MqttClient } from 'mqtt'
import { openBrokerSocket } from './broker-socket.ts'
import type {
  OutgoingPublish,
  Session,
  SessionEnd,
  SessionListener,
  SessionOptions,
} from './mqtt-session.ts'
import { measurePublish } from './publish-packet.ts'
import { PublishWriter } from './publish-writer.ts'

/** Bytes of results that may wait for the socket; the rest stays in the sink's own bounded queue. */
const writeBytesMax = 256 * 1024

/** DISCONNECT without a reason is the same two bytes in both versions. */
const disconnectPacket = Buffer.from([0xe0, 0x00])

/** Opens a session with MQTT.js. See {@link Session}. */
export function openMqttJsSession(options: SessionOptions, listener: SessionListener): Session {
  const stream = openBrokerSocket(options.address, options.tls)
  return new MqttJsSession(stream, options, listener)
}

class MqttJsSession implements Session {
  readonly #stream: Duplex
  readonly #client: MqttClient
  readonly #listener: SessionListener
  readonly #options: SessionOptions
  readonly #writer: PublishWriter
  /** What ended it, as far as it is known before the socket closes. */
  #end: SessionEnd | undefined
  /** Nobody listens any more. */
  #abandoned = false
  #paused = false
  /** MQTT.js waits for this before it parses on: withheld while paused. */
  #parseOn: (() => void) | undefined
  /** Pieces read from the socket, to tell a busy broker from a dead one. */
  #chunks = 0
  #chunksAtPing = 0

  constructor(stream: Duplex, options: SessionOptions, listener: SessionListener) {
    this.#stream = stream
    this.#options = options
    this.#listener = listener
    this.#writer = new PublishWriter(stream, writeBytesMax, () => listener.room())
    stream.once('error', (error) => this.#ending({ kind: 'socket', error }))
    this.#client = new MqttClient(() => stream, clientOptions(options))
    // After MQTT.js has begun to read: a second reader must not be the one that starts the flow.
    stream.on('data', () => void this.#chunks++)
    this.#wire(this.#client)
  }

  get hasRoom(): boolean {
    return this.#writer.hasRoom
  }

  subscribe(
    filter: string,
    options: { readonly retained: boolean },
    answered: (code: number) => void,
  ): void {
    // Retain handling 2: nothing that was kept. MQTT.js leaves it out on 3.1.1.
    const retainHandling = options.retained ? 0 : 2
    this.#client.subscribe(filter, { qos: 0, rh: retainHandling }, (_error, _granted, packet) => {
      const code = packet?.granted[0]
      // Without a SUBACK the connection is going down, which is told elsewhere.
      if (code !== undefined && !this.#abandoned) answered(Number(code))
    })
  }

  publish(message: OutgoingPublish, written: () => void): void {
    this.#writer.add(measurePublish(message, this.#options.protocol), written)
  }

  pause(): void {
    this.#paused = true
  }

  resume(): void {
    this.#paused = false
    const parseOn = this.#parseOn
    this.#parseOn = undefined
    if (parseOn === undefined) return
    // The answer to our last ping is behind what waited: give it a whole interval again.
    this.#client.reschedulePing(true)
    parseOn()
  }

  disconnect(deadlineMs: number): Promise<void> {
    this.#writer.flush()
    this.#abandon()
    // Unread bytes would make the kernel reset the connection and with it our last packets.
    this.resume()
    const stream = this.#stream
    if (stream.closed) return Promise.resolve()
    if (!this.#client.connected || !stream.writable) {
      stream.destroy()
      return Promise.resolve()
    }
    return new Promise((resolve) => {
      const timer = this.#options.clock.after(deadlineMs, () => stream.destroy(), {
        keepAlive: true,
      })
      stream.once('close', () => {
        timer.cancel()
        resolve()
      })
      stream.end(disconnectPacket)
    })
  }

  destroy(): void {
    this.#abandon()
    this.#stream.destroy()
  }

  #wire(client: MqttClient): void {
    client.on('connect', (packet: IConnackPacket) => {
      const packetBytesMax = packet.properties?.maximumPacketSize
      if (this.#abandoned) return
      this.#listener.opened(packetBytesMax === undefined ? {} : { packetBytesMax })
    })
    client.on('disconnect', (packet) => {
      this.#fail({ kind: 'disconnected', code: packet.reasonCode ?? 0 })
    })
    client.on('error', (error) => this.#fail(this.#endOf(error)))
    client.on('close', () => {
      if (this.#abandoned) return
      this.#abandon()
      this.#listener.ended(this.#end ?? { kind: 'socket' })
    })
    // Instead of its 'message' event: one call per message, and the hook that withholds the parser.
    client.handleMessage = (packet, done) => this.#receive(packet, done)
    const sendPing = client.sendPing.bind(client)
    client.sendPing = () => {
      this.#chunksAtPing = this.#chunks
      sendPing()
    }
    client.onKeepaliveTimeout = () => {
      // A PINGRESP is parsed in its turn, so while we are paused, or far behind, MQTT.js does not
      // see it and would cut a healthy connection. Our own PINGREQs go on, which is all that the
      // broker asks for. A peer that dies while we are paused is found after `resume`, or by TCP.
      if (this.#parseOn !== undefined || this.#chunks !== this.#chunksAtPing) {
        client.sendPing()
        client.reschedulePing(true)
        return
      }
      this.#fail({ kind: 'silent' })
    }
  }

  #receive(packet: IPublishPacket, done: () => void): void {
    if (!this.#abandoned) {
      const userProperties = packet.properties?.userProperties
      this.#listener.message({
        topic: packet.topic,
        payload: packet.payload as Buffer,
        qos: packet.qos,
        retain: packet.retain,
        duplicate: packet.dup,
        receivedAt: this.#options.clock.now(),
        ...(userProperties !== undefined && { userProperties }),
      })
      if (this.#paused) {
        this.#parseOn = done
        return
      }
    }
    done()
  }

  /** An error of MQTT.js: a refused CONNECT has a number as its code, one of the socket a text. */
  #endOf(error: Error): SessionEnd {
    const code: unknown = (error as { code?: unknown }).code
    if (typeof code === 'number' && !this.#client.connected) return { kind: 'refused', code }
    if (typeof code === 'string') return { kind: 'socket', error }
    return { kind: 'protocol', error }
  }

  /** The first reason is the true one; what follows is its echo. */
  #ending(end: SessionEnd): void {
    this.#end ??= end
  }

  #fail(end: SessionEnd): void {
    this.#ending(end)
    this.#stream.destroy()
  }

  #abandon(): void {
    this.#abandoned = true
    this.#writer.stop()
  }
}

/** MQTT.js without its own ideas of reconnecting, queueing and timing out. */
function clientOptions(options: SessionOptions): ConstructorParameters<typeof MqttClient>[1] {
  const { broker } = options
  // 3.1.1 forbids a password without a user name.
  const username = broker.username ?? (broker.password === undefined ? undefined : '')
  return {
    clientId: options.clientId,
    protocolVersion: options.protocol === '5' ? 5 : 4,
    clean: true,
    keepalive: broker.keepAliveSeconds,
    reconnectPeriod: 0,
    resubscribe: false,
    queueQoSZero: false,
    // The owner of the session has the deadline, with its own clock.
    connectTimeout: 2_147_483_647,
    // Its debug output formats every packet even when nobody reads it.
    log: () => {},
    ...(username !== undefined && { username }),
    ...(broker.password !== undefined && { password: broker.password }),
    ...(broker.will && { will: { ...broker.will, payload: Buffer.from(broker.will.payload) } }),
  }
}
