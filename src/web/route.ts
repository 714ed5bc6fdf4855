/**
 * HTTP routes as data, so that they are written once and mounted on any framework. Nothing in
 * here, nor in the handlers, knows one.
 */

/** A request as a handler sees it. */
export interface WebRequest {
  /** Values of the `:name` parts of the route's path. */
  readonly params: Readonly<Record<string, string>>
  readonly query: URLSearchParams
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  /** Raw; empty when there was none. Bounded by the server. */
  readonly body: Uint8Array
}

/** What a handler answers. */
export interface Reply {
  readonly status: number
  readonly contentType: string
  readonly body: string | Uint8Array
  /** Names in lower case; they replace the server's own, such as its security headers. */
  readonly headers?: Readonly<Record<string, string>>
}

/** One method of one path. `GET` answers `HEAD` too. */
export interface Route {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  /** Literal parts and `:name` parts, such as `/v2/models/:name/infer`. */
  readonly path: string
  /** Answers without a token wherever the server listens: health, metrics, pyboot's endpoint. */
  readonly public: boolean
  readonly handler: (request: WebRequest) => Reply | Promise<Reply>
}

/** A reply that holds `value` as JSON without blanks. */
export function jsonReply(value: unknown, status = 200): Reply {
  return { status, contentType: 'application/json; charset=utf-8', body: JSON.stringify(value) }
}

/**
 * A reply in the one shape of all failures: `{"error":{"code":…,"message":…}}`.
 *
 * @param code - Such as `NOT_FOUND`; stable, for programs.
 * @param message - For people.
 */
export function errorReply(status: number, code: string, message: string): Reply {
  return jsonReply({ error: { code, message } }, status)
}

/** Methods that a path answers, for a `405`; empty when no route has that path. */
export function allowedMethods(routes: readonly Route[], path: string): string[] {
  const methods = routes.filter((route) => matches(route.path, path)).map((route) => route.method)
  return methods.includes('GET') ? [...methods, 'HEAD'] : methods
}

function matches(pattern: string, path: string): boolean {
  const wanted = pattern.split('/')
  const given = path.split('/')
  if (wanted.length !== given.length) return false
  return wanted.every((part, i) => (part.startsWith(':') ? given[i] !== '' : part === given[i]))
}
