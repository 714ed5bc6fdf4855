import { createHash, timingSafeEqual } from 'node:crypto'
import { errorReply, type Reply } from './route.ts'

/** Who may ask what. */
export interface AccessRules {
  /** The address that the server listens on, as configured. */
  readonly host: string
  readonly token?: string
}

/** Whether only this machine can reach the address. */
export function isLoopback(host: string): boolean {
  const name = host.toLowerCase()
  return (
    name === 'localhost' ||
    name === '::1' ||
    name === '[::1]' ||
    /^(::ffff:)?127(\.\d{1,3}){3}$/.test(name)
  )
}

/**
 * Refuses a request, or lets it pass with `undefined`.
 *
 * On loopback the `Host` header must name loopback: a web page elsewhere that lets its own name
 * resolve to 127.0.0.1 (DNS rebinding) comes with that name in it. A client that sends none is no
 * browser. What is not public needs the token on any other address, and wherever one is set.
 *
 * What changes something is refused to web pages elsewhere, with or without a token: a browser sends
 * a POST of theirs without asking anybody, and says in two headers where it came from.
 *
 * @param request.host - The `Host` header.
 * @param request.authorization - The `Authorization` header.
 * @param request.origin - The `Origin` header.
 * @param request.fetchSite - The `Sec-Fetch-Site` header.
 */
export function refusal(
  rules: AccessRules,
  request: {
    readonly host: string | undefined
    readonly authorization: string | undefined
    readonly isPublic: boolean
    readonly method: string
    readonly origin: string | undefined
    readonly fetchSite: string | undefined
  },
): Reply | undefined {
  const local = isLoopback(rules.host)
  if (local && request.host !== undefined && !namesLoopback(request.host, rules.host)) {
    return errorReply(
      403,
      'HOST_NOT_ALLOWED',
      'This server answers to localhost, 127.0.0.1 and [::1] only.',
    )
  }
  if (!isReading(request.method) && comesFromElsewhere(request)) {
    return errorReply(
      403,
      'CROSS_SITE_REFUSED',
      'This was sent by a web page of another origin. Only pages of this server, and programs, may change something.',
    )
  }
  if (request.isPublic) return undefined
  if (local && rules.token === undefined) return undefined
  if (rules.token !== undefined && carriesToken(request.authorization, rules.token)) {
    return undefined
  }
  const reply = errorReply(
    401,
    'UNAUTHORIZED',
    'This needs the token of the configuration (web.token): Authorization: Bearer TOKEN.',
  )
  return { ...reply, headers: { 'www-authenticate': 'Bearer realm="edgeboot"' } }
}

/** Whether a method only reads. */
export function isReading(method: string): boolean {
  return method === 'GET' || method === 'HEAD' || method === 'OPTIONS'
}

/** Programs send neither header. The scheme of the origin may be that of a proxy in front. */
function comesFromElsewhere(request: {
  readonly host: string | undefined
  readonly origin: string | undefined
  readonly fetchSite: string | undefined
}): boolean {
  const { host, origin, fetchSite } = request
  if (fetchSite !== undefined && fetchSite !== 'same-origin' && fetchSite !== 'none') return true
  if (origin === undefined) return false
  return URL.parse(origin)?.host !== host?.toLowerCase()
}

function namesLoopback(header: string, listening: string): boolean {
  const name = header.toLowerCase().replace(/:\d{1,5}$/, '')
  return ['localhost', '127.0.0.1', '[::1]', listening.toLowerCase()].includes(name)
}

/** Digests are of one length, so the comparison takes the same time whatever was sent. */
function carriesToken(authorization: string | undefined, token: string): boolean {
  const sent = /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1]
  return sent !== undefined && timingSafeEqual(digest(sent), digest(token))
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
