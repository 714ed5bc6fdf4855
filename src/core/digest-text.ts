/** Digests that a configuration may name. */
export type DigestAlgorithm = 'md5' | 'sha256'

/** A digest as configured: what it must be, and how the operator writes it. */
export interface Digest {
  readonly algorithm: DigestAlgorithm
  /** Lower case. */
  readonly hex: string
  /** The form it was written in; messages answer in the same form. */
  readonly encoding: 'hex' | 'base64'
}

/**
 * Reads a digest: MD5 in base64 (pyboot's way) or hex, SHA-256 in hex, any case, space around it.
 *
 * @returns `undefined` when the text is no such digest.
 */
export function parseDigestText(algorithm: DigestAlgorithm, text: string): Digest | undefined {
  const trimmed = text.trim()
  const hexDigits = algorithm === 'md5' ? 32 : 64
  if (trimmed.length === hexDigits && /^[0-9a-f]+$/i.test(trimmed)) {
    return { algorithm, hex: trimmed.toLowerCase(), encoding: 'hex' }
  }
  // 16 bytes are 22 characters and two of padding; the last character carries two bits only.
  if (algorithm === 'md5' && /^[A-Za-z0-9+/]{21}[AQgw](==)?$/.test(trimmed)) {
    const hex = Buffer.from(trimmed, 'base64').toString('hex')
    return { algorithm, hex, encoding: 'base64' }
  }
  return undefined
}
