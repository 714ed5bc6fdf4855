import { readFile } from 'node:fs/promises'
import { connect as connectTcp, isIP } from 'node:net'
import type { Duplex } from 'node:stream'
import { connect as connectTls } from 'node:tls'
import type { TlsSettings } from '../../config/settings.ts'
import { EdgebootError } from '../../core/errors.ts'
import { openWebSocketStream } from '../websocket-stream.ts'
import type { BrokerAddress } from './broker-address.ts'

/** TLS towards a broker with the files read. */
export interface TlsMaterial {
  readonly ca?: Buffer
  readonly cert?: Buffer
  readonly key?: Buffer
  readonly servername?: string
  readonly rejectUnauthorized: boolean
}

/**
 * Reads the certificate files. Done before every connection, because certificates rotate.
 *
 * @throws EdgebootError `BROKER_TLS` naming the setting and the file that cannot be read.
 */
export async function readTlsMaterial(
  tls: TlsSettings | undefined,
  broker: string,
): Promise<TlsMaterial> {
  const read = async (setting: string, file: string | undefined): Promise<Buffer | undefined> => {
    if (file === undefined) return undefined
    try {
      return await readFile(file)
    } catch (error) {
      const why = (error as NodeJS.ErrnoException).code ?? String(error)
      throw new EdgebootError('BROKER_TLS', `${broker}: cannot read ${setting} ${file} (${why})`, {
        details: { where: file },
        cause: error,
        fix: `Let tls.${setting} name a file that this user may read.`,
      })
    }
  }
  const [ca, cert, key] = await Promise.all([
    read('caFile', tls?.caFile),
    read('certFile', tls?.certFile),
    read('keyFile', tls?.keyFile),
  ])
  return {
    ...(ca && { ca }),
    ...(cert && { cert }),
    ...(key && { key }),
    ...(tls?.serverName !== undefined && { servername: tls.serverName }),
    rejectUnauthorized: tls?.insecure !== true,
  }
}

/**
 * Node reads ahead into its own buffer while a socket is paused; with this it stops after one
 * piece, and what waits stays in the kernel: that is the back-pressure, and what makes a pause pay.
 */
const unbuffered = { highWaterMark: 1 }

/**
 * Opens the bytes under MQTT: TCP, TLS, WebSocket or WebSocket over TLS. Returns at once; what is
 * written before it is open waits. Failures come as the stream's `error`, then `close`.
 *
 * @throws whatever Node's TLS says of a certificate or key that it cannot parse.
 */
export function openBrokerSocket(address: BrokerAddress, tls: TlsMaterial): Duplex {
  const { host, port, secure } = address
  if (address.transport === 'websocket') {
    const shownHost = isIP(host) === 6 ? `[${host}]` : host
    const url = `${secure ? 'wss' : 'ws'}://${shownHost}:${port}${address.path}`
    return openWebSocketStream(url, secure ? tls : {})
  }
  const socket = secure
    ? // An IP address must not be sent as a server name; Node then verifies it as an address.
      connectTls({
        ...(isIP(host) === 0 && { servername: host }),
        ...tls,
        host,
        port,
        ...unbuffered,
      })
    : connectTcp({ host, port, ...unbuffered })
  socket.setNoDelay(true)
  return socket
}
