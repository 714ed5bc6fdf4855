import { isIP } from 'node:net'

/** Where a broker is, taken apart. */
export interface BrokerAddress {
  readonly transport: 'tcp' | 'websocket'
  readonly secure: boolean
  /** Name or IP address, IPv6 without its brackets. */
  readonly host: string
  readonly port: number
  /** Path of a WebSocket. */
  readonly path: string
  /** The address for logs and errors: never with credentials. */
  readonly text: string
}

const schemes: Readonly<Record<string, Pick<BrokerAddress, 'transport' | 'secure'>>> = {
  'mqtt:': { transport: 'tcp', secure: false },
  'tcp:': { transport: 'tcp', secure: false },
  'mqtts:': { transport: 'tcp', secure: true },
  'ssl:': { transport: 'tcp', secure: true },
  'ws:': { transport: 'websocket', secure: false },
  'wss:': { transport: 'websocket', secure: true },
}

const defaultPorts = { tcp: [1883, 8883], websocket: [80, 443] } as const

/**
 * Takes the address of a broker apart. The configuration has checked it; an address that is wrong
 * all the same is a fault of edgeboot.
 */
export function parseBrokerAddress(url: string): BrokerAddress {
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  const scheme = parsed && schemes[parsed.protocol]
  if (parsed === undefined || scheme === undefined || parsed.hostname === '') {
    // The text may hold a password: it is not repeated.
    throw new TypeError('a broker address must be mqtt://, mqtts://, ws:// or wss:// with a host')
  }
  const host = parsed.hostname.replace(/^\[(.*)\]$/, '$1')
  const port =
    parsed.port === ''
      ? defaultPorts[scheme.transport][scheme.secure ? 1 : 0]
      : Number.parseInt(parsed.port, 10)
  const askedPath = parsed.pathname + parsed.search
  const path = askedPath === '' || askedPath === '/' ? '/mqtt' : askedPath
  const shownHost = isIP(host) === 6 ? `[${host}]` : host
  // A query may carry a token, so only the path is shown.
  const shownPath = scheme.transport === 'websocket' ? path.replace(/\?.*$/, '') : ''
  return {
    ...scheme,
    host,
    port,
    path,
    text: `${parsed.protocol}//${shownHost}:${port}${shownPath}`,
  }
}
