/** The one file that knows Aedes: an MQTT 3.1.1 broker inside this process, for demo and tests. */
import { createServer as createHttpServer, type Server as HttpServer } from 'node:http'
import { createServer as createTcpServer, isIP, type Server as TcpServer } from 'node:net'
import type { Duplex } from 'node:stream'
import { Aedes } from 'aedes'
import { EdgebootError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import { type Logger, silentLogger } from '../core/log.ts'
import { topicFault } from '../core/mqtt-topic.ts'
import { acceptWebSocketStreams } from './websocket-stream.ts'

/** Connections on each listener; more are closed. */
const connectionsMax = 1_000
/** Topics whose last message may be kept; more are refused. */
const retainedTopicsMax = 10_000
/** A client that takes nothing for this long is cut off, since it holds up the publishers. */
const drainTimeoutMs = 60_000
/** Patience with clients while closing. */
const closeMs = 2_000

/** Where the embedded broker listens. */
export interface EmbeddedBrokerOptions {
  readonly host: string
  /** 0 takes a free one. */
  readonly port: number
  /** Also MQTT over WebSocket, at any path; 0 takes a free port. */
  readonly webSocketPort?: number
  readonly log?: Logger
}

/**
 * An MQTT 3.1.1 broker in this process.
 *
 * It serves whoever reaches its address, keeps nothing on disk, and knows neither MQTT 5 (clients
 * are told so and fall back) nor shared subscriptions (refused in the SUBACK and in the log).
 * Bounded in connections, size of a message and kept messages; persistent sessions that are away
 * are not, so it is not for production.
 */
export class EmbeddedBroker {
  readonly url: string
  readonly webSocketUrl: string | undefined
  readonly #release: () => Promise<void>
  #closed: Promise<void> | undefined

  private constructor(url: string, webSocketUrl: string | undefined, release: () => Promise<void>) {
    this.url = url
    this.webSocketUrl = webSocketUrl
    this.#release = release
  }

  /**
   * Starts listening.
   *
   * @throws EdgebootError `BROKER_PORT_IN_USE` naming the port, or `BROKER_LISTEN_FAILED` when the
   * address cannot be listened on for another reason.
   */
  static async start(options: EmbeddedBrokerOptions): Promise<EmbeddedBroker> {
    const { port, webSocketPort, log = silentLogger } = options
    // As it stands in an address, an IPv6 host has brackets.
    const host = options.host.replace(/^\[(.*)\]$/, '$1')
    const aedes = await Aedes.createBroker({ drainTimeout: drainTimeoutMs })
    restrict(aedes, log)
    const listeners = new Listeners((stream) => void aedes.handle(stream))
    const release = async (): Promise<void> => {
      // Aedes first: it ends its clients, and a server is closed when its last connection is.
      const closed = listeners.close()
      await closeAedes(aedes)
      listeners.cut()
      await closed
    }
    try {
      const url = `mqtt://${await listeners.openTcp(host, port)}`
      const webSocketUrl =
        webSocketPort === undefined
          ? undefined
          : `ws://${await listeners.openWebSocket(host, webSocketPort)}/mqtt`
      return new EmbeddedBroker(url, webSocketUrl, release)
    } catch (error) {
      await release()
      throw error
    }
  }

  /** Ends all clients and listeners. Idempotent, never rejects. */
  close(): Promise<void> {
    this.#closed ??= this.#release()
    return this.#closed
  }
}

/** The servers of a broker and the connections that came through them. */
class Listeners {
  readonly #accept: (stream: Duplex) => void
  readonly #streams = new Set<Duplex>()
  readonly #closings: (() => Promise<void>)[] = []

  constructor(accept: (stream: Duplex) => void) {
    this.#accept = accept
  }

  async openTcp(host: string, port: number): Promise<string> {
    const server = createTcpServer((socket) => {
      socket.setNoDelay(true)
      this.#take(socket)
    })
    server.maxConnections = connectionsMax
    const where = await listen(server, host, port)
    this.#closings.push(() => closeServer(server))
    return where
  }

  async openWebSocket(host: string, port: number): Promise<string> {
    const server = createHttpServer((_request, response) => response.writeHead(426).end())
    const where = await listen(server, host, port)
    const bounds = { messageBytesMax: limits.frameBytesMax, connectionsMax }
    const endAll = acceptWebSocketStreams(server, bounds, (stream) => this.#take(stream))
    this.#closings.push(() => {
      endAll()
      server.closeAllConnections()
      return closeServer(server)
    })
    return where
  }

  /** Stops listening; resolves when the last connection has ended. */
  async close(): Promise<void> {
    await Promise.all(this.#closings.map((close) => close()))
  }

  /** Ends the connections that are left, such as those that never said CONNECT. */
  cut(): void {
    for (const stream of this.#streams) stream.destroy()
  }

  #take(stream: Duplex): void {
    this.#streams.add(stream)
    stream.on('close', () => this.#streams.delete(stream))
    // Aedes listens too, but only while it knows the client.
    stream.on('error', () => {})
    this.#accept(stream)
  }
}

/** Refuses what would be swallowed in silence or grow without bound. */
function restrict(aedes: Aedes, log: Logger): void {
  const retained = new Set<string>()
  let retainedFull = false
  aedes.authorizeSubscribe = (client, subscription, callback) => {
    if (subscription.topic !== '$share' && !subscription.topic.startsWith('$share/')) {
      callback(null, subscription)
      return
    }
    // Aedes would accept it on MQTT 3.1.1 and never deliver a message.
    log.warn('embedded-broker.subscription-refused', {
      clientId: client?.id,
      topic: subscription.topic,
      meaning: 'the embedded broker has no shared subscriptions: use a real broker, or no group',
    })
    callback(null, null)
  }
  aedes.authorizePublish = (client, packet, callback) => {
    const problem = publishProblem(packet.topic, packet.payload.length)
    if (problem === undefined) {
      if (packet.retain && !mayRetain(packet.topic, packet.payload.length)) packet.retain = false
      callback(null)
      return
    }
    log.warn('embedded-broker.publish-refused', {
      clientId: client?.id,
      topic: packet.topic,
      problem,
    })
    callback(new Error(problem))
  }
  function mayRetain(topic: string, payloadBytes: number): boolean {
    if (payloadBytes === 0) {
      retained.delete(topic)
      return true
    }
    if (retained.size < retainedTopicsMax || retained.has(topic)) {
      retained.add(topic)
      return true
    }
    if (!retainedFull) log.warn('embedded-broker.retained-full', { topic, retainedTopicsMax })
    retainedFull = true
    return false
  }
}

function publishProblem(topic: string, payloadBytes: number): string | undefined {
  if (topic.startsWith('$SYS/')) return 'topics under $SYS belong to the broker'
  // Aedes passes some on, such as that of a will. Subscribers that keep to the standard disconnect
  // at each, and with QoS 1 would get it again for ever.
  const fault = topicFault(topic)
  if (fault !== undefined) return `the topic ${fault}`
  if (payloadBytes <= limits.payloadBytesMax) return undefined
  return `a payload of ${payloadBytes} bytes is above the limit of ${limits.payloadBytesMax}`
}

/** @returns `host:port` as it stands in an address. */
function listen(server: TcpServer | HttpServer, host: string, port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const where = `${host}:${port}`
      const inUse = error.code === 'EADDRINUSE'
      const message = inUse
        ? `the embedded broker cannot listen on ${where}: port ${port} is in use`
        : `the embedded broker cannot listen on ${where}: ${error.message}`
      const code = inUse ? 'BROKER_PORT_IN_USE' : 'BROKER_LISTEN_FAILED'
      reject(new EdgebootError(code, message, { details: { where, port }, cause: error }))
    })
    server.listen({ host, port }, () => {
      const address = server.address()
      const bound = address !== null && typeof address === 'object' ? address.port : port
      // Nobody connects to "all addresses": the address given out is the loopback one.
      const reachable = host === '0.0.0.0' || host === '::' || host === '' ? '127.0.0.1' : host
      resolve(`${isIP(reachable) === 6 ? `[${reachable}]` : reachable}:${bound}`)
    })
  })
}

function closeServer(server: TcpServer | HttpServer): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()))
}

function closeAedes(aedes: Aedes): Promise<void> {
  return new Promise((resolve) => {
    // Aedes waits for its clients; one that hangs must not hold up a stop.
    const timer = setTimeout(resolve, closeMs)
    aedes.close(() => {
      clearTimeout(timer)
      resolve()
    })
  })
}
