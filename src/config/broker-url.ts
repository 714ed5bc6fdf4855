import { nearestWord } from './nearest-word.ts'

/** An address taken apart, or what is wrong with it. */
export type BrokerUrl =
  | {
      readonly ok: true
      /** Without credentials, with its port. */
      readonly url: string
      readonly secure: boolean
      readonly username?: string
      readonly password?: string
    }
  | { readonly ok: false; readonly message: string; readonly suggestion: string }

interface Scheme {
  readonly scheme: 'mqtt' | 'mqtts' | 'ws' | 'wss' | 'embedded'
  readonly port: number
}

const schemes: Readonly<Record<string, Scheme>> = {
  tcp: { scheme: 'mqtt', port: 1883 },
  mqtt: { scheme: 'mqtt', port: 1883 },
  ssl: { scheme: 'mqtts', port: 8883 },
  tls: { scheme: 'mqtts', port: 8883 },
  mqtts: { scheme: 'mqtts', port: 8883 },
  ws: { scheme: 'ws', port: 80 },
  wss: { scheme: 'wss', port: 443 },
  embedded: { scheme: 'embedded', port: 0 },
}

/**
 * Reads the address of a broker: `tcp`, `mqtt`, `ssl`, `tls`, `mqtts`, `ws`, `wss`, or `embedded`
 * for one inside edgeboot (`embedded://` listens on loopback, on a free port). User name and
 * password in it come back apart; no message repeats them.
 */
export function readBrokerUrl(written: string): BrokerUrl {
  const text = written.trim()
  const separator = text.indexOf('://')
  if (separator === -1) {
    return {
      ok: false,
      message: 'the address names no protocol',
      suggestion: text.includes('@') ? 'begin it with tcp://' : `write tcp://${text}`,
    }
  }
  const word = text.slice(0, separator).toLowerCase()
  const scheme = Object.hasOwn(schemes, word) ? schemes[word] : undefined
  if (scheme === undefined) {
    const meant = nearestWord(word, Object.keys(schemes))
    const known = `known: ${Object.keys(schemes).join(', ')}`
    const suggestion = meant === undefined ? known : `did you mean ${meant}://?`
    return { ok: false, message: `the protocol ${JSON.stringify(word)} is not known`, suggestion }
  }
  return readRest(text.slice(separator + 3), scheme)
}

function readRest(rest: string, { scheme, port }: Scheme): BrokerUrl {
  // A scheme without rules of its own, so that nothing is changed silently.
  const parsed = URL.parse(`edgeboot://${rest}`)
  if (parsed === null) return wrongRest(rest)
  const isWebSocket = scheme === 'ws' || scheme === 'wss'
  const path = `${parsed.pathname}${parsed.search}`
  if (!isWebSocket && path !== '' && path !== '/') {
    return { ok: false, message: 'the address has a path', suggestion: 'only ws and wss have one' }
  }
  let host = parsed.hostname
  if (host === '' && scheme === 'embedded') host = '127.0.0.1'
  if (host === '')
    return {
      ok: false,
      message: 'the address names no host',
      suggestion: 'such as tcp://192.168.1.10:1883',
    }
  if (scheme !== 'embedded' && parsed.port === '0') return wrongRest(rest)
  const shownPort = parsed.port === '' ? String(port) : parsed.port
  const shownPath = isWebSocket && path !== '/' ? path : ''
  return {
    ok: true,
    url: `${scheme}://${host}:${shownPort}${shownPath}`,
    secure: scheme === 'mqtts' || scheme === 'wss',
    ...(parsed.username === '' ? {} : { username: decode(parsed.username) }),
    ...(parsed.password === '' ? {} : { password: decode(parsed.password) }),
  }
}

function wrongRest(rest: string): BrokerUrl {
  const host = rest.slice(rest.lastIndexOf('@') + 1)
  const port = /:([^:/\]]*)(?:\/.*)?$/.exec(host)?.[1]
  const isPort =
    port !== undefined && /^\d+$/.test(port) && Number(port) >= 1 && Number(port) <= 65_535
  if (port !== undefined && !isPort) {
    return {
      ok: false,
      message: `the port ${JSON.stringify(port)} is not a number from 1 to 65535`,
      suggestion: 'such as tcp://192.168.1.10:1883',
    }
  }
  return {
    ok: false,
    message: 'the address is not valid',
    suggestion: 'such as tcp://192.168.1.10:1883',
  }
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
