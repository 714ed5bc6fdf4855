import { createHash } from 'node:crypto'

/** Whether an address is fetched over the network. Anything else is a path. */
export function isRemoteAddress(address: string): boolean {
  return /^https?:\/\//i.test(address)
}

/**
 * The address as logs, errors and records may show it: without user, password, query and
 * fragment, where tokens travel.
 */
export function displayAddress(address: string): string {
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(address)) return address
  const url = URL.parse(address)
  if (url === null) return `${address.slice(0, address.indexOf('://'))}://(not a valid address)`
  return `${url.protocol}//${url.host}${url.pathname}`
}

/**
 * Tells whether two configurations name the same address although records must not hold its
 * query. User and password do not count: a changed password is still the same address.
 */
export function addressFingerprint(address: string): string {
  const url = isRemoteAddress(address) ? URL.parse(address) : null
  let subject = address
  if (url !== null) {
    url.username = ''
    url.password = ''
    subject = url.href
  }
  return createHash('sha256').update(subject).digest('hex')
}
