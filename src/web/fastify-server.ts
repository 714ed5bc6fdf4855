import type { AddressInfo, Socket } from 'node:net'
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { EdgebootError } from '../core/errors.ts'
import type { Logger } from '../core/log.ts'
import { isLoopback, isReading, refusal } from './access.ts'
import { bareHost, listenError } from './listen-check.ts'
import { allowedMethods, errorReply, type Reply, type Route } from './route.ts'

/** Limits of the server. Those of time are milliseconds. */
const serverLimits = {
  bodyBytesMax: 1024 * 1024,
  headerBytesMax: 16 * 1024,
  connectionsMax: 256,
  requestMs: 10_000,
  idleConnectionMs: 30_000,
  loggedPathCharsMax: 200,
  loggedAgentCharsMax: 80,
} as const

const securityHeaders: Readonly<Record<string, string>> = {
  'content-security-policy':
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cache-control': 'no-store',
}

/** What a server is made of. */
export interface WebServerOptions {
  readonly host: string
  /** 0 takes any that is free. */
  readonly port: number
  readonly token?: string
  readonly routes: readonly Route[]
  readonly log: Logger
}

/** A server that listens. */
export interface WebServer {
  /** Such as `http://127.0.0.1:5888`. */
  readonly address: string
  /** Stops listening and cuts what is still connected. Idempotent. */
  close(): Promise<void>
}

declare module 'fastify' {
  interface FastifyContextConfig {
    isPublic?: boolean
  }
}

/**
 * Serves the routes with Fastify. The one file that knows it.
 *
 * @throws EdgebootError `WEB_TOKEN_MISSING` for an address that is not loopback without a token;
 * `WEB_PORT_IN_USE`, `WEB_ADDRESS_INVALID` when it cannot listen.
 */
export async function startFastifyServer(options: WebServerOptions): Promise<WebServer> {
  const { host, port, token, routes, log } = options
  if (!isLoopback(host) && (token === undefined || token === '')) {
    throw new EdgebootError(
      'WEB_TOKEN_MISSING',
      `The web server would listen on ${host}, where other machines reach it, without a token.`,
      { details: { where: 'web.host' } },
    )
  }
  const app = createApp()
  app.addHook('onRequest', (request, reply, done) => {
    const reason = refusal(options, {
      host: request.headers.host,
      authorization: request.headers.authorization,
      isPublic: request.routeOptions.config.isPublic === true,
      method: request.method,
      origin: request.headers.origin,
      fetchSite: firstOf(request.headers['sec-fetch-site']),
    })
    if (reason === undefined) done()
    else void send(reply, reason)
  })
  app.addHook('onResponse', (request, reply, done) => {
    logRequest(log, request, reply)
    done()
  })
  app.setErrorHandler((error, request, reply) => send(reply, failureReply(error, request, log)))
  app.setNotFoundHandler((request, reply) => send(reply, notFoundReply(request, routes)))
  for (const route of routes) mount(app, route)
  await listen(app, host, port)
  return { address: addressOf(app, host), close: () => app.close() }
}

function createApp(): FastifyInstance {
  const app = Fastify({
    logger: false,
    bodyLimit: serverLimits.bodyBytesMax,
    requestTimeout: serverLimits.requestMs,
    handlerTimeout: serverLimits.requestMs,
    connectionTimeout: serverLimits.idleConnectionMs,
    keepAliveTimeout: serverLimits.idleConnectionMs,
    forceCloseConnections: true,
    http: { maxHeaderSize: serverLimits.headerBytesMax },
    frameworkErrors: (error, _request, reply) => {
      void send(reply, statusReply(error.statusCode ?? 400, error.message))
    },
    clientErrorHandler,
  })
  app.server.maxConnections = serverLimits.connectionsMax
  // Handlers get the raw bytes whatever their type is called.
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
  return app
}

function mount(app: FastifyInstance, route: Route): void {
  app.route({
    method: route.method,
    url: route.path,
    config: { isPublic: route.public },
    handler: async (request, reply) => {
      const answer = await route.handler({
        params: request.params as Record<string, string>,
        query: new URLSearchParams(request.url.split('?', 2)[1] ?? ''),
        headers: request.headers,
        body: request.body instanceof Uint8Array ? request.body : new Uint8Array(),
      })
      return send(reply, answer)
    },
  })
}

function send(reply: FastifyReply, answer: Reply): FastifyReply {
  return reply
    .code(answer.status)
    .headers({ ...securityHeaders, 'content-type': answer.contentType, ...answer.headers })
    .send(answer.body)
}

const codes: Readonly<Record<number, string>> = {
  408: 'REQUEST_TIMEOUT',
  413: 'BODY_TOO_LARGE',
  414: 'URL_TOO_LONG',
  431: 'HEADERS_TOO_LARGE',
  503: 'UNAVAILABLE',
}

function statusReply(status: number, message: string): Reply {
  return errorReply(status, codes[status] ?? 'BAD_REQUEST', message)
}

function notFoundReply(request: FastifyRequest, routes: readonly Route[]): Reply {
  const path = pathOf(request)
  const methods = allowedMethods(routes, path)
  if (methods.length === 0) {
    return errorReply(404, 'NOT_FOUND', `There is nothing at ${path}.`)
  }
  const allow = methods.join(', ')
  const reply = errorReply(405, 'METHOD_NOT_ALLOWED', `${path} answers ${allow} only.`)
  return { ...reply, headers: { allow } }
}

function failureReply(error: unknown, request: FastifyRequest, log: Logger): Reply {
  const status = (error as { statusCode?: unknown }).statusCode
  const message = error instanceof Error ? error.message : String(error)
  if (typeof status === 'number' && status >= 400 && status < 500) {
    return statusReply(status, message)
  }
  log.error('web.request.failed', { path: pathOf(request), error: message })
  if (status === 503) return statusReply(503, 'The answer took too long.')
  if (error instanceof EdgebootError) return errorReply(500, error.code, error.message)
  return errorReply(500, 'INTERNAL_UNEXPECTED', 'This should not happen; the log says more.')
}

/** Requests that change something leave a trace, refused or not; those that tell more than counts a faint one. */
function logRequest(log: Logger, request: FastifyRequest, reply: FastifyReply): void {
  const { config, url } = request.routeOptions
  const fields = {
    method: request.method,
    path: pathOf(request),
    status: reply.statusCode,
    remote: request.ip,
    durationMs: Math.round(reply.elapsedTime),
  }
  // Without a URL of its own it is a path that nobody serves, and changes nothing.
  if (url !== undefined && !isReading(request.method)) {
    const agent = request.headers['user-agent']?.slice(0, serverLimits.loggedAgentCharsMax)
    log.info('admin.request', { ...fields, ...(agent !== undefined && { agent }) })
  } else if (config.isPublic !== true) {
    log.debug('web.request', fields)
  }
}

function firstOf(header: string | string[] | undefined): string | undefined {
  return typeof header === 'string' ? header : header?.[0]
}

/** Without the query, which may hold what nobody else should read. */
function pathOf(request: FastifyRequest): string {
  return (request.url.split('?', 1)[0] ?? '').slice(0, serverLimits.loggedPathCharsMax)
}

/** For what is not HTTP: there is no reply object yet, only a socket. */
function clientErrorHandler(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) return
  const [status, text] = clientErrors[error.code ?? ''] ?? [400, 'Bad Request']
  const { body } = statusReply(
    status,
    `The request is not valid HTTP (${error.code ?? 'unknown'}).`,
  )
  const head = [
    `HTTP/1.1 ${status} ${text}`,
    'Content-Type: application/json; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
  ]
  if (socket.writable) socket.write(`${head.join('\r\n')}\r\n\r\n${body as string}`)
  socket.destroy(error)
}

const clientErrors: Readonly<Record<string, readonly [number, string]>> = {
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'Request Timeout'],
  HPE_HEADER_OVERFLOW: [431, 'Request Header Fields Too Large'],
}

async function listen(app: FastifyInstance, host: string, port: number): Promise<void> {
  try {
    await app.listen({ host: bareHost(host), port })
  } catch (thrown) {
    await app.close()
    throw listenError(thrown, host, port)
  }
}

function addressOf(app: FastifyInstance, host: string): string {
  const { port } = app.server.address() as AddressInfo
  return `http://${host.includes(':') && !host.startsWith('[') ? `[${host}]` : host}:${port}`
}
