import { once } from 'node:events'
import { createServer } from 'node:net'
import { EdgebootError } from '../core/errors.ts'

/** An IPv6 address without the brackets that URLs and configurations put around it. */
export function bareHost(host: string): string {
  return host.replace(/^\[(.*)\]$/, '$1')
}

/**
 * Listens on an address for a moment, so that a port in use refuses the start before anything
 * else has begun. The server itself starts last.
 *
 * @throws EdgebootError `WEB_PORT_IN_USE` or `WEB_ADDRESS_INVALID`.
 */
export async function checkListen(host: string, port: number): Promise<void> {
  const probe = createServer()
  try {
    probe.listen({ host: bareHost(host), port, exclusive: true })
    await once(probe, 'listening')
  } catch (thrown) {
    throw listenError(thrown, host, port)
  }
  probe.close()
  await once(probe, 'close')
}

/** What a failure to listen means to the one who configured the address. */
export function listenError(thrown: unknown, host: string, port: number): EdgebootError {
  const reason = (thrown as { code?: string }).code ?? String(thrown)
  const options = { cause: thrown, details: { where: 'web', host, port } }
  const at = `${host}:${port}`
  if (reason === 'EADDRINUSE') {
    const text = `The web server cannot listen on ${at}: another program listens there.`
    return new EdgebootError('WEB_PORT_IN_USE', text, options)
  }
  if (reason === 'EACCES') {
    const text = `The web server may not listen on ${at}: this user lacks the right (EACCES).`
    const fix = 'Give web.port a number above 1023.'
    return new EdgebootError('WEB_ADDRESS_INVALID', text, { ...options, fix })
  }
  const text = `The web server cannot listen on ${at}: it is no address of this machine (${reason}).`
  return new EdgebootError('WEB_ADDRESS_INVALID', text, options)
}
