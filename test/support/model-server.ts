import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'

/** Answers one request. */
export type Answer = (request: IncomingMessage, response: ServerResponse) => void

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
