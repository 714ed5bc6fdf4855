/** The one file that knows the package `ws`: MQTT inside WebSockets, from either side. */
import type { Server } from 'node:http'
import type { Duplex } from 'node:stream'
import { createWebSocketStream, WebSocket, WebSocketServer } from 'ws'

/** TLS and limits of a WebSocket towards a broker. */
export interface WebSocketOptions {
  readonly ca?: Buffer
  readonly cert?: Buffer
  readonly key?: Buffer
  readonly servername?: string
  readonly rejectUnauthorized?: boolean
}

/**
 * Opens a WebSocket that carries MQTT and gives it as a stream of bytes. What is written before it
 * is open waits. Failures come as the stream's `error`, then `close`.
 */
export function openWebSocketStream(url: string, options: WebSocketOptions): Duplex {
  const socket = new WebSocket(url, ['mqtt'], {
    ...options,
    // Telemetry compresses badly per message, and a context per socket costs memory.
    perMessageDeflate: false,
  })
  return toStream(socket)
}

/**
 * Accepts WebSockets that ask for the subprotocol `mqtt` on an HTTP server.
 *
 * @param accept - Gets each connection as a stream of bytes.
 * @returns Ends every connection at once.
 */
export function acceptWebSocketStreams(
  server: Server,
  options: { readonly messageBytesMax: number; readonly connectionsMax: number },
  accept: (stream: Duplex) => void,
): () => void {
  const sockets = new WebSocketServer({
    server,
    perMessageDeflate: false,
    maxPayload: options.messageBytesMax,
    handleProtocols: (offered) => (offered.has('mqtt') ? 'mqtt' : false),
  })
  sockets.on('connection', (socket) => {
    if (sockets.clients.size > options.connectionsMax) return socket.terminate()
    accept(toStream(socket))
  })
  // The HTTP server tells of its own errors; `ws` repeats them here.
  sockets.on('error', () => {})
  return () => {
    for (const socket of sockets.clients) socket.terminate()
    sockets.close()
  }
}

function toStream(socket: WebSocket): Duplex {
  const stream = createWebSocketStream(socket)
  // `ws` leaves the stream half open when the other side closes; a TCP socket would not.
  stream.once('end', () => stream.destroy())
  return stream
}
