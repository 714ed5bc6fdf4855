import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'

/** Answers one request. */
export type Answer = (request: IncomingMessage, response: ServerResponse) => void

/** How a file is served to those who ask for a part of it. */
export interface RangedFile {
  /** Default: that of the file, which changes with it. */
  readonly etag?: string
  /** Sends this much and then nothing more, and leaves the connection open. */
  readonly stallAt?: number
  /** What it says instead of where the part begins: a server that lies. */
  readonly contentRange?: string
}

/** Answers as a server of files does that knows ranges. Each request is told to `asked`. */
export function rangedFile(
  bytes: Buffer,
  { etag = `"${createHash('md5').update(bytes).digest('hex')}"`, ...file }: RangedFile = {},
  asked: (range: string | undefined) => void = () => {},
): Answer {
  return (request, response) => {
    const { range, 'if-range': validator } = request.headers
    asked(range)
    const wanted = validator === undefined || validator === etag ? range : undefined
    const from = wanted === undefined ? 0 : Number(/^bytes=(\d+)-$/.exec(wanted)?.[1])
    if (from >= bytes.length) {
      response.writeHead(416, { 'content-range': `bytes */${bytes.length}` }).end()
      return
    }
    const contentRange = file.contentRange ?? `bytes ${from}-${bytes.length - 1}/${bytes.length}`
    response.writeHead(wanted === undefined ? 200 : 206, {
      etag,
      'accept-ranges': 'bytes',
      'content-length': bytes.length - from,
      ...(wanted === undefined ? {} : { 'content-range': contentRange }),
    })
    if (file.stallAt === undefined) response.end(bytes.subarray(from))
    else response.write(bytes.subarray(from, Math.max(from, file.stallAt)))
  }
}

/** An HTTP server of model packages on loopback that counts what it is asked for. */
export class ModelServer {
  /** Path, query included, to what it answers; anything else is 404. */
  readonly routes = new Map<string, Answer | Buffer>()
  /** All requests so far, method and path. */
  readonly requests: string[] = []
  /** The `authorization` header of each. */
  readonly authorizations: (string | undefined)[] = []
  readonly #server: Server

  private constructor() {
    this.#server = createServer((request, response) => this.#answer(request, response))
  }

  /** @param files - By path, such as `/model.zip`: the first routes. */
  static async start(files: Readonly<Record<string, Buffer>> = {}): Promise<ModelServer> {
    const server = new ModelServer()
    for (const [path, bytes] of Object.entries(files)) server.routes.set(path, bytes)
    server.#server.listen(0, '127.0.0.1')
    await once(server.#server, 'listening')
    return server
  }

  get port(): number {
    const address = this.#server.address()
    if (address === null || typeof address === 'string') throw new Error('not listening')
    return address.port
  }

  /** Such as `http://127.0.0.1:4711/a.zip`. */
  url(path: string, credentials = ''): string {
    return `http://${credentials}127.0.0.1:${this.port}${path}`
  }

  /** Ends all connections, in the middle of what they send. */
  cut(): void {
    this.#server.closeAllConnections()
  }

  /** Waits until a request has come in. */
  async requested(): Promise<void> {
    if (this.requests.length === 0) await once(this.#server, 'request')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#server.listening) return
    this.#server.close()
    this.#server.closeAllConnections()
    await once(this.#server, 'close')
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    this.requests.push(`${request.method} ${request.url}`)
    this.authorizations.push(request.headers.authorization)
    const route = this.routes.get(request.url ?? '')
    if (route === undefined) response.writeHead(404).end('no such file')
    else if (Buffer.isBuffer(route)) {
      response.writeHead(200, { 'content-length': route.length }).end(route)
    } else route(request, response)
  }
}
