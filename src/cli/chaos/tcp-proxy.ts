import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'

/** Bytes that may wait for a delayed or silent connection before the sender is held up. */
const heldBytesMax = 1024 * 1024

/**
 * A TCP proxy on loopback in front of a broker that misbehaves as told: cuts what is connected and
 * turns away who comes, delays what passes, or lets nothing pass while connections stand. Told
 * nothing, it passes everything on as it comes.
 */
export class TcpProxy {
  readonly port: number
  readonly #server: Server
  readonly #pairs = new Set<Pair>()
  #isCut = false
  #delayMs = 0
  #isSilent = false

  private constructor(server: Server, targetPort: number) {
    this.#server = server
    this.port = (server.address() as AddressInfo).port
    server.on('connection', (client) => {
      // A reset, as a firewall or a dead machine answers.
      if (this.#isCut) {
        client.on('error', () => {})
        client.resetAndDestroy()
      } else this.#pass(client, targetPort)
    })
  }

  static async listen(targetPort: number): Promise<TcpProxy> {
    const server = createServer({ pauseOnConnect: true, allowHalfOpen: true })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return new TcpProxy(server, targetPort)
  }

  /** Resets all connections, and whoever connects until {@link heal}. */
  cut(): void {
    this.#isCut = true
    for (const pair of this.#pairs) pair.reset()
  }

  /** Everything takes this much longer, in each direction, until {@link heal}. */
  delay(delayMs: number): void {
    this.#delayMs = delayMs
  }

  /** Connections stand and nothing passes until {@link heal}. */
  silence(): void {
    this.#isSilent = true
  }

  /** Passes on again; what was held back in silence goes first. */
  heal(): void {
    this.#isCut = false
    this.#delayMs = 0
    this.#isSilent = false
    for (const pair of this.#pairs) pair.release()
  }

  async close(): Promise<void> {
    this.cut()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #pass(client: Socket, targetPort: number): void {
    // Half-open: each end may say goodbye for itself.
    const target = connect({ port: targetPort, host: '127.0.0.1', allowHalfOpen: true })
    const pair = new Pair(client, target, () => ({
      delayMs: this.#delayMs,
      isSilent: this.#isSilent,
    }))
    this.#pairs.add(pair)
    void pair.closed.then(() => this.#pairs.delete(pair))
  }
}

interface Manners {
  readonly delayMs: number
  readonly isSilent: boolean
}

/** The two ends of one connection. */
class Pair {
  readonly closed: Promise<void>
  readonly #sockets: readonly [Socket, Socket]
  readonly #directions: readonly [Direction, Direction]

  constructor(client: Socket, target: Socket, manners: () => Manners) {
    this.#sockets = [client, target]
    this.#directions = [
      new Direction(client, target, manners),
      new Direction(target, client, manners),
    ]
    this.closed = new Promise((resolve) => {
      for (const socket of this.#sockets) {
        socket.setNoDelay(true)
        socket.on('error', () => {})
        socket.once('close', (hadError) => {
          if (hadError) this.reset()
          for (const direction of this.#directions) direction.close()
          if (this.#sockets.every(({ destroyed }) => destroyed)) resolve()
        })
      }
    })
    client.resume()
  }

  reset(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy()
  }

  release(): void {
    for (const direction of this.#directions) direction.release()
  }
}

/** Bytes from one socket to the other, in order whatever they are held up for. */
class Direction {
  readonly #from: Socket
  readonly #to: Socket
  readonly #manners: () => Manners
  #held: { readonly chunk: Buffer; readonly dueAt: number }[] = []
  #heldBytes = 0
  #timer: NodeJS.Timeout | undefined

  constructor(from: Socket, to: Socket, manners: () => Manners) {
    this.#from = from
    this.#to = to
    this.#manners = manners
    from.on('data', (chunk: Buffer) => this.#take(chunk))
    // In order: what is held goes out before the end does.
    from.once('end', () => this.release())
    to.on('drain', () => this.#steer())
  }

  release(): void {
    for (const held of this.#held) this.#to.write(held.chunk)
    this.#forget()
    this.#steer()
    if (this.#from.readableEnded) this.#to.end()
  }

  /** One of its ends is gone: nothing comes any more, and what has come goes out. */
  close(): void {
    this.#forget()
    this.#to.end()
  }

  #take(chunk: Buffer): void {
    const { delayMs, isSilent } = this.#manners()
    if (delayMs === 0 && !isSilent && this.#held.length === 0) {
      if (!this.#to.write(chunk)) this.#from.pause()
      return
    }
    this.#held.push({ chunk, dueAt: performance.now() + delayMs })
    this.#heldBytes += chunk.length
    this.#steer()
    this.#arm()
  }

  #arm(): void {
    const first = this.#held[0]
    if (first === undefined || this.#timer !== undefined || this.#manners().isSilent) return
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined
        const now = performance.now()
        while (this.#held[0] !== undefined && this.#held[0].dueAt <= now) {
          const { chunk } = this.#held.shift() as { chunk: Buffer }
          this.#heldBytes -= chunk.length
          this.#to.write(chunk)
        }
        this.#steer()
        this.#arm()
      },
      Math.max(first.dueAt - performance.now(), 1),
    )
  }

  #steer(): void {
    if (this.#heldBytes > heldBytesMax || this.#to.writableNeedDrain) this.#from.pause()
    else this.#from.resume()
  }

  #forget(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#held = []
    this.#heldBytes = 0
  }
}
